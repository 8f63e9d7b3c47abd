//! One resource of an arbiter: its leases, and the queue for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::entry::{FencingToken, LeaseEvent, LeaseRecord, OnLoss};
use gearmesh_protocol::ids::{Incarnation, LeaseId, PublicKey};
use gearmesh_protocol::lease::{LeaseAsk, LeaseFrame, Resource};
use gearmesh_protocol::topic::Name;

use super::arbiter::Desk;
use super::millis;

/// One resource.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) resource: Resource,
    /// The highest number of a token that was given in this life.
    pub(super) given: u64,
    pub(super) leases: BTreeMap<FencingToken, Lease>,
    pub(super) waiting: VecDeque<Waiter>,
    /// How many of earlier lives were read.
    recalled: u32,
}

/// Something that was given away, or is about to be.
#[derive(Debug)]
pub(super) struct Lease {
    /// The wish; none for one of an earlier life.
    pub(super) id: Option<LeaseId>,
    pub(super) holder: PublicKey,
    pub(super) ttl: Duration,
    pub(super) on_loss: OnLoss,
    /// The last ask or renewal; of one of an earlier life, its turn in the log.
    pub(super) number: u32,
    pub(super) since: Option<Duration>,
    pub(super) given: Given,
    /// The number of the group that says in the own log that it was given.
    pub(super) from: Option<u64>,
}

/// How a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// In an earlier life. Its holder may renew it while the resource is closed.
    Before,
    /// Its record is on the way to the disk.
    Soon,
    /// It lasts until then, if it is not renewed.
    Until(Duration),
    /// It is over, and the disk's queue had no place for the record that says so yet.
    Over(LeaseEvent),
}

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) holder: PublicKey,
    pub(super) ask: LeaseAsk,
    pub(super) heard: Duration,
}

impl Shelf {
    pub(super) fn new(resource: Resource) -> Self {
        let (leases, waiting) = (BTreeMap::new(), VecDeque::new());
        Self { resource, given: 0, leases, waiting, recalled: 0 }
    }

    /// Until then nothing is given away: whatever was renewed in an earlier life, of which the log says
    /// nothing, is over by then.
    pub(super) fn closed_until(&self) -> Duration {
        Duration::from_millis(self.resource.longest_ms.into())
    }

    pub(super) fn is_closed(&self, now: Duration) -> bool {
        now < self.closed_until()
    }

    pub(super) fn has_place(&self) -> bool {
        self.leases.len() < usize::from(self.resource.places)
    }

    /// A record of an earlier life, from that group. No more are kept than there are places: the last
    /// ones.
    pub(super) fn recall(&mut self, group: u64, record: LeaseRecord) {
        let LeaseRecord { holder, token, event, ttl_ms, on_loss, .. } = record;
        match event {
            LeaseEvent::Granted => {}
            // That was said before, and is said again.
            LeaseEvent::Renewed if self.leases.contains_key(&token) => {}
            // It took the place of one of the same holder's of an earlier life.
            LeaseEvent::Renewed => {
                let is_renewed = |(old, lease): (&FencingToken, &Lease)| {
                    let is_older = old.incarnation != token.incarnation;
                    (lease.holder == holder && is_older).then_some(*old)
                };
                if let Some(old) = self.leases.iter().find_map(is_renewed) {
                    self.leases.remove(&old);
                }
            }
            LeaseEvent::Released | LeaseEvent::Expired | LeaseEvent::Revoked => {
                self.leases.remove(&token);
                return;
            }
        }
        self.recalled = self.recalled.saturating_add(1);
        let number = self.recalled;
        let ttl = Duration::from_millis(ttl_ms.into()).min(self.closed_until());
        let (id, since, given, from) = (None, None, Given::Before, Some(group));
        self.leases.insert(token, Lease { id, holder, ttl, on_loss, number, since, given, from });
        if self.leases.len() > usize::from(self.resource.places) {
            let oldest = self.leases.iter().min_by_key(|(_, lease)| lease.number);
            if let Some(oldest) = oldest.map(|(token, _)| *token) {
                self.leases.remove(&oldest);
            }
        }
    }

    /// Whether the log says that a member was given this in an earlier life and not that it ended.
    pub(super) fn may_revive(&self, holder: &PublicKey, token: &FencingToken) -> bool {
        let lease = self.leases.get(token);
        lease.is_some_and(|lease| lease.given == Given::Before && lease.holder == *holder)
    }

    /// Has a lease of an earlier life go on under a new token.
    pub(super) fn revive(
        &mut self,
        life: Incarnation,
        old: FencingToken,
        (id, number): (LeaseId, u32),
        desk: &mut impl Desk,
    ) -> Option<FencingToken> {
        let token = FencingToken { incarnation: life, number: self.given + 1 };
        let lease = self.leases.get(&old)?;
        let record = lease.record(&self.resource.name, token, LeaseEvent::Renewed);
        if !desk.write(Some(token), record) {
            return None;
        }
        self.given = token.number;
        let lease = self.leases.remove(&old)?;
        self.leases
            .insert(token, Lease { id: Some(id), number, given: Given::Soon, from: None, ..lease });
        Some(token)
    }

    pub(super) fn place_of(&self, holder: &PublicKey, id: &LeaseId) -> Option<u16> {
        let is_it = |waiter: &Waiter| waiter.holder == *holder && waiter.ask.id == *id;
        let at = self.waiting.iter().position(is_it)?;
        u16::try_from(at + 1).ok()
    }

    pub(super) fn token_of(&self, holder: &PublicKey, id: &LeaseId) -> Option<FencingToken> {
        let is_it =
            |(_, lease): &(&FencingToken, &Lease)| lease.holder == *holder && lease.id == Some(*id);
        self.leases.iter().find(is_it).map(|(token, _)| *token)
    }

    /// Whether a wish that is known here says the same as before.
    pub(super) fn is_same_wish(&self, holder: &PublicKey, ask: &LeaseAsk) -> bool {
        let terms = match self.place_of(holder, &ask.id) {
            Some(place) => self.waiting.get(usize::from(place) - 1).map(|waiter| {
                let ask = &waiter.ask;
                (ask.ttl_ms, ask.on_loss)
            }),
            None => self.token_of(holder, &ask.id).and_then(|token| {
                let lease = self.leases.get(&token)?;
                Some((millis(lease.ttl), lease.on_loss))
            }),
        };
        self.resource.name == ask.resource && terms == Some((ask.ttl_ms, ask.on_loss))
    }

    /// What is to be said again before the groups up to that number go.
    pub(super) fn to_say_again(&self, number: u64) -> impl Iterator<Item = LeaseRecord> + '_ {
        let going = self.leases.iter().filter(move |(_, lease)| {
            let lasts = matches!(lease.given, Given::Before | Given::Until(_));
            lasts && lease.from.is_some_and(|from| from <= number)
        });
        let name = &self.resource.name;
        // To whoever reads the log it is no news: nobody got anything.
        going.map(move |(token, lease)| lease.record(name, *token, LeaseEvent::Renewed))
    }

    /// Leases that are to end now, and why.
    pub(super) fn ended(
        &self,
        now: Duration,
        may_hold: impl Fn(&PublicKey) -> bool,
    ) -> Vec<(FencingToken, LeaseEvent)> {
        let closed = self.is_closed(now);
        let ended = self.leases.iter().filter_map(|(token, lease)| {
            let event = match lease.given {
                Given::Over(event) => event,
                _ if !may_hold(&lease.holder) => LeaseEvent::Revoked,
                Given::Until(until) if until <= now => LeaseEvent::Expired,
                Given::Before if !closed => LeaseEvent::Expired,
                Given::Before | Given::Soon | Given::Until(_) => return None,
            };
            Some((*token, event))
        });
        ended.collect()
    }
}

impl Lease {
    /// The wish of somebody whose turn it is.
    pub(super) fn of(waiter: &Waiter) -> Self {
        let Waiter { holder, ask, .. } = waiter;
        Self {
            id: Some(ask.id),
            holder: *holder,
            ttl: Duration::from_millis(ask.ttl_ms.into()),
            on_loss: ask.on_loss,
            number: ask.number,
            since: None,
            given: Given::Soon,
            from: None,
        }
    }

    /// What is written down of it.
    pub(super) fn record(
        &self,
        resource: &Name,
        token: FencingToken,
        event: LeaseEvent,
    ) -> LeaseRecord {
        let (holder, on_loss) = (self.holder, self.on_loss);
        let (resource, ttl_ms) = (resource.clone(), millis(self.ttl));
        LeaseRecord { resource, holder, token, event, ttl_ms, on_loss }
    }

    /// Tells its holder from when it counts.
    pub(super) fn tell_granted(&self, token: FencingToken, desk: &mut impl Desk) {
        if let Some(id) = self.id {
            let (number, ttl_ms) = (self.number, millis(self.ttl));
            desk.tell(self.holder, LeaseFrame::Granted { id, number, token, ttl_ms });
        }
    }
}
