//! Calls of this node, until somebody says what became of them.
//!
//! A call is signed once, with the first moment that its target issued after it was asked for; the same
//! bytes are sent again on every link to the target until its outcome comes. What was not sent when
//! its time ran out, by this node's clock, is not sent any more; that it was never done is not said, since
//! somebody may have asked for it under the same id before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::command::{
    Call, CommandFrame, Moment, Outcome, Progress, arguments_hash, is_short,
};
use gearmesh_protocol::entry::{CallRecord, CallState, DataEntry};
use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::limits::COMMAND_TTL_MS_MAX;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;

use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket, standing};
use super::Note;
use super::contract::{Asked, CommandEffect, Ended, Fit};
use super::serving::RUN_WITHIN_MAX;

/// Calls of a node that wait for their outcome, and queries that wait for theirs.
pub const CALLS_OPEN_MAX: usize = 1024;

/// Programs that wait for the outcome of one call.
const ASKERS_MAX: usize = 16;

/// How much longer than it lives a call waits for its target to say what became of it.
pub const OUTCOME_WITHIN: Duration = Duration::from_secs(5);

/// How long a target that works on a command may be away, if nobody says otherwise.
pub const AWAY_WITHIN: Duration = Duration::from_secs(10);

/// A call under way.
#[derive(Debug)]
struct Open {
    tickets: Vec<Ticket>,
    asked: Asked,
    /// Until when it may be accepted, by this node's clock.
    until: Duration,
    /// What was signed, once it was.
    signed: Option<Signed<Call>>,
    /// The link that it was sent over last, while that stands; none of a call to this node itself.
    sent_over: Option<LinkId>,
    /// Since when there is no such link.
    away_since: Option<Duration>,
    progress: Option<Progress>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<CommandId, Open>,
}

impl Calls {
    /// What was sent over a link is sent again over the next.
    pub(super) fn link_down(&mut self, link: LinkId) {
        for open in self.open.values_mut().filter(|open| open.sent_over == Some(link)) {
            open.sent_over = None;
        }
    }
}

impl Open {
    /// Whether the call was heard of no more for longer than it may take.
    fn is_unknown(&self, now: Duration) -> bool {
        let late = self.until + OUTCOME_WITHIN;
        match self.progress {
            Some(Progress::Accepted) => {
                let within = self.asked.away_within;
                let is_away = self.away_since.is_some_and(|since| now >= since + within);
                now >= late && (is_away || now >= late + RUN_WITHIN_MAX + OUTCOME_WITHIN)
            }
            Some(Progress::Received) | None => now >= late,
        }
    }
}

impl Plant {
    /// A program here wants something done.
    pub(super) fn on_call_asked(
        &mut self,
        now: Now,
        ticket: Ticket,
        asked: Asked,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(refusal) = self.may_begin_call(now, &asked) {
            return effects.push(refuse(ticket, refusal));
        }
        self.open_call(now, vec![ticket], asked, fit, effects);
    }

    /// A call begins, or is under way already, whoever waits for it.
    pub(in crate::core::plant) fn open_call(
        &mut self,
        now: Now,
        tickets: Vec<Ticket>,
        asked: Asked,
        fit: Fit,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(open) = self.commands.calls.open.get_mut(&asked.id) {
            return open.tickets.extend(tickets);
        }
        let (id, target) = (asked.id, asked.target);
        let until = now.tick + asked.ttl;
        let open = Open {
            tickets,
            asked,
            until,
            signed: None,
            sent_over: None,
            away_since: None,
            progress: None,
        };
        self.commands.calls.open.insert(id, open);
        match target == self.me {
            true => self.call_here(now, id, fit, effects),
            false => self.send_open_calls(now, &target, effects),
        }
        self.want_called();
    }

    /// Whether this node may ask others for anything, and this much.
    pub(in crate::core::plant) fn may_call(
        &self,
        now: Now,
        arguments: &[u8],
    ) -> Result<(), Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        standing(roster, &self.me, now)?;
        let own = roster.member(&self.me).ok_or(Refusal::NotAMember)?;
        match own.may_call() {
            true if is_short(arguments) => Ok(()),
            true => Err(Refusal::CommandTooLarge),
            false => Err(Refusal::CallNotGranted),
        }
    }

    /// Whether a call would come to a member soon: there is a link, or can be one in a plant in which
    /// not everybody has a link to everybody.
    pub(in crate::core::plant) fn may_come_to(&self, target: &PublicKey) -> bool {
        let told = || self.sightings.all_told().away(&self.me, target);
        let is_online = || told().is_some_and(|away| away.presence == Presence::Online);
        *target == self.me
            || self.links.to(target).is_some()
            || (!self.wanted.is_full_mesh() && is_online())
    }

    /// Whoever is asked for something is linked, also where not everybody is.
    pub(in crate::core::plant) fn want_called(&mut self) {
        if self.wanted.is_full_mesh() {
            return;
        }
        let called: BTreeSet<PublicKey> =
            self.called().chain(self.queried()).chain(self.leases.wanted()).collect();
        if Arc::make_mut(&mut self.wanted).call(called) {
            self.view_is_stale = true;
        }
    }

    fn may_begin_call(&self, now: Now, asked: &Asked) -> Result<(), Refusal> {
        self.may_call(now, &asked.arguments)?;
        if let Some(open) = self.commands.calls.open.get(&asked.id) {
            let Asked { target, verb, arguments, .. } = &open.asked;
            let is_same =
                (target, verb, arguments) == (&asked.target, &asked.verb, &asked.arguments);
            return match is_same && open.tickets.len() < ASKERS_MAX {
                true => Ok(()),
                false if is_same => Err(Refusal::CallsFull),
                false => Err(Refusal::CommandIdTaken),
            };
        }
        if self.commands.calls.open.len() >= CALLS_OPEN_MAX {
            return Err(Refusal::CallsFull);
        }
        match self.may_come_to(&asked.target) || asked.waits {
            true => Ok(()),
            false => Err(Refusal::MachineUnreachable),
        }
    }

    /// A call to this node itself takes the same way, but for the link.
    fn call_here(&mut self, now: Now, id: CommandId, fit: Fit, effects: &mut Vec<Effect>) {
        let Some(open) = self.commands.calls.open.get(&id) else { return };
        let ttl = open.until.saturating_sub(now.tick);
        let call = call_of(&open.asked, self.moment(now), ttl);
        self.write_down(now, id, CallState::Sent);
        self.arrive(now, self.me, call, fit, effects);
    }

    /// Sends all calls to a member that it did not get over its link of now.
    pub(super) fn send_open_calls(
        &mut self,
        now: Now,
        target: &PublicKey,
        effects: &mut Vec<Effect>,
    ) {
        let plant = self.roster.as_ref().map(|roster| roster.plant());
        let (Some((link, _)), Some(plant)) = (self.links.to(target), plant) else { return };
        let Some((issued, heard)) = self.commands.moments.of(target) else { return };
        let mut begun = Vec::new();
        for (id, open) in &mut self.commands.calls.open {
            if open.asked.target != *target || open.sent_over == Some(link) {
                continue;
            }
            let signed = open.signed.get_or_insert_with(|| {
                begun.push(*id);
                let ttl = match open.asked.ttl {
                    // It is only to hear what became of an earlier one, and never to be begun.
                    Duration::ZERO => Duration::ZERO,
                    _ => open.until.saturating_sub(heard),
                };
                let call = call_of(&open.asked, issued, ttl);
                Signed::sign(&self.key, &plant, &call)
            });
            let frame = CommandFrame::Call(signed.clone());
            (open.sent_over, open.away_since) = (Some(link), None);
            effects.push(CommandEffect::Send { link, frame }.into());
        }
        for id in begun {
            self.write_down(now, id, CallState::Sent);
        }
    }

    /// A target says how far a call is.
    pub(super) fn on_progress(
        &mut self,
        target: &PublicKey,
        id: CommandId,
        progress: Progress,
        effects: &mut Vec<Effect>,
    ) {
        let Some(open) = self.commands.calls.open.get_mut(&id) else { return };
        if open.asked.target != *target || open.progress >= Some(progress) {
            return;
        }
        open.progress = Some(progress);
        let tell = |ticket: &Ticket| CommandEffect::Progress { ticket: *ticket, progress }.into();
        effects.extend(open.tickets.iter().map(tell));
    }

    /// A target says what became of a call.
    pub(super) fn on_outcome(
        &mut self,
        now: Now,
        target: &PublicKey,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let Outcome { caller, id, state, detail } = outcome;
        let open = self.commands.calls.open.get(&id);
        let is_asked = open.is_some_and(|open| open.asked.target == *target);
        if caller == self.me && is_asked && state.is_final() {
            let ended = CallState::Ended(state.clone());
            let answer = Answer::Ended(Box::new(Ended { state, detail }));
            self.end_call(now, id, ended, &answer, effects);
        }
    }

    /// Gives up calls that nobody says anything of.
    pub(super) fn end_overdue_calls(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let (mut unsent, mut unknown) = (Vec::new(), Vec::new());
        for (id, open) in &mut self.commands.calls.open {
            let is_own = open.asked.target == self.me;
            if open.signed.is_none() && !is_own {
                if now.tick >= open.until {
                    unsent.push(*id);
                }
                continue;
            }
            if open.sent_over.is_none() && !is_own {
                open.away_since.get_or_insert(now.tick);
            }
            if open.is_unknown(now.tick) {
                unknown.push(*id);
            }
        }
        for id in unsent {
            let Some(open) = self.commands.calls.open.remove(&id) else { continue };
            let refuse = |ticket| refuse(ticket, Refusal::MachineUnreachable);
            effects.extend(open.tickets.into_iter().map(refuse));
            let answer = Answer::Refused(Refusal::MachineUnreachable);
            self.on_attempt_over(now, id, &answer, effects);
        }
        for id in unknown {
            let answer = Answer::Refused(Refusal::OutcomeUnknown);
            self.end_call(now, id, CallState::Unknown, &answer, effects);
        }
    }

    fn end_call(
        &mut self,
        now: Now,
        id: CommandId,
        state: CallState,
        answer: &Answer,
        effects: &mut Vec<Effect>,
    ) {
        self.write_down(now, id, state);
        let Some(open) = self.commands.calls.open.remove(&id) else { return };
        effects.extend(
            open.tickets
                .into_iter()
                .map(|ticket| Effect::Answer { ticket, answer: answer.clone() }),
        );
        self.on_attempt_over(now, id, answer, effects);
    }

    /// What becomes of a call is of no use any more, unless a program waits for it.
    pub(in crate::core::plant) fn forget_call(&mut self, now: Now, id: CommandId) {
        let open = self.commands.calls.open.get(&id);
        if open.is_some_and(|open| open.tickets.is_empty()) {
            self.write_down(now, id, CallState::Unknown);
            self.commands.calls.open.remove(&id);
        }
    }

    /// Notes what is known of a call in the own log. Nothing waits for it: what counts is with the
    /// target.
    fn write_down(&mut self, now: Now, id: CommandId, state: CallState) {
        let Some(open) = self.commands.calls.open.get(&id) else { return };
        let Asked { target, verb, arguments, .. } = &open.asked;
        let record = CallRecord {
            id,
            target: *target,
            verb: verb.clone(),
            arguments: arguments_hash(arguments),
            state,
            at: now.wall,
        };
        let _ = self.note(Note::Called, &DataEntry::Call(record));
    }

    /// Members that have something to do for this node, or are to have.
    fn called(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.commands.calls.open.values().map(|open| open.asked.target)
    }
}

fn call_of(asked: &Asked, issued: Moment, ttl: Duration) -> Call {
    Call {
        id: asked.id,
        target: asked.target,
        issued,
        ttl_ms: millis(ttl),
        verb: asked.verb.clone(),
        arguments: asked.arguments.clone(),
        token: asked.token,
        partner: asked.partner.clone(),
    }
}

/// A time to live, as long as it may be.
pub(super) fn millis(ttl: Duration) -> u32 {
    u32::try_from(ttl.as_millis()).unwrap_or(u32::MAX).min(COMMAND_TTL_MS_MAX)
}

const fn refuse(ticket: Ticket, refusal: Refusal) -> Effect {
    Effect::Answer { ticket, answer: Answer::Refused(refusal) }
}
