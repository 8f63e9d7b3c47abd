//! Calls of this side at a partner's, until the partner says what became of them.
//!
//! A call has a number under its agreement, which is on the disk before the call is sent; it is sent
//! again over every session, with what is left of its time, until its outcome comes.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::command::{Moment, arguments_hash, is_short};
use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::{CommandId, PublicKey, SheetId};
use gearmesh_protocol::limits::PARTNER_TTL_MS_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::partner_call::{PartnerCall, PartnerOutcome, PartnerProgress};
use gearmesh_protocol::partner_local::PartnerCalled;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::Partners;
use super::contract::{Answer, Effect, SessionId};
use super::deal::{Deal, Side};
use super::record::PartnerRecord;
use crate::core::clock::Now;

/// Calls under one agreement that are under way.
pub(super) const OPEN_MAX: usize = 16;

/// Calls under one agreement whose ids are known; the oldest that are over go.
pub(super) const KNOWN_MAX: usize = 256;

/// How much longer than it lives a call waits for its outcome: a verb may take an hour.
const OUTCOME_WITHIN: Duration = Duration::from_secs(65 * 60);

/// All calls of this side under one agreement.
#[derive(Default)]
pub(super) struct Calls {
    next: u64,
    known: BTreeMap<u64, Asked>,
    /// What time it is there, and when that was heard.
    heard: Option<(Moment, Duration)>,
}

/// A call of this side.
struct Asked {
    id: CommandId,
    verb: Name,
    arguments: [u8; 32],
    standing: Standing,
}

enum Standing {
    /// It is under way.
    Open {
        arguments: Vec<u8>,
        until: Duration,
        sent_over: Option<SessionId>,
        progress: Option<PartnerProgress>,
    },
    /// Nobody here waits for it: it is of an earlier life, or was given up.
    Left,
    /// The partner said what became of it.
    Over { state: CommandState, detail: String },
}

/// What a person or program wants of a partner.
#[derive(Clone, Debug)]
pub struct CallWish {
    /// The agreement.
    pub name: Name,
    /// What the sheet calls it.
    pub verb: Name,
    /// The arguments, JSON.
    pub arguments: Vec<u8>,
    /// The call's id; the same again asks how far it is.
    pub id: CommandId,
    /// How long it may take until it is begun.
    pub ttl: Duration,
}

impl Calls {
    fn open(&self) -> usize {
        self.known.values().filter(|it| matches!(it.standing, Standing::Open { .. })).count()
    }

    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.open() == 0
    }

    /// The number of the next call.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Goes on with this number.
    pub(super) fn go_on_from(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// The gateway that was called is gone: nobody says what became of what it may have.
    pub(super) fn leave(&mut self) {
        for asked in self.known.values_mut() {
            if let Standing::Open { sent_over, progress, .. } = &asked.standing
                && (sent_over.is_some() || progress.is_some())
            {
                let state = CommandState::Indeterminate;
                asked.standing = Standing::Over { state, detail: String::new() };
            }
        }
    }

    /// A call is known from an earlier life.
    pub(super) fn recall(&mut self, number: u64, id: CommandId, verb: Name, arguments: [u8; 32]) {
        let standing = Standing::Left;
        self.insert(number, Asked { id, verb, arguments, standing });
    }

    fn insert(&mut self, number: u64, asked: Asked) {
        self.next = self.next.max(number.saturating_add(1));
        self.known.insert(number, asked);
        while self.known.len() > KNOWN_MAX {
            let over = |asked: &Asked| !matches!(asked.standing, Standing::Open { .. });
            let Some(oldest) = self.known.iter().find(|(_, it)| over(it)).map(|(at, _)| *at) else {
                break;
            };
            self.known.remove(&oldest);
        }
    }

    /// A call with this id, if it is known.
    fn of(&mut self, id: &CommandId) -> Option<(u64, &mut Asked)> {
        self.known.iter_mut().find(|(_, it)| it.id == *id).map(|(number, it)| (*number, it))
    }

    /// What is to be sent over a session that did not have it.
    fn take_unsent(
        &mut self,
        now: Duration,
        sheet: SheetId,
        session: SessionId,
    ) -> Vec<PartnerCall> {
        let Some((issued, heard)) = self.heard else { return Vec::new() };
        let mut calls = Vec::new();
        for (number, asked) in &mut self.known {
            let Standing::Open { arguments, until, sent_over, .. } = &mut asked.standing else {
                continue;
            };
            if *sent_over == Some(session) {
                continue;
            }
            *sent_over = Some(session);
            let ttl_ms = match until.checked_sub(now) {
                // It is only to hear what became of it, and never to be begun.
                None | Some(Duration::ZERO) => 0,
                Some(_) => millis(until.saturating_sub(heard)),
            };
            calls.push(PartnerCall {
                sheet,
                number: *number,
                id: asked.id,
                issued,
                ttl_ms,
                verb: asked.verb.clone(),
                arguments: arguments.clone(),
            });
        }
        calls
    }

    /// Gives up what nobody says anything of.
    fn tick(&mut self, now: Duration) {
        for asked in self.known.values_mut() {
            if let Standing::Open { until, sent_over, progress, .. } = &asked.standing {
                let is_unsent = sent_over.is_none() && progress.is_none();
                if now >= *until && is_unsent {
                    // Nobody has it, so it is not begun.
                    let state = CommandState::Expired;
                    asked.standing = Standing::Over { state, detail: String::new() };
                } else if now >= *until + OUTCOME_WITHIN {
                    asked.standing = Standing::Left;
                }
            }
        }
    }

    /// A session ended: what was sent over it is sent over the next.
    pub(super) fn session_ended(&mut self) {
        self.heard = None;
        for asked in self.known.values_mut() {
            if let Standing::Open { sent_over, progress, .. } = &mut asked.standing
                && sent_over.take().is_some()
            {
                // The partner may have it, whether or not it said so.
                progress.get_or_insert(PartnerProgress::Received);
            }
        }
    }
}

impl Asked {
    fn called(&self, number: u64) -> PartnerCalled {
        let (progress, state, detail) = match &self.standing {
            Standing::Open { progress, .. } => (*progress, None, String::new()),
            Standing::Left => (None, None, String::new()),
            Standing::Over { state, detail } => (None, Some(state.clone()), detail.clone()),
        };
        PartnerCalled { number, progress, state, detail }
    }
}

impl Partners {
    /// Somebody here wants something done at a partner's, or to know how far it is.
    pub(super) fn call(
        &mut self,
        now: Now,
        wish: CallWish,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let CallWish { name, verb, arguments, id, ttl } = wish;
        let deals = self.deals.values_mut().filter(|deal| deal.is_live(now));
        let deal = deals.into_iter().find(|deal| deal.local.name == name);
        let deal = deal.ok_or(Refusal::ShareUnknown)?;
        if deal.side != Side::To || !deal.sheet().terms.verbs.contains(&verb) {
            return Err(Refusal::VerbNotAgreed.into());
        }
        let hash = arguments_hash(&arguments);
        let (sheet, peer) = (deal.id(), deal.theirs().gateway);
        let until = now.tick + ttl;
        let has_room = deal.calls.open() < OPEN_MAX;
        if let Some((number, asked)) = deal.calls.of(&id) {
            if asked.verb != verb || asked.arguments != hash {
                return Err(Refusal::CommandIdTaken.into());
            }
            if matches!(asked.standing, Standing::Left) && has_room {
                let (sent_over, progress) = (None, Some(PartnerProgress::Received));
                asked.standing = Standing::Open { arguments, until, sent_over, progress };
            }
            let called = asked.called(number);
            self.send_calls(now, &peer, out);
            return Ok(Answer::Called(called));
        }
        let in_time = !ttl.is_zero() && ttl <= Duration::from_millis(PARTNER_TTL_MS_MAX.into());
        if !in_time {
            let text = "a call at a partner's lives for 1 ms to 24 h";
            return Err(ErrorBody::from(Refusal::RequestMalformed).saying(text));
        }
        if !is_short(&arguments) {
            return Err(Refusal::CommandTooLarge.into());
        }
        if !has_room {
            return Err(Refusal::CallsFull.into());
        }
        let number = deal.calls.next;
        out.push(Effect::Persist(PartnerRecord::Asked {
            sheet,
            number,
            id,
            verb: verb.clone(),
            arguments: hash,
        }));
        let (sent_over, progress) = (None, None);
        let standing = Standing::Open { arguments, until, sent_over, progress };
        let asked = Asked { id, verb, arguments: hash, standing };
        let called = asked.called(number);
        deal.calls.insert(number, asked);
        self.send_calls(now, &peer, out);
        Ok(Answer::Called(called))
    }

    /// Sends a partner all calls that it did not get over its session of now.
    fn send_calls(&mut self, now: Now, peer: &PublicKey, out: &mut Vec<Effect>) {
        let Some(session) = self.session_with(peer) else { return };
        let calling = |deal: &&mut Deal| deal.side == Side::To && deal.theirs().gateway == *peer;
        for deal in self.deals.values_mut().filter(|deal| deal.is_live(now)).filter(calling) {
            let (sheet, plant) = (deal.id(), deal.sheet().from.plant);
            for call in deal.calls.take_unsent(now.tick, sheet, session) {
                let frame = SessionFrame::Call(Signed::sign(&self.key, &plant, &call));
                out.push(Effect::Send { session, frame: Box::new(frame) });
            }
        }
    }

    /// What time it is at a partner's.
    pub(super) fn moment(
        &mut self,
        now: Now,
        peer: &PublicKey,
        moment: Moment,
        out: &mut Vec<Effect>,
    ) {
        for deal in self.deals.values_mut().filter(|deal| deal.theirs().gateway == *peer) {
            deal.calls.heard = Some((moment, now.tick));
        }
        self.send_calls(now, peer, out);
    }

    /// A partner says how far a call is.
    pub(super) fn call_progress(
        &mut self,
        peer: &PublicKey,
        (sheet, number): (&SheetId, u64),
        progress: PartnerProgress,
    ) {
        let deal = self.deals.get_mut(sheet).filter(|deal| deal.theirs().gateway == *peer);
        let asked = deal.and_then(|deal| deal.calls.known.get_mut(&number));
        if let Some(Asked { standing: Standing::Open { progress: held, .. }, .. }) = asked {
            *held = (*held).max(Some(progress));
        }
    }

    /// A partner says what became of a call.
    pub(super) fn call_outcome(&mut self, peer: &PublicKey, signed: &Signed<PartnerOutcome>) {
        let Ok(named) = signed.peek() else { return };
        let Some(deal) = self.deals.get_mut(&named.sheet) else { return };
        let is_theirs = deal.theirs().gateway == *peer && deal.side == Side::To;
        if !is_theirs || signed.verify(&deal.sheet().from.plant, peer).is_err() {
            return;
        }
        let PartnerOutcome { number, id, state, detail, .. } = named;
        let asked = deal.calls.known.get_mut(&number).filter(|asked| asked.id == id);
        if let Some(asked) = asked.filter(|_| state.is_final()) {
            asked.standing = Standing::Over { state, detail };
        }
    }

    pub(super) fn give_up_calls(&mut self, now: Now) {
        self.deals.values_mut().for_each(|deal| deal.calls.tick(now.tick));
    }
}

pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
