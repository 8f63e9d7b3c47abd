//! The side of the node that offers items: who has which, and what became of it.
//!
//! It is a state machine of its own, moved by wishes, time, and what the disk took. An item moves from
//! one state to the next only when that is on the disk, and what follows from it (a call, an answer, an
//! offer) is done then: so after a crash the log says all that anybody has heard.
//!
//! ```text
//!   New ─► Open ─► Taken ─► Completed          each step is written down before it counts
//!           ▲        │ └──► Failed
//!           └ Offered┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::entry::{FencingToken, WorkRecord, WorkState, WorkTaken};
use gearmesh_protocol::ids::{CommandId, Incarnation, PublicKey, WorkId};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_protocol::work::{Attempt, WorkFrame};

use super::super::{Now, Ticket};
use super::contract::{Errand, ItemStatus, Offering};
use super::item::{Item, Standing};

/// Items of a node that are not over.
pub const ITEMS_OPEN_MAX: usize = 4096;

/// Bytes of them; less where the own log is small.
pub const ITEMS_BYTES_MAX: usize = 64 << 20;

/// What the items that are not over may take of the own log, in its share: the log is to hold more than
/// what has to be said again before it lets anything go.
const OPEN_SHARE: u64 = 4;

/// What those that are over may take of it.
const OVER_SHARE: u64 = 8;

/// Items of a node that others work on at once; further ones wait.
pub const ITEMS_TAKEN_MAX: usize = 512;

/// Items that are over and still known: the same offered again is not done again.
pub const ITEMS_OVER_MAX: usize = 4096;

/// Bytes of them; less where the own log is small.
pub const RESULTS_BYTES_MAX: usize = 16 << 20;

/// Offers that wait until the own log was read.
pub const ITEMS_HELD_MAX: usize = 256;

/// Programs that wait for one item to be on the disk.
const ASKERS_MAX: usize = 16;

/// How often what waits is offered again.
const OFFER_EVERY: Duration = Duration::from_secs(1);

/// What an offerer wants done.
#[derive(Debug)]
pub enum Act {
    /// Write this down; [`Offerer::written`] or [`Offerer::not_written`] hears what became of it.
    Write(WorkRecord),
    /// Ask all that take items of a verb.
    Spread(Name, WorkFrame),
    /// Tell a machine something.
    Tell(PublicKey, WorkFrame),
    /// Have a machine do it, or ask it what became of it; [`Offerer::ended`] hears.
    Call(Box<Errand>),
    /// Nobody waits for this call any more.
    Forget(CommandId),
    /// Answer a program.
    Answer(Ticket, Result<WorkId, Refusal>),
    /// Something came of an attempt after somebody else had taken its item.
    Late,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The machine did it; its answer, JSON.
    Done(Vec<u8>),
    /// Its program says that it cannot be done.
    Failed(String),
    /// It was not done, or nobody knows.
    Lost(String),
}

/// All items of one node, in one of its lives.
#[derive(Debug)]
pub struct Offerer {
    life: Incarnation,
    items: BTreeMap<WorkId, Item>,
    /// Items that anybody may take, in their order.
    waiting: BTreeMap<Name, BTreeMap<u64, WorkId>>,
    /// Attempts that somebody is asked about.
    calls: BTreeMap<CommandId, Attempt>,
    /// Items that are over, the oldest first.
    over: VecDeque<WorkId>,
    open: usize,
    open_bytes: usize,
    over_bytes: usize,
    /// Bytes of items that are not over, and of those that are.
    open_bytes_max: usize,
    over_bytes_max: usize,
    /// Tokens and places that were given.
    tokens: u64,
    places: u64,
    /// Whether all is known that the own log says of earlier lives.
    has_recalled: bool,
    held: Vec<(Ticket, Offering)>,
    offered_at: Duration,
}

impl Offerer {
    /// An offerer whose life begins.
    #[must_use]
    pub fn new(life: Incarnation) -> Self {
        Self {
            life,
            items: BTreeMap::new(),
            waiting: BTreeMap::new(),
            calls: BTreeMap::new(),
            over: VecDeque::new(),
            open: 0,
            open_bytes: 0,
            over_bytes: 0,
            open_bytes_max: ITEMS_BYTES_MAX,
            over_bytes_max: RESULTS_BYTES_MAX,
            tokens: 0,
            places: 0,
            has_recalled: false,
            held: Vec::new(),
            offered_at: Duration::ZERO,
        }
    }

    /// A program has something to be done. `may` says whether anything new may be written down.
    pub fn offer(
        &mut self,
        now: Now,
        (ticket, offering): (Ticket, Offering),
        may: Result<(), Refusal>,
        acts: &mut Vec<Act>,
    ) {
        if !self.has_recalled {
            return match self.held.len() < ITEMS_HELD_MAX {
                true => self.held.push((ticket, offering)),
                false => acts.push(Act::Answer(ticket, Err(Refusal::Busy))),
            };
        }
        let id = offering.id;
        if let Some(item) = self.items.get_mut(&id) {
            let is_full = item.askers.len() >= ASKERS_MAX;
            return match (item.is_same(&offering), &item.standing) {
                (false, _) => acts.push(Act::Answer(ticket, Err(Refusal::WorkIdTaken))),
                (true, Standing::Writing(WorkState::New(_))) if !is_full => {
                    item.askers.push(ticket);
                }
                (true, Standing::Writing(WorkState::New(_))) => {
                    acts.push(Act::Answer(ticket, Err(Refusal::Busy)));
                }
                (true, _) => acts.push(Act::Answer(ticket, Ok(id))),
            };
        }
        let terms = offering.terms;
        let item = Item::new(0, offering, now.wall);
        if let Err(refusal) = may.and_then(|()| self.has_room(&item)) {
            return acts.push(Act::Answer(ticket, Err(refusal)));
        }
        self.insert(id, |place| item.at(place));
        if let Some(item) = self.items.get_mut(&id) {
            item.askers.push(ticket);
        }
        self.write(now, id, WorkState::New(terms), acts);
    }

    fn has_room(&self, item: &Item) -> Result<(), Refusal> {
        let bytes = self.open_bytes + item.open_bytes();
        match self.open < ITEMS_OPEN_MAX && bytes <= self.open_bytes_max {
            true => Ok(()),
            false => Err(Refusal::WorkFull),
        }
    }

    /// A program does not want something done any more.
    pub fn cancel(&mut self, now: Now, ticket: Ticket, id: WorkId, acts: &mut Vec<Act>) {
        let refusal = match self.items.get_mut(&id) {
            None if !self.has_recalled => Refusal::Busy,
            None => Refusal::WorkUnknown,
            Some(item) => match item.standing {
                Standing::Open => {
                    item.askers.push(ticket);
                    self.forget_call(id, acts);
                    let message = "cancelled".to_owned();
                    return self.write(now, id, WorkState::Failed { message }, acts);
                }
                Standing::Over(_) => Refusal::WorkOver,
                _ => Refusal::WorkUnderWay,
            },
        };
        acts.push(Act::Answer(ticket, Err(refusal)));
    }

    /// A machine takes an attempt. `may` says whether it may have it, and anything may be written down.
    pub fn take(
        &mut self,
        now: Now,
        by: PublicKey,
        attempt: Attempt,
        may: bool,
        acts: &mut Vec<Act>,
    ) {
        let item = self.items.get(&attempt.id);
        let is_next = item.is_some_and(|item| {
            item.standing == Standing::Open && item.next(attempt.id) == attempt
        });
        let under_way = self.items.values().filter(|item| item.standing == Standing::Taken);
        if !may || !is_next || under_way.count() >= ITEMS_TAKEN_MAX {
            return acts.push(Act::Tell(by, WorkFrame::Gone(attempt)));
        }
        self.tokens += 1;
        let token = FencingToken { incarnation: self.life, number: self.tokens };
        self.write(now, attempt.id, WorkState::Taken { by, token }, acts);
    }

    /// Somebody says what became of an attempt, or nobody does.
    pub fn ended(&mut self, now: Now, command: CommandId, end: AttemptEnd, acts: &mut Vec<Act>) {
        let Some(attempt) = self.calls.remove(&command) else { return };
        let id = attempt.id;
        let Some(item) = self.items.get_mut(&id) else { return };
        let is_last = item.takes == attempt.number;
        match (&item.standing, end) {
            (Standing::Taken, end) if is_last => self.conclude(now, id, end, acts),
            // It was given up, and nobody else has it yet.
            (Standing::Open, AttemptEnd::Done(result)) if is_last => {
                self.write(now, id, WorkState::Completed { result }, acts);
            }
            (Standing::Open, _) if is_last => {}
            _ => acts.push(Act::Late),
        }
    }

    /// An attempt that counts is over.
    fn conclude(&mut self, now: Now, id: WorkId, end: AttemptEnd, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let is_tried_again = item.takes < u32::from(item.terms.tries);
        let state = match end {
            AttemptEnd::Done(result) => WorkState::Completed { result },
            AttemptEnd::Failed(why) | AttemptEnd::Lost(why) if !is_tried_again => {
                WorkState::Failed { message: why }
            }
            AttemptEnd::Failed(why) if !item.terms.again_if_failed => {
                WorkState::Failed { message: why }
            }
            AttemptEnd::Failed(why) | AttemptEnd::Lost(why) => {
                item.trouble = why;
                WorkState::Offered
            }
        };
        self.write(now, id, state, acts);
    }

    /// What an item is to be goes to the disk.
    fn write(&mut self, now: Now, id: WorkId, state: WorkState, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let record = item.record(id, state.clone(), now.wall);
        item.standing = Standing::Writing(state);
        item.is_moved = true;
        let (verb, place) = (item.verb.clone(), item.place);
        self.wait_no_more(&verb, place);
        acts.push(Act::Write(record));
    }

    /// It is there: now, and not before, it is so.
    pub fn written(&mut self, now: Now, id: WorkId, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let Standing::Writing(state) = item.standing.clone() else { return };
        item.since = now.wall;
        let askers = std::mem::take(&mut item.askers);
        acts.extend(askers.into_iter().map(|ticket| Act::Answer(ticket, Ok(id))));
        match state {
            WorkState::New(_) | WorkState::Offered => self.open_up(id, acts),
            WorkState::Taken { by, token } => {
                item.takes = item.takes.saturating_add(1);
                (item.taken, item.standing) = (Some(WorkTaken { by, token }), Standing::Taken);
                let verb = item.verb.clone();
                self.call(id, false, acts);
                self.spread(&verb, acts);
            }
            over @ (WorkState::Completed { .. } | WorkState::Failed { .. }) => self.end(id, over),
            // It is written beside an item, and not for it.
            WorkState::Stands(_) => {}
        }
    }

    /// It is not, and will not be.
    pub fn not_written(&mut self, id: WorkId, refusal: Refusal, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get_mut(&id) else { return };
        let Standing::Writing(state) = item.standing.clone() else { return };
        match state {
            WorkState::New(_) => {
                let askers = std::mem::take(&mut item.askers);
                acts.extend(askers.into_iter().map(|ticket| Act::Answer(ticket, Err(refusal))));
                self.remove(id);
            }
            WorkState::Taken { by, .. } => {
                let attempt = item.next(id);
                self.open_up(id, &mut Vec::new());
                acts.push(Act::Tell(by, WorkFrame::Gone(attempt)));
            }
            state => item.standing = Standing::Unwritten(state),
        }
    }

    /// Anybody may take an item from now on.
    fn open_up(&mut self, id: WorkId, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get_mut(&id) else { return };
        item.standing = Standing::Open;
        let (verb, place) = (item.verb.clone(), item.place);
        self.waiting.entry(verb.clone()).or_default().insert(place, id);
        self.spread(&verb, acts);
    }

    fn wait_no_more(&mut self, verb: &Name, place: u64) {
        if let Some(waiting) = self.waiting.get_mut(verb) {
            waiting.remove(&place);
            if waiting.is_empty() {
                self.waiting.remove(verb);
            }
        }
    }

    /// Asks for somebody who does the first of those that wait for a verb.
    fn spread(&self, verb: &Name, acts: &mut Vec<Act>) {
        let waiting = self.waiting.get(verb).into_iter().flatten();
        let next = |(_, id): (&u64, &WorkId)| self.items.get(id).map(|item| item.next(*id));
        let attempts: Bounded<Attempt, _> = Bounded::first_of(waiting.filter_map(next));
        if !attempts.is_empty() {
            let frame = WorkFrame::Offered { verb: verb.clone(), attempts };
            acts.push(Act::Spread(verb.clone(), frame));
        }
    }

    /// Asks for somebody who does what waits for these verbs.
    pub fn spread_all(&self, verbs: &[Name], acts: &mut Vec<Act>) {
        verbs.iter().for_each(|verb| self.spread(verb, acts));
    }

    /// Has the machine that took an item do it, or say what became of it.
    fn call(&mut self, id: WorkId, is_probe: bool, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get(&id) else { return };
        let Some(WorkTaken { by, token }) = item.taken else { return };
        let attempt = item.last(id);
        let command = attempt.command();
        if self.calls.insert(command, attempt).is_some() {
            return;
        }
        acts.push(Act::Call(Box::new(Errand {
            command,
            by,
            verb: item.verb.clone(),
            arguments: item.arguments.clone(),
            token,
            silence_ms: item.terms.silence_ms,
            is_probe,
        })));
    }

    fn forget_call(&mut self, id: WorkId, acts: &mut Vec<Act>) {
        let Some(item) = self.items.get(&id) else { return };
        let command = item.last(id).command();
        if self.calls.remove(&command).is_some() {
            acts.push(Act::Forget(command));
        }
    }

    /// A machine is linked again: it may have done what it was given up for, and nobody else has.
    pub fn linked(&mut self, peer: &PublicKey, acts: &mut Vec<Act>) {
        let given_up = |item: &Item| {
            item.standing == Standing::Open && item.taken.is_some_and(|taken| taken.by == *peer)
        };
        let ids: Vec<WorkId> =
            self.items.iter().filter(|(_, item)| given_up(item)).map(|(id, _)| *id).collect();
        for id in ids {
            self.call(id, true, acts);
        }
    }

    /// Time passed, and who is a member may be another.
    pub fn tick(&mut self, now: Now, may_work: impl Fn(&PublicKey) -> bool, acts: &mut Vec<Act>) {
        let is_due = |(_, item): &(&WorkId, &Item)| match item.standing {
            Standing::Unwritten(_) => true,
            Standing::Taken => item.taken.is_some_and(|taken| !may_work(&taken.by)),
            _ => false,
        };
        let due: Vec<WorkId> = self.items.iter().filter(is_due).map(|(id, _)| *id).collect();
        for id in due {
            match self.items.get(&id).map(|item| item.standing.clone()) {
                Some(Standing::Unwritten(state)) => self.write(now, id, state, acts),
                _ => {
                    self.forget_call(id, acts);
                    let why = "the machine that had it may not work any more".to_owned();
                    self.conclude(now, id, AttemptEnd::Lost(why), acts);
                }
            }
        }
        if now.tick >= self.offered_at + OFFER_EVERY {
            self.offered_at = now.tick;
            let verbs: Vec<Name> = self.waiting.keys().cloned().collect();
            self.spread_all(&verbs, acts);
        }
    }

    /// A record of an earlier life, from that group of the own log, in its order.
    pub fn recall(&mut self, number: u64, record: WorkRecord) {
        let id = record.id;
        let is_final = is_final(&record.state);
        if !self.items.contains_key(&id) {
            self.recall_first(record);
            return self.said(id, number);
        }
        let Some(item) = self.items.get_mut(&id) else { return };
        if matches!(record.state, WorkState::Stands(_)) {
            item.from = Some(number);
        }
        // Of what has moved on in this life, only an end is news.
        if item.is_over() || (item.is_moved && !is_final) {
            return;
        }
        item.since = record.at;
        match record.state {
            WorkState::New(_) => {}
            WorkState::Offered => item.standing = Standing::Open,
            WorkState::Taken { by, token } => {
                item.takes = item.takes.saturating_add(1);
                (item.taken, item.standing) = (Some(WorkTaken { by, token }), Standing::Taken);
            }
            // It says again what was read before.
            WorkState::Stands(_) => {}
            over => {
                let (verb, place) = (item.verb.clone(), item.place);
                self.wait_no_more(&verb, place);
                self.end(id, over);
            }
        }
    }

    fn recall_first(&mut self, record: WorkRecord) {
        let WorkRecord { id, verb, arguments, state, at } = record;
        match state {
            WorkState::New(terms) => {
                let offering = Offering { id, verb, arguments, terms };
                self.insert(id, |place| Item::new(place, offering, at));
            }
            state @ (WorkState::Completed { .. } | WorkState::Failed { .. }) => {
                let record = WorkRecord { id, verb, arguments, state: state.clone(), at };
                self.insert(id, |place| Item::ended(place, record));
                self.end(id, state);
            }
            WorkState::Stands(standing) => {
                let state = WorkState::Offered;
                let record = WorkRecord { id, verb, arguments, state, at };
                self.insert(id, |place| Item::standing(place, record, *standing));
                if let Some(over) = self.items.get(&id).and_then(Item::over) {
                    self.end(id, over);
                }
            }
            // Its beginning is not in the log any more, so nobody knows what is to be done.
            WorkState::Offered | WorkState::Taken { .. } => {}
        }
    }

    /// The group of that number says all of an item that no group said all of before.
    pub fn said(&mut self, id: WorkId, number: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            item.from.get_or_insert(number);
        }
    }

    /// It says all of it again.
    pub fn said_again(&mut self, id: WorkId, number: u64) {
        if let Some(item) = self.items.get_mut(&id) {
            item.from = Some(number);
        }
    }

    /// Bytes that all items need in the own log.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.open_bytes + self.over_bytes
    }

    /// From which group on the own log is needed to know all items.
    #[must_use]
    pub fn needed_from(&self) -> Option<u64> {
        self.items.values().filter_map(|item| item.from).min()
    }

    /// What is to be said again before the groups up to that number go.
    pub fn to_say_again(&self, number: u64) -> impl Iterator<Item = WorkRecord> + '_ {
        let going = self.items.iter().filter(move |(_, item)| item.from <= Some(number));
        let going = going.filter(|(_, item)| item.from.is_some());
        going.filter_map(|(id, item)| item.record_of_all(*id))
    }

    /// The own log has room for so many bytes: only a part of them is for items.
    pub fn limit(&mut self, log_bytes: u64) {
        let most = |share| usize::try_from(log_bytes / share).unwrap_or(usize::MAX);
        self.open_bytes_max = ITEMS_BYTES_MAX.min(most(OPEN_SHARE));
        self.over_bytes_max = RESULTS_BYTES_MAX.min(most(OVER_SHARE));
        self.forget_oldest();
    }

    /// That was all of them: what was taken is asked for, the rest is offered.
    pub fn recalled(&mut self, acts: &mut Vec<Act>) {
        self.has_recalled = true;
        let is = |standing: Standing| {
            let items = self.items.iter().filter(move |(_, item)| item.standing == standing);
            items.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let (open, taken) = (is(Standing::Open), is(Standing::Taken));
        open.into_iter().for_each(|id| self.open_up(id, &mut Vec::new()));
        taken.into_iter().for_each(|id| self.call(id, false, acts));
    }

    /// Offers that waited until the own log was read.
    pub fn take_held(&mut self) -> Vec<(Ticket, Offering)> {
        std::mem::take(&mut self.held)
    }

    /// How all items stand, in the order in which they came.
    #[must_use]
    pub fn list(&self) -> Vec<ItemStatus> {
        let mut all: Vec<(&WorkId, &Item)> = self.items.iter().collect();
        all.sort_by_key(|(_, item)| item.place);
        all.into_iter().map(|(id, item)| item.status(*id)).collect()
    }

    /// Items that are not over, as they were offered, in the order in which they came.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Offering> {
        let mut all: Vec<(&WorkId, &Item)> =
            self.items.iter().filter(|(_, item)| !item.is_over()).collect();
        all.sort_by_key(|(_, item)| item.place);
        all.into_iter().map(|(id, item)| item.offering(*id)).collect()
    }

    fn insert(&mut self, id: WorkId, item: impl FnOnce(u64) -> Item) {
        self.places += 1;
        let item = item(self.places);
        self.open += 1;
        self.open_bytes += item.open_bytes();
        self.items.insert(id, item);
    }

    fn remove(&mut self, id: WorkId) {
        if let Some(item) = self.items.remove(&id) {
            self.open -= 1;
            self.open_bytes -= item.open_bytes();
        }
    }

    /// An item is over: its arguments go, and what came of it is kept while there is room.
    fn end(&mut self, id: WorkId, state: WorkState) {
        let Some(item) = self.items.get_mut(&id) else { return };
        self.open -= 1;
        self.open_bytes -= item.open_bytes();
        (item.arguments, item.standing) = (Vec::new(), Standing::Over(state));
        self.over_bytes += item.bytes();
        self.over.push_back(id);
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        while self.over.len() > ITEMS_OVER_MAX || self.over_bytes > self.over_bytes_max {
            let Some(oldest) = self.over.pop_front() else { return };
            self.over_bytes -= self.items.remove(&oldest).map_or(0, |item| item.bytes());
        }
    }
}

const fn is_final(state: &WorkState) -> bool {
    matches!(state, WorkState::Completed { .. } | WorkState::Failed { .. })
}
