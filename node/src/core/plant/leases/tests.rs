//! What an arbiter and a holder do, each alone.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::entry::{FencingToken, LeaseEvent, LeaseRecord, OnLoss};
use gearmesh_protocol::ids::{Incarnation, LeaseId, PublicKey};
use gearmesh_protocol::lease::{LeaseAsk, LeaseFrame, Resource};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::arbiter::{Arbiter, Desk};

mod crashes;
mod giving;
mod holding;
mod starting;
mod tokens;

/// The longest time of the tests' resource; an arbiter that has just started is closed for as long.
const LONGEST: u64 = 20;
const TTL: u32 = 8_000;

/// What an arbiter wrote and said, and whether it may.
#[derive(Default)]
struct Table {
    written: Vec<LeaseRecord>,
    /// Grants that the disk has not answered.
    grants: Vec<(Name, FencingToken)>,
    said: Vec<(PublicKey, LeaseFrame)>,
    is_jammed: bool,
    refusal: Option<Refusal>,
}

impl Desk for Table {
    fn may_begin(&self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }

    fn write(&mut self, grant: Option<FencingToken>, record: LeaseRecord) -> bool {
        if self.is_jammed {
            return false;
        }
        self.grants.extend(grant.map(|token| (record.resource.clone(), token)));
        self.written.push(record);
        true
    }

    fn tell(&mut self, to: PublicKey, frame: LeaseFrame) {
        self.said.push((to, frame));
    }
}

/// An arbiter with its disk.
struct Bench {
    arbiter: Arbiter,
    table: Table,
    places: u16,
}

const LIFE: Incarnation = Incarnation([1; 16]);

impl Bench {
    /// One that has been up for long enough.
    fn open(places: u16) -> Self {
        let mut bench = Self::started(LIFE, places, &[]);
        bench.arbiter.recalled();
        bench
    }

    /// One that starts beside a log.
    fn started(life: Incarnation, places: u16, log: &[LeaseRecord]) -> Self {
        let longest_ms = u32::try_from(LONGEST * 1000).expect("a short time");
        let resource = Resource { name: crane(), places, longest_ms };
        let mut arbiter = Arbiter::new(life, vec![resource]);
        (0..).zip(log).for_each(|(number, record)| arbiter.recall(number, record.clone()));
        Self { arbiter, table: Table::default(), places }
    }

    /// The same machine after a crash, with what its disk has.
    fn restarted(&self, life: u8) -> Self {
        let life = Incarnation([life; 16]);
        let mut bench = Self::started(life, self.places, &self.table.written);
        bench.arbiter.recalled();
        bench
    }

    fn ask(&mut self, at: u64, who: u8, id: u8, waits: bool) {
        let ask = LeaseAsk { waits, ..ask(id, 1) };
        self.arbiter.ask(secs(at), key(who), ask, &mut self.table);
    }

    fn ask_as(&mut self, at: u64, who: u8, ask: LeaseAsk) {
        self.arbiter.ask(secs(at), key(who), ask, &mut self.table);
    }

    fn renew(&mut self, at: u64, who: u8, id: u8, number: u32, token: FencingToken) {
        let renewal = (LeaseId([id; 16]), number);
        self.arbiter.renew(secs(at), key(who), renewal, (&crane(), token), &mut self.table);
    }

    fn release(&mut self, at: u64, who: u8, id: u8) {
        self.arbiter.release(secs(at), key(who), LeaseId([id; 16]), &mut self.table);
    }

    fn tick(&mut self, at: u64) {
        self.arbiter.tick(secs(at), |_| true, &mut self.table);
    }

    /// The disk has all that it was given.
    fn sync(&mut self, at: u64) {
        for (resource, token) in std::mem::take(&mut self.table.grants) {
            self.arbiter.written(secs(at), &resource, token, &mut self.table);
        }
    }

    /// Member `who` holds a lease by `id`, from `at` on.
    fn hold(&mut self, at: u64, who: u8, id: u8) -> FencingToken {
        self.ask(at, who, id, true);
        self.sync(at);
        self.token(who).expect("a grant")
    }

    /// What was said since this was asked last.
    fn said(&mut self) -> Vec<(PublicKey, LeaseFrame)> {
        std::mem::take(&mut self.table.said)
    }

    /// The last token that a member was told of since this was asked last.
    fn token(&mut self, who: u8) -> Option<FencingToken> {
        let said = self.said();
        said.iter().rev().find_map(|(to, frame)| match frame {
            LeaseFrame::Granted { token, .. } if *to == key(who) => Some(*token),
            _ => None,
        })
    }

    fn events(&self) -> Vec<LeaseEvent> {
        self.table.written.iter().map(|record| record.event).collect()
    }

    fn check(&self, at: u64, who: u8, token: Option<FencingToken>) -> Result<(), Refusal> {
        self.arbiter.check(secs(at), &crane(), &key(who), token)
    }
}

fn ask(id: u8, number: u32) -> LeaseAsk {
    LeaseAsk {
        id: LeaseId([id; 16]),
        number,
        resource: crane(),
        ttl_ms: TTL,
        on_loss: OnLoss::Stop,
        waits: true,
    }
}

fn crane() -> Name {
    "crane".parse().expect("a name")
}

fn key(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn waits(id: u8, number: u32, place: u16) -> LeaseFrame {
    LeaseFrame::Waits { id: LeaseId([id; 16]), number, place }
}

const fn ended(id: u8, why: LeaseEvent) -> LeaseFrame {
    LeaseFrame::Ended { id: LeaseId([id; 16]), why }
}

const fn refused(id: u8, refusal: Refusal) -> LeaseFrame {
    LeaseFrame::Refused { id: LeaseId([id; 16]), refusal }
}
