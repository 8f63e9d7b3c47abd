//! The side of the machine that resources are wired to: who holds them, and who comes next.
//!
//! It is a state machine of its own, which time, wishes, and what the disk took make move. What it has
//! given away it counts from the moment at which it answers, and its holder from the moment at which it
//! asked: so a place is given to the next one when its last holder knows to have lost it. What is
//! true at the equipment is here alone: [`Arbiter::check`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::entry::{FencingToken, LeaseEvent, LeaseRecord};
use gearmesh_protocol::ids::{Incarnation, LeaseId, PublicKey};
use gearmesh_protocol::lease::{Holding, LeaseAsk, LeaseFrame, Resource, Usage};
use gearmesh_protocol::limits::LEASES_WAITING_MAX;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::shelf::{Given, Lease, Shelf, Waiter};
use super::{TTL_MIN, millis, patience};

/// Wishes of one member that wait for one resource.
pub const WAITING_PER_MEMBER_MAX: usize = 16;

/// What an arbiter acts with.
pub trait Desk {
    /// Whether anything new may be written down.
    ///
    /// # Errors
    /// Why not.
    fn may_begin(&self) -> Result<(), Refusal>;

    /// Has a record written, after all that were given before. Of a grant
    /// ([`Arbiter::written`], [`Arbiter::not_written`]) the arbiter hears again. Whether it is taken.
    fn write(&mut self, grant: Option<FencingToken>, record: LeaseRecord) -> bool;

    /// Tells a member something.
    fn tell(&mut self, to: PublicKey, frame: LeaseFrame);
}

/// All resources of one machine, in one of its lives.
#[derive(Debug)]
pub struct Arbiter {
    life: Incarnation,
    shelves: BTreeMap<Name, Shelf>,
    /// Where each wish is.
    wishes: BTreeMap<(PublicKey, LeaseId), Name>,
    /// Whether all is known that the own log says of earlier lives.
    has_recalled: bool,
}

impl Arbiter {
    /// An arbiter whose life begins: it gives away what it is told of, each for the first time when
    /// leases of earlier lives are over for sure.
    #[must_use]
    pub fn new(life: Incarnation, resources: Vec<Resource>) -> Self {
        let shelf = |resource: Resource| (resource.name.clone(), Shelf::new(resource));
        let shelves = resources.into_iter().map(shelf).collect();
        Self { life, shelves, wishes: BTreeMap::new(), has_recalled: false }
    }

    /// What it gives away.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.shelves.values().map(|shelf| &shelf.resource)
    }

    /// Whether it gives anything of this name away.
    #[must_use]
    pub fn has(&self, resource: &Name) -> bool {
        self.shelves.contains_key(resource)
    }

    /// A record of an earlier life, from that group of the own log, in its order.
    pub fn recall(&mut self, number: u64, record: LeaseRecord) {
        if record.token.incarnation != self.life
            && let Some(shelf) = self.shelves.get_mut(&record.resource)
        {
            shelf.recall(number, record);
        }
    }

    /// The group of that number says that a lease was given.
    pub fn said(&mut self, resource: &Name, token: FencingToken, number: u64) {
        if let Some(lease) = self.lease_mut(resource, &token) {
            lease.from = Some(number);
        }
    }

    /// From which group on the own log is needed to know who holds what.
    #[must_use]
    pub fn needed_from(&self) -> Option<u64> {
        let leases = self.shelves.values().flat_map(|shelf| shelf.leases.values());
        leases.filter_map(|lease| lease.from).min()
    }

    /// What is to be said again before the groups up to that number go.
    pub fn to_say_again(&self, number: u64) -> impl Iterator<Item = LeaseRecord> + '_ {
        self.shelves.values().flat_map(move |shelf| shelf.to_say_again(number))
    }

    /// That was all of them.
    pub fn recalled(&mut self) {
        self.has_recalled = true;
    }

    /// Whether a caller may act on a resource under a token, now.
    ///
    /// # Errors
    /// The token is none of a lease of the caller's that lasts.
    pub fn check(
        &self,
        now: Duration,
        resource: &Name,
        caller: &PublicKey,
        token: Option<FencingToken>,
    ) -> Result<(), Refusal> {
        let token = token.ok_or(Refusal::TokenMissing)?;
        if token.incarnation != self.life {
            return Err(Refusal::TokenOfEarlierLife);
        }
        let shelf = self.shelves.get(resource).ok_or(Refusal::ResourceUnknown)?;
        let Some(lease) = shelf.leases.get(&token) else {
            let was_given = (1..=shelf.given).contains(&token.number);
            return Err(if was_given { Refusal::TokenStale } else { Refusal::TokenUnknown });
        };
        match lease.given {
            // Nobody has heard of it yet, so it was guessed.
            Given::Soon => Err(Refusal::TokenUnknown),
            Given::Until(until) if until > now => match lease.holder == *caller {
                true => Ok(()),
                false => Err(Refusal::TokenForeign),
            },
            Given::Until(_) | Given::Before | Given::Over(_) => Err(Refusal::TokenStale),
        }
    }

    /// A member wants something, or waits for it still.
    pub fn ask(&mut self, now: Duration, holder: PublicKey, ask: LeaseAsk, desk: &mut impl Desk) {
        if let Some(resource) = self.wishes.get(&(holder, ask.id)).cloned() {
            return self.ask_again(now, holder, &resource, &ask, desk);
        }
        let (id, resource) = (ask.id, ask.resource.clone());
        if let Err(refusal) = self.may_ask(&holder, &ask, desk) {
            return desk.tell(holder, LeaseFrame::Refused { id, refusal });
        }
        let Some(shelf) = self.shelves.get_mut(&resource) else { return };
        let (number, waits) = (ask.number, ask.waits);
        shelf.waiting.push_back(Waiter { holder, heard: now, ask });
        self.wishes.insert((holder, id), resource.clone());
        self.advance(now, &resource, desk);
        let Some(shelf) = self.shelves.get_mut(&resource) else { return };
        let Some(place) = shelf.place_of(&holder, &id) else { return };
        if waits {
            return desk.tell(holder, LeaseFrame::Waits { id, number, place });
        }
        shelf.waiting.pop_back();
        self.wishes.remove(&(holder, id));
        let is_closed = !self.has_recalled || shelf.is_closed(now);
        let refusal = if is_closed { Refusal::ArbiterStarting } else { Refusal::ResourceTaken };
        desk.tell(holder, LeaseFrame::Refused { id, refusal });
    }

    fn may_ask(&self, holder: &PublicKey, ask: &LeaseAsk, desk: &impl Desk) -> Result<(), Refusal> {
        let shelf = self.shelves.get(&ask.resource).ok_or(Refusal::ResourceUnknown)?;
        let longest = shelf.resource.longest_ms;
        if !(millis(TTL_MIN)..=longest).contains(&ask.ttl_ms) {
            return Err(Refusal::LeaseTimeUnfit);
        }
        desk.may_begin()?;
        let of_holder = shelf.waiting.iter().filter(|waiter| waiter.holder == *holder).count();
        match shelf.waiting.len() < LEASES_WAITING_MAX && of_holder < WAITING_PER_MEMBER_MAX {
            true => Ok(()),
            false => Err(Refusal::LeaseQueueFull),
        }
    }

    /// A wish that is known: what became of it so far.
    fn ask_again(
        &mut self,
        now: Duration,
        holder: PublicKey,
        resource: &Name,
        ask: &LeaseAsk,
        desk: &mut impl Desk,
    ) {
        let Some(shelf) = self.shelves.get_mut(resource) else { return };
        let (id, number) = (ask.id, ask.number);
        if !shelf.is_same_wish(&holder, ask) {
            let refusal = Refusal::LeaseIdTaken;
            return desk.tell(holder, LeaseFrame::Refused { id, refusal });
        }
        if let Some(place) = shelf.place_of(&holder, &id) {
            if let Some(waiter) = shelf.waiting.get_mut(usize::from(place) - 1) {
                waiter.heard = now;
                waiter.ask.number = number.max(waiter.ask.number);
            }
            return desk.tell(holder, LeaseFrame::Waits { id, number, place });
        }
        if let Some(token) = shelf.token_of(&holder, &id) {
            self.prolong(now, resource, token, number, desk);
        }
    }

    /// A holder wants to go on.
    pub fn renew(
        &mut self,
        now: Duration,
        holder: PublicKey,
        renewal: (LeaseId, u32),
        (resource, token): (&Name, FencingToken),
        desk: &mut impl Desk,
    ) {
        let (id, number) = renewal;
        let Some(shelf) = self.shelves.get_mut(resource) else {
            let refusal = Refusal::ResourceUnknown;
            return desk.tell(holder, LeaseFrame::Refused { id, refusal });
        };
        if let Some(token) = shelf.token_of(&holder, &id) {
            return self.prolong(now, resource, token, number, desk);
        }
        if !self.has_recalled {
            // It asks again.
            return;
        }
        if !shelf.may_revive(&holder, &token) {
            let why = LeaseEvent::Expired;
            return desk.tell(holder, LeaseFrame::Ended { id, why });
        }
        if let Some(new) = shelf.revive(self.life, token, (id, number), desk) {
            tracing::info!(%resource, number = new.number, "a lease of an earlier life goes on");
            self.wishes.insert((holder, id), resource.clone());
        }
    }

    /// Lets a lease go on if it lasts, and says so.
    fn prolong(
        &mut self,
        now: Duration,
        resource: &Name,
        token: FencingToken,
        number: u32,
        desk: &mut impl Desk,
    ) {
        let Some(lease) = self.lease_mut(resource, &token) else { return };
        lease.number = number.max(lease.number);
        match lease.given {
            Given::Until(until) if until > now => {
                lease.given = Given::Until(until.max(now + lease.ttl));
                lease.tell_granted(token, desk);
            }
            // It is told when its record is on the disk; or that it is over, when that is.
            Given::Soon | Given::Before | Given::Over(_) => {}
            Given::Until(_) => self.end(now, resource, token, LeaseEvent::Expired, desk),
        }
    }

    /// A member does not want something any more.
    pub fn release(&mut self, now: Duration, holder: PublicKey, id: LeaseId, desk: &mut impl Desk) {
        let resource = self.wishes.get(&(holder, id)).cloned();
        let shelf = resource.as_ref().and_then(|resource| self.shelves.get_mut(resource));
        if let Some((shelf, resource)) = shelf.zip(resource.as_ref()) {
            if let Some(token) = shelf.token_of(&holder, &id) {
                return self.end(now, resource, token, LeaseEvent::Released, desk);
            }
            shelf.waiting.retain(|waiter| (waiter.holder, waiter.ask.id) != (holder, id));
            self.wishes.remove(&(holder, id));
        }
        desk.tell(holder, LeaseFrame::Ended { id, why: LeaseEvent::Released });
    }

    /// A grant is on the disk: from now on it is one.
    pub fn written(
        &mut self,
        now: Duration,
        resource: &Name,
        token: FencingToken,
        desk: &mut impl Desk,
    ) {
        if let Some(lease) = self.lease_mut(resource, &token)
            && lease.given == Given::Soon
        {
            (lease.given, lease.since) = (Given::Until(now + lease.ttl), Some(now));
            lease.tell_granted(token, desk);
        }
    }

    /// It is not, and will not be.
    pub fn not_written(
        &mut self,
        now: Duration,
        resource: &Name,
        token: FencingToken,
        refusal: Refusal,
        desk: &mut impl Desk,
    ) {
        let Some(shelf) = self.shelves.get_mut(resource) else { return };
        if shelf.leases.get(&token).is_none_or(|lease| lease.given != Given::Soon) {
            return;
        }
        let Some(lease) = shelf.leases.remove(&token) else { return };
        self.forget(&lease);
        if let Some(id) = lease.id {
            desk.tell(lease.holder, LeaseFrame::Refused { id, refusal });
        }
        self.advance(now, resource, desk);
    }

    /// Time passed, and who is a member may be another.
    pub fn tick(
        &mut self,
        now: Duration,
        may_hold: impl Fn(&PublicKey) -> bool,
        desk: &mut impl Desk,
    ) {
        let names: Vec<Name> = self.shelves.keys().cloned().collect();
        for resource in names {
            self.dismiss(&resource, |waiter| {
                let silence = now.saturating_sub(waiter.heard);
                silence > patience(waiter.ask.ttl_ms) || !may_hold(&waiter.holder)
            });
            let Some(shelf) = self.shelves.get(&resource) else { continue };
            for (token, event) in shelf.ended(now, &may_hold) {
                self.end(now, &resource, token, event, desk);
            }
            self.advance(now, &resource, desk);
        }
    }

    fn dismiss(&mut self, resource: &Name, is_gone: impl Fn(&Waiter) -> bool) {
        let Some(shelf) = self.shelves.get_mut(resource) else { return };
        let (gone, stay) = std::mem::take(&mut shelf.waiting).into_iter().partition(is_gone);
        shelf.waiting = stay;
        let gone: VecDeque<Waiter> = gone;
        for waiter in gone {
            self.wishes.remove(&(waiter.holder, waiter.ask.id));
        }
    }

    /// Ends a lease. Its place is free when the disk's queue has taken that it ended: so the next grant
    /// goes to the disk behind it, and with it.
    fn end(
        &mut self,
        now: Duration,
        resource: &Name,
        token: FencingToken,
        event: LeaseEvent,
        desk: &mut impl Desk,
    ) {
        let Some(lease) = self.lease_mut(resource, &token) else { return };
        let is_news = !matches!(lease.given, Given::Over(_));
        lease.given = Given::Over(event);
        if let Some(id) = lease.id.filter(|_| is_news) {
            desk.tell(lease.holder, LeaseFrame::Ended { id, why: event });
        }
        let record = lease.record(resource, token, event);
        if !desk.write(None, record) {
            return;
        }
        let ended = self.shelves.get_mut(resource).and_then(|shelf| shelf.leases.remove(&token));
        if let Some(lease) = ended {
            self.forget(&lease);
        }
        self.advance(now, resource, desk);
    }

    /// Gives free places to those who wait for them, in their order.
    fn advance(&mut self, now: Duration, resource: &Name, desk: &mut impl Desk) {
        let Some(shelf) = self.shelves.get_mut(resource) else { return };
        if !self.has_recalled || shelf.is_closed(now) {
            return;
        }
        while shelf.has_place() && desk.may_begin().is_ok() {
            let Some(waiter) = shelf.waiting.front() else { return };
            let token = FencingToken { incarnation: self.life, number: shelf.given + 1 };
            let lease = Lease::of(waiter);
            if !desk.write(Some(token), lease.record(resource, token, LeaseEvent::Granted)) {
                return;
            }
            shelf.given = token.number;
            shelf.leases.insert(token, lease);
            shelf.waiting.pop_front();
        }
    }

    /// Who holds a resource, and who waits.
    #[must_use]
    pub fn usage(&self, now: Duration, resource: &Name) -> Option<Usage> {
        let shelf = self.shelves.get(resource)?;
        let held = shelf.leases.iter().filter_map(|(token, lease)| {
            let until = match lease.given {
                Given::Until(until) => until,
                Given::Before => shelf.closed_until(),
                Given::Soon | Given::Over(_) => return None,
            };
            Some(Holding {
                holder: lease.holder,
                token: *token,
                since_ms: lease.since.map(|since| u64::from(millis(now.saturating_sub(since)))),
                left_ms: millis(until.saturating_sub(now)),
                on_loss: lease.on_loss,
            })
        });
        let waiting = shelf.waiting.iter().map(|waiter| waiter.holder);
        let closed_ms = millis(shelf.closed_until().saturating_sub(now));
        let (held, waiting) = (Bounded::first_of(held), Bounded::first_of(waiting));
        Some(Usage { held, waiting, closed_ms })
    }

    fn lease_mut(&mut self, resource: &Name, token: &FencingToken) -> Option<&mut Lease> {
        self.shelves.get_mut(resource)?.leases.get_mut(token)
    }

    fn forget(&mut self, lease: &Lease) {
        if let Some(id) = lease.id {
            self.wishes.remove(&(lease.holder, id));
        }
    }
}
