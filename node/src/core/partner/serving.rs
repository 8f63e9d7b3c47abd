//! Calls of partners at this side: which are taken, which wait for a person, what became of them.
//!
//! That a call is begun is on the disk before the plant hears of it, and what became of it before the
//! partner does. A number that this side has let go of is never begun again.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::command::{Moment, arguments_hash, is_short};
use gearmesh_protocol::entry::{CommandState, PartnerEvent};
use gearmesh_protocol::ids::{CommandId, Incarnation, PublicKey, SheetId};
use gearmesh_protocol::limits::PARTNER_TTL_MS_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::partner_call::{
    PartnerCall, PartnerOutcome, PartnerProgress, plant_command,
};
use gearmesh_protocol::partner_local::CallWaiting;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::Partners;
use super::contract::{Answer, Effect, SessionId};
use super::deal::{Deal, Side};
use super::record::PartnerRecord;
use crate::core::clock::Now;

/// Calls of one partner that wait or are under way.
pub(super) const OPEN_MAX: usize = 16;

/// Calls of one partner that are known; the oldest that are over go.
pub(super) const KNOWN_MAX: usize = 64;

/// Calls of one partner that are taken in a second.
pub(super) const RATE: f64 = 10.0;

/// Calls of one partner that are taken at once after a pause.
pub(super) const BURST: f64 = 64.0;

/// How often partners hear what time it is here.
const MOMENT_EVERY: Duration = Duration::from_secs(10);

/// How often refusals are written down, for each agreement.
const REFUSALS_EVERY: Duration = Duration::from_secs(60);

/// How often the plant is asked again what became of a call that an earlier life began.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// All calls of one partner under one agreement.
pub(super) struct Served {
    known: BTreeMap<u64, Taken>,
    /// Numbers up to this one that are not known were let go of.
    floor: Option<u64>,
    /// Calls that may be taken, as of a moment.
    tokens: (f64, Duration),
    moment_told: Option<Duration>,
    refusals: Refusals,
    /// Calls that were carried out or refused.
    pub(super) count: u64,
}

/// Calls that were refused and are not in the audit trail yet.
#[derive(Default)]
struct Refusals {
    count: u64,
    last: Option<(Name, Refusal)>,
    told: Option<Duration>,
}

impl Refusals {
    fn add(&mut self, verb: Name, refusal: Refusal) {
        self.count += 1;
        self.last = Some((verb, refusal));
    }

    /// What is to be written down by now.
    fn due(&mut self, now: Duration) -> Option<PartnerEvent> {
        if self.told.is_some_and(|told| now < told + REFUSALS_EVERY) {
            return None;
        }
        let (verb, refusal) = self.last.take()?;
        self.told = Some(now);
        Some(PartnerEvent::Refused { verb, refusal, count: std::mem::take(&mut self.count) })
    }
}

impl Default for Served {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            floor: None,
            tokens: (BURST, Duration::ZERO),
            moment_told: None,
            refusals: Refusals::default(),
            count: 0,
        }
    }
}

/// A call of a partner's.
struct Taken {
    id: CommandId,
    verb: Name,
    arguments: [u8; 32],
    standing: Standing,
}

enum Standing {
    /// A person is to allow it.
    Waits { arguments: Vec<u8>, until: Duration },
    /// The bridge is to carry it out.
    Ready { arguments: Vec<u8>, until: Duration, allowed: bool },
    /// It is on the disk that it is carried out.
    Begun {
        /// As the plant has them: without the same it does not say what became of the command.
        arguments: Vec<u8>,
        /// From when on the plant is to be asked what became of it; none while its answer is awaited.
        recall_at: Option<Duration>,
    },
    /// What became of it is on the disk.
    Over { state: CommandState, detail: String },
}

/// A call that the bridge is to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::core) struct CallReady {
    pub(in crate::core) number: u64,
    pub(in crate::core) verb: Name,
    pub(in crate::core) arguments: Vec<u8>,
    pub(in crate::core) left: Duration,
}

impl Served {
    fn open(&self) -> usize {
        self.known.values().filter(|it| !matches!(it.standing, Standing::Over { .. })).count()
    }

    /// Whether one more may be taken now; it is counted then.
    fn has_room(&mut self, at: Duration) -> bool {
        let (left, since) = self.tokens;
        let left = (left + at.saturating_sub(since).as_secs_f64() * RATE).min(BURST);
        let has_room = left >= 1.0 && self.open() < OPEN_MAX;
        self.tokens = (if has_room { left - 1.0 } else { left }, at);
        has_room
    }

    fn insert(&mut self, number: u64, taken: Taken) {
        self.known.insert(number, taken);
        while self.known.len() > KNOWN_MAX {
            let over = |it: &Taken| matches!(it.standing, Standing::Over { .. });
            let oldest = self.known.iter().find(|(_, it)| over(it)).map(|(number, _)| *number);
            let Some(oldest) = oldest else { break };
            self.known.remove(&oldest);
            self.floor = self.floor.max(Some(oldest));
        }
    }

    /// Whether none waits or is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.open() == 0
    }

    /// The highest number that was taken.
    pub(super) fn highest(&self) -> Option<u64> {
        self.known.last_key_value().map(|(number, _)| *number).max(self.floor)
    }

    /// An earlier life let calls up to this number go.
    pub(super) fn recall_floor(&mut self, number: u64) {
        self.floor = self.floor.max(Some(number));
    }

    /// An earlier life began a call.
    pub(super) fn recall_begun(
        &mut self,
        number: u64,
        id: CommandId,
        verb: Name,
        arguments: Vec<u8>,
    ) {
        self.count += 1;
        let hash = arguments_hash(&arguments);
        let standing = Standing::Begun { arguments, recall_at: Some(Duration::ZERO) };
        self.insert(number, Taken { id, verb, arguments: hash, standing });
    }

    /// What became of a call that an earlier life began. False if it is not known.
    pub(super) fn recall_over(&mut self, number: u64, state: CommandState, detail: String) -> bool {
        let taken = self.known.get_mut(&number);
        taken.is_some_and(|taken| {
            taken.standing = Standing::Over { state, detail };
            true
        })
    }
}

impl Taken {
    fn progress(&self) -> PartnerProgress {
        match self.standing {
            Standing::Waits { .. } => PartnerProgress::Waiting,
            Standing::Ready { .. } => PartnerProgress::Received,
            Standing::Begun { .. } | Standing::Over { .. } => PartnerProgress::Begun,
        }
    }
}

impl Partners {
    /// A partner's call: taken, refused, or known already.
    pub(super) fn called(
        &mut self,
        now: Now,
        (session, peer): (SessionId, &PublicKey),
        signed: &Signed<PartnerCall>,
        out: &mut Vec<Effect>,
    ) {
        let mut say = |frame| out.push(Effect::Send { session, frame: Box::new(frame) });
        let incarnation = self.incarnation;
        let Ok(call) = signed.peek() else { return };
        let deal = self.deals.get_mut(&call.sheet).filter(|deal| {
            let is_theirs = deal.theirs().gateway == *peer && deal.side == Side::From;
            !deal.is_moved && is_theirs && signed.verify(&deal.sheet().from.plant, peer).is_ok()
        });
        let Some(deal) = deal else { return };
        let (sheet, number, hash) = (call.sheet, call.number, arguments_hash(&call.arguments));
        let mut outcome = |deal: &Deal, (state, detail): (CommandState, String)| {
            let outcome = PartnerOutcome { sheet, number, id: call.id, state, detail };
            let signed = Signed::sign(&self.key, &deal.sheet().from.plant, &outcome);
            say(SessionFrame::Outcome(signed));
        };
        let refused = |refusal| (CommandState::Refused(refusal), String::new());
        if let Some(taken) = deal.served.known.get(&number) {
            let is_same = (taken.id, &taken.verb, taken.arguments) == (call.id, &call.verb, hash);
            return match &taken.standing {
                _ if !is_same => outcome(deal, refused(Refusal::CommandIdTaken)),
                Standing::Over { state, detail } => outcome(deal, (state.clone(), detail.clone())),
                _ => {
                    let progress = taken.progress();
                    say(SessionFrame::Progress { sheet, number, progress });
                }
            };
        }
        if deal.served.floor.is_some_and(|floor| number <= floor) {
            return outcome(deal, (CommandState::Indeterminate, String::new()));
        }
        let until = until_of(now, &call, incarnation);
        let judged = until.map_or(Err((CommandState::Expired, String::new())), |until| {
            judge(now, deal, &call).map(|()| until).map_err(refused)
        });
        match judged {
            Err(ended) => {
                if let CommandState::Refused(refusal) = ended.0 {
                    deal.served.count += 1;
                    deal.served.refusals.add(call.verb.clone(), refusal);
                }
                outcome(deal, ended);
            }
            Ok(until) => {
                let PartnerCall { id, verb, arguments, .. } = call;
                let standing = match deal.sheet().terms.confirm_at_machine {
                    true => Standing::Waits { arguments, until },
                    false => Standing::Ready { arguments, until, allowed: false },
                };
                let taken = Taken { id, verb, arguments: hash, standing };
                let progress = taken.progress();
                deal.served.insert(number, taken);
                say(SessionFrame::Progress { sheet, number, progress });
            }
        }
    }

    /// The next call under an agreement that the bridge is to carry out.
    pub(in crate::core) fn next_called(&self, now: Now, sheet: &SheetId) -> Option<CallReady> {
        let known = &self.deals.get(sheet)?.served.known;
        known.iter().find_map(|(number, taken)| match &taken.standing {
            Standing::Ready { arguments, until, .. } => Some(CallReady {
                number: *number,
                verb: taken.verb.clone(),
                arguments: arguments.clone(),
                left: until.saturating_sub(now.tick),
            }),
            _ => None,
        })
    }

    /// The bridge carries a call out: from here on it counts as begun.
    pub(in crate::core) fn begin_call(
        &mut self,
        now: Now,
        sheet: &SheetId,
        number: u64,
    ) -> Vec<Effect> {
        let mut out = Vec::new();
        let Some(deal) = self.deals.get_mut(sheet) else { return out };
        let peer = deal.theirs().gateway;
        let Some(taken) = deal.served.known.get_mut(&number) else { return out };
        let Standing::Ready { arguments, allowed, .. } = &mut taken.standing else { return out };
        let (arguments, allowed) = (std::mem::take(arguments), *allowed);
        let (id, verb, sheet) = (taken.id, taken.verb.clone(), *sheet);
        taken.standing = Standing::Begun { arguments: arguments.clone(), recall_at: None };
        let (command, agreed) = (plant_command(&sheet, number), verb.clone());
        let event = PartnerEvent::Called { id: command, verb: agreed, allowed };
        deal.served.count += 1;
        out.push(Effect::Persist(PartnerRecord::Begun { sheet, number, id, verb, arguments }));
        out.push(deal.audit(event, now.wall));
        let progress = PartnerProgress::Begun;
        self.say_to(peer, SessionFrame::Progress { sheet, number, progress }, &mut out);
        out
    }

    /// Calls that an earlier life began, or that nobody answered: the plant is to be asked again what
    /// became of them. They are taken as asked.
    pub(in crate::core) fn calls_to_recall(
        &mut self,
        now: Now,
        sheet: &SheetId,
    ) -> Vec<(u64, Name, Vec<u8>)> {
        let Some(deal) = self.deals.get_mut(sheet) else { return Vec::new() };
        let mut calls = Vec::new();
        for (number, taken) in &mut deal.served.known {
            if let Standing::Begun { arguments, recall_at } = &mut taken.standing
                && recall_at.take_if(|at| *at <= now.tick).is_some()
            {
                calls.push((*number, taken.verb.clone(), arguments.clone()));
            }
        }
        calls
    }

    /// What became of a call in the plant; none: nobody knows yet, and it is asked for again.
    pub(super) fn call_over(
        &mut self,
        now: Now,
        (sheet, number): (SheetId, u64),
        ended: Option<(CommandState, String)>,
        out: &mut Vec<Effect>,
    ) {
        let Some(deal) = self.deals.get_mut(&sheet) else { return };
        let Some(taken) = deal.served.known.get_mut(&number) else { return };
        let Standing::Begun { recall_at, .. } = &mut taken.standing else { return };
        match ended {
            Some(ended) => self.end_call(sheet, number, ended, out),
            None => *recall_at = Some(now.tick + ASK_AGAIN),
        }
    }

    fn end_call(
        &mut self,
        sheet: SheetId,
        number: u64,
        (state, detail): (CommandState, String),
        out: &mut Vec<Effect>,
    ) {
        let Some(deal) = self.deals.get_mut(&sheet) else { return };
        let (peer, plant) = (deal.theirs().gateway, deal.sheet().from.plant);
        let Some(taken) = deal.served.known.get_mut(&number) else { return };
        let id = taken.id;
        if matches!(taken.standing, Standing::Begun { .. }) {
            let (state, detail) = (state.clone(), detail.clone());
            out.push(Effect::Persist(PartnerRecord::CallOver { sheet, number, state, detail }));
        }
        taken.standing = Standing::Over { state: state.clone(), detail: detail.clone() };
        let outcome = PartnerOutcome { sheet, number, id, state, detail };
        let frame = SessionFrame::Outcome(Signed::sign(&self.key, &plant, &outcome));
        self.say_to(peer, frame, out);
    }

    /// A person here allows a call, or does not.
    pub(super) fn allow(
        &mut self,
        name: &Name,
        number: u64,
        allow: bool,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let mut deals = self.deals.values_mut();
        let deal = deals.find(|deal| deal.stands() && deal.local.name == *name);
        let deal = deal.ok_or(Refusal::ShareUnknown)?;
        let sheet = deal.id();
        let taken = deal.served.known.get_mut(&number);
        let taken = taken.filter(|taken| matches!(taken.standing, Standing::Waits { .. }));
        let taken = taken.ok_or(Refusal::CallNotWaiting)?;
        if !allow {
            deal.served.refusals.add(taken.verb.clone(), Refusal::CallDenied);
            let ended = (CommandState::Refused(Refusal::CallDenied), String::new());
            self.end_call(sheet, number, ended, out);
            return Ok(Answer::Done);
        }
        if let Standing::Waits { arguments, until } = &mut taken.standing {
            let arguments = std::mem::take(arguments);
            taken.standing = Standing::Ready { arguments, until: *until, allowed: true };
        }
        Ok(Answer::Done)
    }

    /// Tells partners what time it is, ends what was not begun in time, and has refusals written down.
    pub(super) fn serve_calls(&mut self, now: Now, out: &mut Vec<Effect>) {
        let moment = self.moment_here(now);
        let (mut tell, mut late) = (Vec::new(), Vec::new());
        for (sheet, deal) in self.deals.iter_mut().filter(|(_, deal)| deal.is_serving()) {
            let is_live = deal.is_live(now);
            let peer = deal.theirs().gateway;
            let is_due = deal.served.moment_told.is_none_or(|at| now.tick >= at + MOMENT_EVERY);
            if is_live && is_due {
                deal.served.moment_told = Some(now.tick);
                tell.push(peer);
            }
            for (number, taken) in &deal.served.known {
                if let Standing::Waits { until, .. } | Standing::Ready { until, .. } =
                    &taken.standing
                    && (now.tick >= *until || !is_live)
                {
                    late.push((*sheet, *number));
                }
            }
            let due = deal.served.refusals.due(now.tick);
            out.extend(due.map(|event| deal.audit(event, now.wall)));
        }
        for (sheet, number) in late {
            self.end_call(sheet, number, (CommandState::Expired, String::new()), out);
        }
        tell.into_iter().for_each(|peer| self.say_to(peer, SessionFrame::Moment(moment), out));
    }

    pub(super) fn moment_here(&self, now: Now) -> Moment {
        let tick_ms = u64::try_from(now.tick.as_millis()).unwrap_or(u64::MAX);
        Moment { incarnation: self.incarnation, tick_ms }
    }

    /// Calls that wait for a person.
    pub(super) fn waiting(&self, now: Now) -> Vec<CallWaiting> {
        let of_deal = |deal: &Deal| -> Vec<CallWaiting> {
            let waits = deal.served.known.iter().filter_map(|(number, taken)| {
                let Standing::Waits { arguments, until } = &taken.standing else { return None };
                let left = until.saturating_sub(now.tick).as_millis();
                Some(CallWaiting {
                    name: deal.local.name.clone(),
                    number: *number,
                    partner: deal.local.partner.clone(),
                    verb: taken.verb.clone(),
                    arguments: String::from_utf8_lossy(arguments).into_owned(),
                    left_ms: u64::try_from(left).unwrap_or(u64::MAX),
                })
            });
            waits.collect()
        };
        self.deals.values().filter(|deal| deal.stands()).flat_map(of_deal).collect()
    }
}

/// Until when a call may be begun, by this side's clock; none if that is over, or was counted in
/// another life.
fn until_of(now: Now, call: &PartnerCall, incarnation: Incarnation) -> Option<Duration> {
    let issued = Duration::from_millis(call.issued.tick_ms);
    let until = issued.checked_add(Duration::from_millis(call.ttl_ms.into()))?;
    let is_own = call.issued.incarnation == incarnation && issued <= now.tick;
    let latest = now.tick + Duration::from_millis(PARTNER_TTL_MS_MAX.into());
    (is_own && until > now.tick).then_some(until.min(latest))
}

/// Whether a call may be taken.
fn judge(now: Now, deal: &mut Deal, call: &PartnerCall) -> Result<(), Refusal> {
    if !deal.is_live(now) {
        return Err(Refusal::AgreementEnded);
    }
    if !deal.sheet().terms.verbs.contains(&call.verb) {
        return Err(Refusal::VerbNotAgreed);
    }
    if !is_short(&call.arguments) {
        return Err(Refusal::CommandTooLarge);
    }
    if !deal.served.has_room(now.tick) {
        return Err(Refusal::CommandsFull);
    }
    Ok(())
}
