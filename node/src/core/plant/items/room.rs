//! Offerer and worker in their plant: links, members, the own log, commands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::command::CommandFrame;
use gearmesh_protocol::entry::{CommandState, DataEntry, WorkRecord};
use gearmesh_protocol::ids::{CommandId, Incarnation, PublicKey, WorkId};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::work::{Attempt, WorkFrame};

use super::super::commands::{Asked, CommandEffect, Ended, Note};
use super::super::{Answer, Effect, LinkId, Now, Plant, Ticket, standing};
use super::contract::{Errand, Offering, WorkEffect, WorkInput};
use super::offerer::{Act, AttemptEnd, Offerer};
use super::worker::Workers;

/// All that a node knows of work items.
#[derive(Debug)]
pub(in crate::core::plant) struct Items {
    offerer: Offerer,
    workers: Workers,
}

impl Items {
    /// The state of a node that begins a life, beside its own log if it has written one.
    pub(in crate::core::plant) fn beside(has_own_log: bool, life: Incarnation) -> Self {
        let mut offerer = Offerer::new(life);
        if !has_own_log {
            offerer.recalled(&mut Vec::new());
        }
        Self { offerer, workers: Workers::default() }
    }

    /// The verbs for which linked members, and this node, take work items.
    pub(in crate::core::plant) fn takers(&self) -> Arc<BTreeMap<PublicKey, Arc<[Name]>>> {
        self.workers.takers()
    }

    /// A record of an earlier life, from that group of the own log.
    pub(in crate::core::plant) fn recall(&mut self, number: u64, record: WorkRecord) {
        self.offerer.recall(number, record);
    }

    /// What of this has to be in the own log.
    pub(in crate::core::plant) const fn offerer(&self) -> &Offerer {
        &self.offerer
    }

    /// The own log has room for so many bytes.
    pub(in crate::core::plant) fn limit(&mut self, log_bytes: u64) {
        self.offerer.limit(log_bytes);
    }

    /// The group of that number says again all of an item.
    pub(in crate::core::plant) fn said_again(&mut self, id: WorkId, number: u64) {
        self.offerer.said_again(id, number);
    }
}

impl Plant {
    pub(in crate::core::plant) fn on_work(
        &mut self,
        now: Now,
        input: WorkInput,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        match input {
            WorkInput::Offer { ticket, offering } => {
                self.offer_item(now, ticket, offering, &mut acts);
            }
            WorkInput::Cancel { ticket, id } => {
                self.items.offerer.cancel(now, ticket, id, &mut acts);
            }
            WorkInput::List { ticket } => {
                let answer = Answer::Items(self.items.offerer.list());
                effects.push(Effect::Answer { ticket, answer });
            }
            WorkInput::Checked { errand, fit } => {
                self.open_call(now, Vec::new(), asked(*errand), fit, effects);
            }
        }
        self.act_as_offerer(now, acts, effects);
    }

    fn offer_item(&mut self, now: Now, ticket: Ticket, offering: Offering, acts: &mut Vec<Act>) {
        let may = match self.may_call(now, &offering.arguments) {
            Err(Refusal::CallNotGranted) => Err(Refusal::WorkNotGranted),
            may => may.and_then(|()| self.may_write_more(now).map(|_| ())),
        };
        self.items.offerer.offer(now, (ticket, offering), may, acts);
    }

    /// The own log was read to its end, or more of it came back.
    pub(in crate::core::plant) fn items_recalled(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let mut acts = Vec::new();
        self.items.offerer.recalled(&mut acts);
        for (ticket, offering) in self.items.offerer.take_held() {
            self.offer_item(now, ticket, offering, &mut acts);
        }
        self.act_as_offerer(now, acts, effects);
    }

    /// A frame about work items came from a member.
    pub(in crate::core::plant) fn on_work_frame(
        &mut self,
        now: Now,
        from: PublicKey,
        frame: WorkFrame,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        match frame {
            WorkFrame::Takes(verbs) => {
                let verbs = verbs.into_vec();
                self.view_is_stale |= self.items.workers.takes(from, verbs.clone());
                self.items.offerer.spread_all(&verbs, &mut acts);
            }
            WorkFrame::Offered { verb, attempts } => {
                if self.may_have_done(now, &from) {
                    for attempt in attempts.into_vec() {
                        self.want(now, from, &verb, attempt, effects);
                    }
                }
            }
            WorkFrame::Take(attempt) => {
                let may = self.may_work(now, &from) && self.may_write_more(now).is_ok();
                self.items.offerer.take(now, from, attempt, may, &mut acts);
            }
            WorkFrame::Gone(attempt) => self.items.workers.release(&from, attempt.command()),
        }
        self.act_as_offerer(now, acts, effects);
    }

    /// Takes an attempt, if there is a place for it.
    fn want(
        &mut self,
        now: Now,
        offerer: PublicKey,
        verb: &Name,
        attempt: Attempt,
        effects: &mut Vec<Effect>,
    ) {
        let workers = &self.items.workers;
        let (command, promised) = (attempt.command(), workers.promised(verb));
        let is_known = workers.is_promised(&offerer, command);
        let is_takeable = workers.does_take(&self.me, verb);
        if !is_known && (!is_takeable || self.free_places(verb) <= promised) {
            return;
        }
        self.items.workers.promise(offerer, command, verb, now.tick);
        self.tell_of_work(now, offerer, WorkFrame::Take(attempt), effects);
    }

    /// A call came: a place that was kept for it is not kept any more.
    pub(in crate::core::plant) fn keep_promise(&mut self, caller: &PublicKey, id: CommandId) {
        self.items.workers.release(caller, id);
    }

    /// Whether a member may have anything done by others.
    fn may_have_done(&self, now: Now, member: &PublicKey) -> bool {
        let roster = self.roster.as_ref();
        let member = roster.and_then(|roster| roster.member_at(member, now.wall));
        member.is_some_and(|member| member.may_call())
    }

    fn may_work(&self, now: Now, member: &PublicKey) -> bool {
        let roster = self.roster.as_ref();
        let member = roster.and_then(|roster| roster.member_at(member, now.wall));
        member.is_some_and(|member| member.may_serve())
    }

    fn act_as_offerer(&mut self, now: Now, acts: Vec<Act>, effects: &mut Vec<Effect>) {
        for act in acts {
            match act {
                Act::Write(record) => self.note_item(now, record, effects),
                Act::Spread(verb, frame) => {
                    for worker in self.items.workers.of(&verb) {
                        self.tell_of_work(now, worker, frame.clone(), effects);
                    }
                }
                Act::Tell(to, frame) => self.tell_of_work(now, to, frame, effects),
                Act::Call(errand) if errand.by == self.me => {
                    effects.push(Effect::Work(WorkEffect::Check(errand)));
                }
                Act::Call(errand) => {
                    self.open_call(now, Vec::new(), asked(*errand), Ok(()), effects);
                }
                Act::Forget(command) => self.forget_call(now, command),
                Act::Answer(ticket, outcome) => {
                    let answer = outcome.map_or_else(Answer::Refused, Answer::Item);
                    effects.push(Effect::Answer { ticket, answer });
                }
                Act::Late => effects.push(Effect::Work(WorkEffect::Late)),
            }
        }
    }

    fn note_item(&mut self, now: Now, record: WorkRecord, effects: &mut Vec<Effect>) {
        let id = record.id;
        if let Err(refusal) = self.note(Note::Work(id), &DataEntry::Work(record)) {
            self.on_item_not_noted(now, id, refusal, effects);
        }
    }

    /// What an item is to be is on the disk, in that group.
    pub(in crate::core::plant) fn on_item_noted(
        &mut self,
        now: Now,
        (id, number): (WorkId, u64),
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        self.items.offerer.said(id, number);
        self.items.offerer.written(now, id, &mut acts);
        self.act_as_offerer(now, acts, effects);
    }

    /// It is not, and will not be.
    pub(in crate::core::plant) fn on_item_not_noted(
        &mut self,
        now: Now,
        id: WorkId,
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        self.items.offerer.not_written(id, refusal, &mut acts);
        self.act_as_offerer(now, acts, effects);
    }

    /// A call of this node is over: if it was an attempt, its item goes on.
    pub(in crate::core::plant) fn on_attempt_over(
        &mut self,
        now: Now,
        command: CommandId,
        answer: &Answer,
        effects: &mut Vec<Effect>,
    ) {
        let end = match answer {
            Answer::Ended(ended) => end_of(ended),
            Answer::Refused(refusal) => AttemptEnd::Lost(refusal.text().to_owned()),
            _ => return,
        };
        let mut acts = Vec::new();
        self.items.offerer.ended(now, command, end, &mut acts);
        self.act_as_offerer(now, acts, effects);
    }

    /// Whoever is not linked is offered the same again when it is.
    fn tell_of_work(
        &mut self,
        now: Now,
        to: PublicKey,
        frame: WorkFrame,
        effects: &mut Vec<Effect>,
    ) {
        if to == self.me {
            return self.on_work_frame(now, to, frame, effects);
        }
        if let Some((link, _)) = self.links.to(&to) {
            let frame = CommandFrame::Work(frame);
            effects.push(CommandEffect::Send { link, frame }.into());
        }
    }

    /// Tells everybody linked, or one of them, for which verbs this machine takes work items.
    pub(in crate::core::plant) fn announce_work(
        &mut self,
        now: Now,
        to: Option<LinkId>,
        effects: &mut Vec<Effect>,
    ) {
        let verbs = self.verbs_for_work();
        if to.is_some() && verbs.is_empty() {
            return;
        }
        let takes = WorkFrame::Takes(Bounded::first_of(verbs.iter().cloned()));
        let all = || self.links.in_use().map(|(link, _)| link).collect();
        for link in to.map_or_else(all, |link| vec![link]) {
            let frame = CommandFrame::Work(takes.clone());
            effects.push(CommandEffect::Send { link, frame }.into());
        }
        if to.is_none() {
            self.on_work_frame(now, self.me, takes, effects);
        }
    }

    /// A member said for the first time what time it is there: calls get to it from now on.
    pub(in crate::core::plant) fn ask_what_became_of_items(
        &mut self,
        now: Now,
        peer: &PublicKey,
        effects: &mut Vec<Effect>,
    ) {
        let mut acts = Vec::new();
        self.items.offerer.linked(peer, &mut acts);
        self.act_as_offerer(now, acts, effects);
    }

    /// There is no link to a member any more.
    pub(in crate::core::plant) fn forget_worker(&mut self, peer: &PublicKey) {
        self.view_is_stale |= self.items.workers.forget(peer);
    }

    /// What is due with time.
    pub(in crate::core::plant) fn on_work_tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.items.workers.tick(now.tick);
        let roster = self.roster.clone();
        // One who is not a member itself judges nobody: it writes nothing either.
        if roster.as_ref().is_none_or(|roster| standing(roster, &self.me, now).is_err()) {
            return;
        }
        let may_work = |member: &PublicKey| {
            let member = roster.as_ref().and_then(|roster| roster.member_at(member, now.wall));
            member.is_some_and(|member| member.may_serve())
        };
        let mut acts = Vec::new();
        self.items.offerer.tick(now, may_work, &mut acts);
        self.act_as_offerer(now, acts, effects);
    }
}

/// An attempt as a command of this node.
fn asked(errand: Errand) -> Asked {
    let Errand { command, by, verb, arguments, token, silence_ms, is_probe } = errand;
    let silence = Duration::from_millis(silence_ms.into());
    Asked {
        id: command,
        target: by,
        verb,
        arguments,
        // What is over when it comes is answered with what became of the first, or not begun.
        ttl: if is_probe { Duration::ZERO } else { silence },
        waits: true,
        token: Some(token),
        partner: None,
        away_within: silence,
    }
}

fn end_of(ended: &Ended) -> AttemptEnd {
    let said = |text: &str| match ended.detail.is_empty() {
        true => text.to_owned(),
        false => format!("{text}: {}", ended.detail),
    };
    match &ended.state {
        CommandState::Done { result } => AttemptEnd::Done(result.clone()),
        CommandState::Failed { code, message } => {
            AttemptEnd::Failed(format!("{message} (exit code {code})"))
        }
        CommandState::Refused(refusal) => AttemptEnd::Lost(said(refusal.text())),
        state => AttemptEnd::Lost(said(state.name())),
    }
}
