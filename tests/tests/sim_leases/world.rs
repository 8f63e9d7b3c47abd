//! The world: virtual time, one arbiter with its disk, holders that write, and what goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_node::core::plant::leases::arbiter::{Arbiter, Desk};
use gearmesh_node::core::plant::leases::holder::{Act, Holder, Told, Wish};
use gearmesh_protocol::entry::{FencingToken, LeaseRecord, OnLoss};
use gearmesh_protocol::ids::{Incarnation, LeaseId, PublicKey};
use gearmesh_protocol::lease::{LeaseFrame, Resource};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;
use gearmesh_tests::world::dice::Dice;

use crate::history::{History, Operation, Outcome, Token};
use crate::{as_many_tokens_as_places, no_stale_write, one_believes_for_each_place};

const HOLDERS: usize = 3;
const ARBITER: usize = 0;
const LONGEST: Duration = Duration::from_secs(4);
const TICK: Duration = Duration::from_millis(250);
const LASTS: Duration = Duration::from_secs(30);

/// What goes wrong besides losses, crashes and pauses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) clocks_jump: bool,
}

/// A write under a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) holder: PublicKey,
    pub(crate) token: FencingToken,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
    pub(crate) revived: usize,
}

/// The arbiter's disk: a beginning of it is there after a crash, at least what was synced.
#[derive(Default)]
pub(crate) struct Disk {
    records: Vec<LeaseRecord>,
    synced: usize,
}

impl Disk {
    pub(crate) fn all(&self) -> &[LeaseRecord] {
        &self.records
    }

    pub(crate) fn synced(&self) -> &[LeaseRecord] {
        &self.records[..self.synced]
    }
}

/// What the arbiter says and writes in one step.
struct Table<'a> {
    disk: &'a mut Disk,
    grants: Vec<FencingToken>,
    ended: Vec<FencingToken>,
    said: Vec<(PublicKey, LeaseFrame)>,
}

impl Desk for Table<'_> {
    fn may_begin(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn write(&mut self, grant: Option<FencingToken>, record: LeaseRecord) -> bool {
        match grant {
            Some(token) => self.grants.push(token),
            None => self.ended.push(record.token),
        }
        self.disk.records.push(record);
        true
    }

    fn tell(&mut self, to: PublicKey, frame: LeaseFrame) {
        self.said.push((to, frame));
    }
}

#[derive(Clone, Debug)]
enum Event {
    Tick,
    Frame { from: usize, to: usize, frame: LeaseFrame },
    Sync { life: u64, records: usize, grants: Vec<FencingToken> },
    Crash,
    Start,
    Act { holder: usize },
    WriteComes { holder: usize, number: u64, token: FencingToken },
    WriteAnswered { holder: usize, number: u64, accepted: bool },
    Jump { who: usize, by: Duration },
}

/// One machine that wants the resource.
struct Person {
    holder: Holder,
    key: PublicKey,
    /// The wish of now.
    id: Option<LeaseId>,
    token: Option<FencingToken>,
    /// What it has renewed since it got it.
    renewing: Option<FencingToken>,
    /// Stopped until then: it neither hears nor says anything.
    stopped_until: Duration,
    /// What it has begun in the history, if something.
    doing: Option<Operation>,
    write: u64,
    ahead: Duration,
}

pub(crate) struct World {
    dice: Dice,
    now: Duration,
    number: u64,
    events: BTreeMap<(Duration, u64), Event>,
    pub(crate) arbiter: Option<Arbiter>,
    pub(crate) disk: Disk,
    life: u64,
    born: Duration,
    ahead: Duration,
    people: Vec<Person>,
    /// What goes on under a new token, by that.
    renewed: BTreeMap<FencingToken, FencingToken>,
    pub(crate) history: History,
    pub(crate) counts: Counts,
    pub(crate) trouble: Trouble,
    pub(crate) places: u16,
}

pub(crate) fn resource() -> Name {
    "crane".parse().expect("a name")
}

fn key(who: usize) -> PublicKey {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[u8::try_from(who).expect("few") + 1; 32]);
    PublicKey::of(&secret)
}

/// Who renews, in the history: a holder renews while it writes.
const fn renewer(holder: usize) -> usize {
    holder + 1 + HOLDERS
}

fn incarnation(life: u64) -> Incarnation {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&life.to_be_bytes());
    Incarnation(bytes)
}

fn in_history(token: FencingToken) -> Token {
    let mut life = [0; 8];
    life.copy_from_slice(&token.incarnation.0[..8]);
    (u64::from_be_bytes(life), token.number)
}

impl World {
    pub(crate) fn new(seed: u64, trouble: Trouble, places: u16) -> Self {
        let person = |who| Person {
            holder: Holder::default(),
            key: key(who),
            id: None,
            token: None,
            renewing: None,
            stopped_until: Duration::ZERO,
            doing: None,
            write: 0,
            ahead: Duration::ZERO,
        };
        let mut world = Self {
            dice: Dice::new(seed),
            now: Duration::ZERO,
            number: 0,
            events: BTreeMap::new(),
            arbiter: None,
            disk: Disk::default(),
            life: 0,
            born: Duration::ZERO,
            ahead: Duration::ZERO,
            people: (1..=HOLDERS).map(person).collect(),
            renewed: BTreeMap::new(),
            history: History::default(),
            counts: Counts::default(),
            trouble,
            places,
        };
        world.start();
        world.after(TICK, Event::Tick);
        for holder in 0..HOLDERS {
            let begins = world.dice.millis(0, 4000);
            world.after(begins, Event::Act { holder });
        }
        if world.dice.percent(60) {
            let crashes = world.dice.millis(4000, 20_000);
            world.after(crashes, Event::Crash);
        }
        for who in 0..=HOLDERS {
            if trouble.clocks_jump && world.dice.percent(50) {
                let (at, by) = (world.dice.millis(4000, 20_000), world.dice.millis(500, 8000));
                world.after(at, Event::Jump { who, by });
            }
        }
        world
    }

    pub(crate) fn life(&self) -> Incarnation {
        incarnation(self.life)
    }

    /// What time it is at the arbiter.
    pub(crate) fn arbiter_now(&self) -> Duration {
        self.now - self.born + self.ahead
    }

    fn person_now(&self, holder: usize) -> Duration {
        self.now + self.people[holder].ahead
    }

    /// Who believes to hold it, by its own clock.
    pub(crate) fn believing(&self) -> Vec<(usize, FencingToken)> {
        let mut believing = Vec::new();
        for (number, person) in self.people.iter().enumerate() {
            let now = self.person_now(number);
            let held = person.holder.held().filter(|(_, held)| held.until > now);
            believing.extend(held.map(|(_, held)| (number, held.token)));
        }
        believing
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.number += 1;
        self.events.insert((self.now + delay, self.number), event);
    }

    /// Runs to the end, or to the first thing that must not be.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > LASTS {
                break;
            }
            self.now = at;
            self.happen(event)?;
            as_many_tokens_as_places::check(self)?;
            one_believes_for_each_place::check(self)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Tick => {
                self.arbitrate(|arbiter, now, table| arbiter.tick(now, |_| true, table));
                for holder in 0..HOLDERS {
                    self.hold(holder, |holder, now, acts| holder.tick(now, acts));
                }
                self.after(TICK, Event::Tick);
            }
            Event::Frame { to: ARBITER, from, frame } => self.arbiter_hears(from, frame),
            Event::Frame { to, from, frame } => self.holder_hears(from, to, frame),
            Event::Sync { life, records, grants } => self.sync(life, records, grants),
            Event::Crash => self.crash(),
            Event::Start => self.start(),
            Event::Act { holder } => self.act(holder),
            Event::WriteComes { holder, number, token } => {
                self.write_comes(holder, number, token)?;
            }
            Event::WriteAnswered { holder, number, accepted } => {
                let person = &mut self.people[holder];
                if person.write == number && matches!(person.doing, Some(Operation::Write(_))) {
                    person.doing = None;
                    let outcome = if accepted { Outcome::Accepted } else { Outcome::Refused };
                    self.history.returned(holder + 1, outcome);
                }
            }
            Event::Jump { who: ARBITER, by } => self.ahead += by,
            Event::Jump { who, by } => self.people[who - 1].ahead += by,
        }
        Ok(())
    }

    /// The arbiter goes down. Of what was not synced its disk has any beginning.
    fn crash(&mut self) {
        if self.arbiter.take().is_none() {
            return;
        }
        let kept =
            self.disk.synced + self.dice.below(self.disk.records.len() - self.disk.synced + 1);
        self.disk.records.truncate(kept);
        let down = self.dice.millis(10, 3000);
        self.after(down, Event::Start);
        if self.dice.percent(40) {
            let again = self.dice.millis(3500, 12_000);
            self.after(again, Event::Crash);
        }
    }

    fn start(&mut self) {
        self.life += 1;
        (self.born, self.ahead) = (self.now, Duration::ZERO);
        self.disk.synced = self.disk.records.len();
        let longest_ms = u32::try_from(LONGEST.as_millis()).expect("short");
        let resource = Resource { name: resource(), places: self.places, longest_ms };
        let mut arbiter = Arbiter::new(self.life(), vec![resource]);
        (0..)
            .zip(&self.disk.records)
            .for_each(|(number, record)| arbiter.recall(number, record.clone()));
        arbiter.recalled();
        self.arbiter = Some(arbiter);
        self.history.done(ARBITER, Operation::Start);
    }

    fn arbitrate(&mut self, work: impl FnOnce(&mut Arbiter, Duration, &mut Table<'_>)) {
        self.arbitrate_renewal(None, work);
    }

    /// What the arbiter does when it hears something; `renews` is the token that it may renew.
    fn arbitrate_renewal(
        &mut self,
        renews: Option<FencingToken>,
        work: impl FnOnce(&mut Arbiter, Duration, &mut Table<'_>),
    ) {
        let now = self.arbiter_now();
        let Some(arbiter) = &mut self.arbiter else { return };
        let (grants, ended, said) = (Vec::new(), Vec::new(), Vec::new());
        let mut table = Table { disk: &mut self.disk, grants, ended, said };
        work(arbiter, now, &mut table);
        let Table { grants, ended, said, .. } = table;
        for token in ended {
            // One that goes on under a new token ends under both: nobody may have heard of the new one.
            let both = [self.renewed.remove(&token), Some(token)];
            for token in both.into_iter().flatten() {
                self.history.done(ARBITER, Operation::End(in_history(token)));
            }
        }
        let renewed = grants.iter().filter_map(|token| Some((*token, renews?)));
        self.renewed.extend(renewed);
        if self.disk.records.len() > self.disk.synced {
            let (life, records) = (self.life, self.disk.records.len());
            let takes = self.dice.millis(1, 120);
            self.after(takes, Event::Sync { life, records, grants });
        }
        for (to, frame) in said {
            let to = self.people.iter().position(|person| person.key == to).expect("a holder");
            self.send(ARBITER, to + 1, frame);
        }
    }

    fn sync(&mut self, life: u64, records: usize, grants: Vec<FencingToken>) {
        if life != self.life || self.arbiter.is_none() {
            return;
        }
        self.disk.synced = self.disk.synced.max(records);
        for token in grants {
            let resource = resource();
            self.arbitrate(|arbiter, now, table| arbiter.written(now, &resource, token, table));
        }
    }

    /// Sends a frame: now or late, once or twice, or not at all.
    fn send(&mut self, from: usize, to: usize, frame: LeaseFrame) {
        if self.dice.percent(8) {
            return;
        }
        let copies = if self.dice.percent(5) { 2 } else { 1 };
        for _ in 0..copies {
            let slow = if self.dice.percent(5) { 2500 } else { 80 };
            let delay = self.dice.millis(1, slow);
            self.after(delay, Event::Frame { from, to, frame: frame.clone() });
        }
    }

    fn arbiter_hears(&mut self, from: usize, frame: LeaseFrame) {
        let holder = self.people[from - 1].key;
        let renews = match &frame {
            LeaseFrame::Renew { token, .. } => Some(*token),
            _ => None,
        };
        self.arbitrate_renewal(renews, |arbiter, now, table| match frame {
            LeaseFrame::Ask(ask) => arbiter.ask(now, holder, ask, table),
            LeaseFrame::Renew { id, number, resource, token } => {
                arbiter.renew(now, holder, (id, number), (&resource, token), table);
            }
            LeaseFrame::Release { id } => arbiter.release(now, holder, id, table),
            _ => {}
        });
    }

    fn is_stopped(&self, holder: usize) -> bool {
        self.people[holder].stopped_until > self.now
    }

    fn holder_hears(&mut self, from: usize, to: usize, frame: LeaseFrame) {
        let wakes = self.people[to - 1].stopped_until;
        if wakes > self.now {
            return self.after(wakes - self.now, Event::Frame { from, to, frame });
        }
        let arbiter = key(ARBITER);
        self.hold(to - 1, |holder, now, acts| holder.heard(now, &arbiter, frame, acts));
    }

    fn hold(&mut self, number: usize, work: impl FnOnce(&mut Holder, Duration, &mut Vec<Act>)) {
        if self.is_stopped(number) {
            return;
        }
        let now = self.person_now(number);
        let mut acts = Vec::new();
        work(&mut self.people[number].holder, now, &mut acts);
        for act in acts {
            match act {
                Act::Send(_, frame) => self.send(number + 1, ARBITER, frame),
                Act::Tell(id, told) => self.told(number, id, told),
            }
        }
    }

    fn told(&mut self, number: usize, id: LeaseId, told: Told) {
        let person = &mut self.people[number];
        if person.id != Some(id) {
            return;
        }
        match told {
            Told::Waits(_) => {}
            Told::Held(token, _) if person.token.is_none() => {
                person.token = Some(token);
                person.doing = None;
                self.history.returned(number + 1, Outcome::Held(in_history(token)));
            }
            Told::Held(token, _) => self.renewed(number, token),
            Told::Ended(_) | Told::Refused(_) => {
                if person.doing.take().is_some_and(|doing| doing == Operation::Acquire) {
                    self.history.returned(number + 1, Outcome::Refused);
                }
                (person.id, person.token) = (None, None);
            }
        }
    }

    /// A lease goes on; under a new token if the arbiter was started anew.
    fn renewed(&mut self, number: usize, token: FencingToken) {
        let person = &mut self.people[number];
        let old = person.token.replace(token);
        if old != Some(token) && person.renewing.take() == old {
            self.counts.revived += 1;
            self.history.returned(renewer(number), Outcome::Held(in_history(token)));
        }
    }

    /// What a holder renews may come back under a new token: that begins when it is first asked for.
    fn renew(&mut self, number: usize, id: LeaseId, token: FencingToken) {
        let person = &mut self.people[number];
        if person.renewing != Some(token) {
            person.renewing = Some(token);
            self.history.invoked(renewer(number), Operation::Revive(in_history(token)));
        }
        self.hold(number, |holder, now, acts| {
            let _ = holder.renew(now, id, acts);
        });
    }

    /// A holder does the next thing.
    fn act(&mut self, number: usize) {
        let pause = self.dice.millis(100, 900);
        self.after(pause, Event::Act { holder: number });
        if self.is_stopped(number) {
            return;
        }
        if self.dice.percent(4) {
            let stopped = self.dice.millis(500, 9000);
            self.people[number].stopped_until = self.now + stopped;
            return;
        }
        let (id, token) = (self.people[number].id, self.people[number].token);
        match (id, token) {
            (None, _) => self.wish(number),
            (Some(_), None) => {}
            (Some(id), Some(_)) if self.dice.percent(12) => {
                (self.people[number].id, self.people[number].token) = (None, None);
                self.hold(number, |holder, now, acts| {
                    let _ = holder.release(now, id, acts);
                });
            }
            (Some(id), Some(token)) if self.dice.percent(45) => self.renew(number, id, token),
            (Some(_), Some(token)) => self.write(number, token),
        }
    }

    fn wish(&mut self, number: usize) {
        let id = LeaseId(self.dice.bytes());
        let ttl = self.dice.millis(1000, 4000);
        let wait = self.dice.percent(80).then(|| Duration::from_secs(20));
        let (arbiter, resource, on_loss) = (key(ARBITER), resource(), OnLoss::Stop);
        let wish = Wish { id, arbiter, resource, ttl, on_loss, wait };
        let person = &mut self.people[number];
        person.id = Some(id);
        person.doing = Some(Operation::Acquire);
        self.history.invoked(number + 1, Operation::Acquire);
        self.hold(number, |holder, now, acts| holder.ask(now, wish, acts).expect("room"));
    }

    /// Writes under the token that it has, whether or not that is still good; now and then one that it
    /// once had, or never.
    fn write(&mut self, number: usize, token: FencingToken) {
        let token = match self.dice.percent(15) {
            true => FencingToken { number: token.number.wrapping_add(1), ..token },
            false => token,
        };
        let person = &mut self.people[number];
        person.write += 1;
        let write = person.write;
        let operation = Operation::Write(in_history(token));
        person.doing = Some(operation.clone());
        self.history.invoked(number + 1, operation);
        // Some writes are on their way for longer than any lease lasts.
        let slow = if self.dice.percent(20) { 6000 } else { 60 };
        let delay = self.dice.millis(1, slow);
        self.after(delay, Event::WriteComes { holder: number, number: write, token });
    }

    fn write_comes(
        &mut self,
        number: usize,
        write: u64,
        token: FencingToken,
    ) -> Result<(), String> {
        let Some(arbiter) = &self.arbiter else { return Ok(()) };
        let holder = self.people[number].key;
        let now = self.arbiter_now();
        let accepted = arbiter.check(now, &resource(), &holder, Some(token)).is_ok();
        if accepted {
            self.counts.accepted += 1;
            no_stale_write::check(self, &Write { holder, token })?;
        } else {
            self.counts.refused += 1;
        }
        let delay = self.dice.millis(1, 60);
        self.after(delay, Event::WriteAnswered { holder: number, number: write, accepted });
        Ok(())
    }
}
