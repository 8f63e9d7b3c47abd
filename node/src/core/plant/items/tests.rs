//! What an offerer does, alone.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::entry::{WorkRecord, WorkState, WorkTerms};
use gearmesh_protocol::ids::{Incarnation, PublicKey, WorkId};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::work::{Attempt, WorkFrame};

use super::super::{Now, Ticket};
use super::contract::{Errand, Offering};
use super::offerer::{Act, AttemptEnd, ITEMS_OPEN_MAX, Offerer};

mod again;
mod crashes;
mod offering;
mod starting;

const LIFE: Incarnation = Incarnation([1; 16]);

/// An offerer with its disk.
struct Bench {
    offerer: Offerer,
    now: u64,
    written: Vec<WorkRecord>,
    /// How many of them are synced.
    synced: usize,
    calls: Vec<Errand>,
    answers: Vec<(Ticket, Result<WorkId, Refusal>)>,
    told: Vec<(PublicKey, WorkFrame)>,
    offered: Vec<Attempt>,
    late: usize,
}

impl Bench {
    fn new() -> Self {
        Self::started(LIFE, &[])
    }

    /// One that starts beside a log.
    fn started(life: Incarnation, log: &[WorkRecord]) -> Self {
        let mut offerer = Offerer::new(life);
        (0..).zip(log).for_each(|(number, record)| offerer.recall(number, record.clone()));
        let mut bench = Self {
            offerer,
            now: 0,
            written: log.to_vec(),
            synced: log.len(),
            calls: Vec::new(),
            answers: Vec::new(),
            told: Vec::new(),
            offered: Vec::new(),
            late: 0,
        };
        bench.run(|offerer, _, acts| offerer.recalled(acts));
        bench
    }

    /// The same machine after a crash, with what its disk kept.
    fn restarted(&self, life: u8, kept: usize) -> Self {
        Self::started(Incarnation([life; 16]), &self.written[..kept])
    }

    fn run(&mut self, work: impl FnOnce(&mut Offerer, Now, &mut Vec<Act>)) {
        let mut acts = Vec::new();
        let wall = UnixMillis(self.now * 1000);
        work(&mut self.offerer, Now { tick: Duration::from_secs(self.now), wall }, &mut acts);
        for act in acts {
            match act {
                Act::Write(record) => self.written.push(record),
                Act::Call(errand) => self.calls.push(*errand),
                Act::Answer(ticket, outcome) => self.answers.push((ticket, outcome)),
                Act::Tell(to, frame) => self.told.push((to, frame)),
                Act::Spread(_, WorkFrame::Offered { attempts, .. }) => {
                    self.offered = attempts.into_vec();
                }
                Act::Late => self.late += 1,
                Act::Spread(..) | Act::Forget(_) => {}
            }
        }
    }

    fn offer_as(&mut self, offering: Offering) -> Option<Result<WorkId, Refusal>> {
        self.answers.clear();
        self.run(|offerer, now, acts| offerer.offer(now, (Ticket(1), offering), Ok(()), acts));
        self.sync();
        self.answers.pop().map(|(_, answer)| answer)
    }

    fn offer(&mut self, id: u8) -> Option<Result<WorkId, Refusal>> {
        self.offer_as(offering(id))
    }

    fn take(&mut self, who: u8, id: u8, number: u32) {
        let attempt = Attempt { id: WorkId([id; 16]), number };
        self.run(|offerer, now, acts| offerer.take(now, key(who), attempt, true, acts));
    }

    /// The disk has all that it was given.
    fn sync(&mut self) {
        while self.synced < self.written.len() {
            let id = self.written[self.synced].id;
            self.synced += 1;
            self.run(|offerer, now, acts| offerer.written(now, id, acts));
        }
    }

    /// What was called last ends.
    fn end(&mut self, end: AttemptEnd) {
        let command = self.calls.last().expect("a call").command;
        self.end_of(command, end);
    }

    fn end_of(&mut self, command: gearmesh_protocol::ids::CommandId, end: AttemptEnd) {
        self.run(|offerer, now, acts| offerer.ended(now, command, end, acts));
        self.sync();
    }

    fn tick(&mut self, seconds: u64) {
        self.now += seconds;
        self.run(|offerer, now, acts| offerer.tick(now, |_| true, acts));
        self.sync();
    }

    fn states(&self, id: u8) -> Vec<&'static str> {
        let of = self.written.iter().filter(|record| record.id == WorkId([id; 16]));
        of.map(|record| word(&record.state)).collect()
    }

    fn state(&self, id: u8) -> WorkState {
        let all = self.offerer.list();
        let item = all.into_iter().find(|item| item.id == WorkId([id; 16]));
        item.expect("an item").state
    }
}

fn word(state: &WorkState) -> &'static str {
    match state {
        WorkState::New(_) => "new",
        WorkState::Offered => "offered",
        WorkState::Taken { .. } => "taken",
        WorkState::Completed { .. } => "completed",
        WorkState::Failed { .. } => "failed",
        WorkState::Stands(_) => "stands",
    }
}

fn offering(id: u8) -> Offering {
    Offering {
        id: WorkId([id; 16]),
        verb: "pack".parse().expect("a name"),
        arguments: b"17".to_vec(),
        terms: WorkTerms::default(),
    }
}

fn key(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

fn done() -> AttemptEnd {
    AttemptEnd::Done(b"true".to_vec())
}

fn lost() -> AttemptEnd {
    AttemptEnd::Lost("nobody knows".to_owned())
}
