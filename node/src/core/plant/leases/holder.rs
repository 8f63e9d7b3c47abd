//! The side of the machine that wants resources: what it holds and waits for, by its own clock.
//!
//! It believes to hold a lease no longer than its time after it sent what was granted. Whoever asks, or
//! renews, or gives back, asks again until the arbiter has answered, over this link or the next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::entry::{FencingToken, LeaseEvent, OnLoss};
use gearmesh_protocol::ids::{LeaseId, PublicKey};
use gearmesh_protocol::lease::{LeaseAsk, LeaseFrame};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::{millis, repeat_every};

/// Leases that a node holds or waits for.
pub const WISHES_MAX: usize = 256;

/// Asks and renewals of one lease of which it is remembered when they were sent.
const SENT_MAX: usize = 16;

/// How long whoever does not wait for a resource waits for its arbiter to say so.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What a program wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Chosen by whoever asks; a retry repeats it.
    pub id: LeaseId,
    /// Whose resource.
    pub arbiter: PublicKey,
    /// Which.
    pub resource: Name,
    /// For how long.
    pub ttl: Duration,
    /// What is done if it is lost.
    pub on_loss: OnLoss,
    /// How long to wait for it; not at all if nothing is said.
    pub wait: Option<Duration>,
}

/// What a program is told of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// So many are before it, and it.
    Waits(u16),
    /// It has the lease, for so long from now; also after each renewal.
    Held(FencingToken, Duration),
    /// It does not have it any more.
    Ended(LeaseEvent),
    /// It will not have it.
    Refused(Refusal),
}

/// A lease that a program believes to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose resource.
    pub arbiter: PublicKey,
    /// Which.
    pub resource: Name,
    /// What the equipment knows it by.
    pub token: FencingToken,
    /// Until when, by this node's clock.
    pub until: Duration,
    /// What is done if it is lost.
    pub on_loss: OnLoss,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send this to a member.
    Send(PublicKey, LeaseFrame),
    /// Tell whoever wished.
    Tell(LeaseId, Told),
}

#[derive(Debug)]
struct Open {
    wish: Wish,
    /// How long it waits.
    waits_until: Duration,
    number: u32,
    sent: VecDeque<(u32, Duration)>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is asked for. At which place, once somebody said.
    Wanted(Option<u16>),
    /// It lasts until then; whether more is asked for.
    Held { token: FencingToken, until: Duration, renews: bool },
    /// It is given back, and over then in any case.
    Left { until: Duration },
}

/// All that a node holds and waits for.
#[derive(Debug, Default)]
pub struct Holder {
    open: BTreeMap<LeaseId, Open>,
}

impl Holder {
    /// Whom it wants something of.
    pub fn arbiters(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.open.values().map(|open| open.wish.arbiter)
    }

    /// What it believes to hold.
    pub fn held(&self) -> impl Iterator<Item = (LeaseId, Held)> + '_ {
        self.open.iter().filter_map(|(id, open)| {
            let Standing::Held { token, until, .. } = open.standing else { return None };
            let Wish { arbiter, resource, on_loss, .. } = open.wish.clone();
            Some((*id, Held { arbiter, resource, token, until, on_loss }))
        })
    }

    /// A program wants something.
    ///
    /// # Errors
    /// It has as much as it may, or the id stands for something else.
    pub fn ask(&mut self, now: Duration, wish: Wish, acts: &mut Vec<Act>) -> Result<(), Refusal> {
        let id = wish.id;
        if let Some(open) = self.open.get_mut(&id) {
            let terms = |wish: &Wish| (wish.arbiter, wish.ttl, wish.on_loss);
            if terms(&open.wish) != terms(&wish) || open.wish.resource != wish.resource {
                return Err(Refusal::LeaseIdTaken);
            }
            open.waits_until = now + wish.wait.unwrap_or(ANSWER_WITHIN);
            acts.extend(open.told(now).map(|told| Act::Tell(id, told)));
            return Ok(());
        }
        if self.open.len() >= WISHES_MAX {
            return Err(Refusal::LeasesFull);
        }
        let waits_until = now + wish.wait.unwrap_or(ANSWER_WITHIN);
        let standing = Standing::Wanted(None);
        let mut open = Open { wish, waits_until, number: 0, sent: VecDeque::new(), standing };
        open.send(now, acts);
        self.open.insert(id, open);
        Ok(())
    }

    /// A program wants to hold something for longer.
    ///
    /// # Errors
    /// It does not hold it.
    pub fn renew(
        &mut self,
        now: Duration,
        id: LeaseId,
        acts: &mut Vec<Act>,
    ) -> Result<(), Refusal> {
        let open = self.open.get_mut(&id).ok_or(Refusal::LeaseUnknown)?;
        match &mut open.standing {
            Standing::Held { until, renews, .. } if *until > now => *renews = true,
            Standing::Held { .. } | Standing::Left { .. } => return Err(Refusal::LeaseOver),
            Standing::Wanted(_) => return Err(Refusal::LeaseUnknown),
        }
        open.send(now, acts);
        Ok(())
    }

    /// A program does not want something any more. It hears when the arbiter knows, or the time is over.
    ///
    /// # Errors
    /// It holds no such lease, and waits for none.
    pub fn release(
        &mut self,
        now: Duration,
        id: LeaseId,
        acts: &mut Vec<Act>,
    ) -> Result<(), Refusal> {
        let open = self.open.get_mut(&id).ok_or(Refusal::LeaseUnknown)?;
        let until = match open.standing {
            Standing::Wanted(_) => now + open.wish.ttl,
            Standing::Held { until, .. } | Standing::Left { until } => until,
        };
        open.standing = Standing::Left { until };
        open.send(now, acts);
        Ok(())
    }

    /// A member said something.
    pub fn heard(
        &mut self,
        now: Duration,
        from: &PublicKey,
        frame: LeaseFrame,
        acts: &mut Vec<Act>,
    ) {
        let told = match frame {
            LeaseFrame::Granted { id, number, token, ttl_ms } => {
                return self.granted(now, from, (id, number), (token, ttl_ms), acts);
            }
            LeaseFrame::Waits { id, place, .. } => {
                let Some(open) = self.of(from, &id) else { return };
                let is_news = matches!(open.standing, Standing::Wanted(at) if at != Some(place));
                if is_news {
                    open.standing = Standing::Wanted(Some(place));
                    acts.push(Act::Tell(id, Told::Waits(place)));
                }
                return;
            }
            LeaseFrame::Ended { id, why } => (id, Told::Ended(why)),
            LeaseFrame::Refused { id, refusal } => (id, Told::Refused(refusal)),
            _ => return,
        };
        if self.of(from, &told.0).is_some() {
            self.open.remove(&told.0);
            acts.push(Act::Tell(told.0, told.1));
        }
    }

    fn granted(
        &mut self,
        now: Duration,
        from: &PublicKey,
        (id, number): (LeaseId, u32),
        (token, ttl_ms): (FencingToken, u32),
        acts: &mut Vec<Act>,
    ) {
        let Some(open) = self.of(from, &id) else {
            // Nobody here wants it any more.
            return acts.push(Act::Send(*from, LeaseFrame::Release { id }));
        };
        let sent = open.sent.iter().find(|(sent, _)| *sent == number);
        let Some((_, sent)) = sent.copied() else { return };
        let granted = sent + Duration::from_millis(ttl_ms.into()).min(open.wish.ttl);
        match &mut open.standing {
            Standing::Wanted(_) if granted > now => {
                open.standing = Standing::Held { token, until: granted, renews: false };
            }
            Standing::Held { token: held, until, renews } => {
                *renews &= number != open.number;
                if granted > *until {
                    (*held, *until) = (token, granted);
                }
            }
            // It took so long that it is asked for again.
            Standing::Wanted(_) | Standing::Left { .. } => return,
        }
        acts.extend(open.told(now).map(|told| Act::Tell(id, told)));
    }

    /// There is a new link to a member: what it may not have heard is said again.
    pub fn linked(&mut self, now: Duration, to: &PublicKey, acts: &mut Vec<Act>) {
        for open in self.open.values_mut().filter(|open| open.wish.arbiter == *to) {
            if open.wants_answer() {
                open.send(now, acts);
            }
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Duration, acts: &mut Vec<Act>) {
        self.open.retain(|id, open| {
            let over = match open.standing {
                Standing::Held { until, .. } if until <= now => Told::Ended(LeaseEvent::Expired),
                Standing::Left { until } if until <= now => Told::Ended(LeaseEvent::Released),
                Standing::Wanted(_) if open.waits_until <= now => {
                    acts.push(Act::Send(open.wish.arbiter, LeaseFrame::Release { id: *id }));
                    let waits = open.wish.wait.is_some();
                    let late = Refusal::LeaseNotInTime;
                    Told::Refused(if waits { late } else { Refusal::MachineUnreachable })
                }
                _ => return true,
            };
            acts.push(Act::Tell(*id, over));
            false
        });
        for open in self.open.values_mut() {
            let last = open.sent.back().map_or(Duration::ZERO, |(_, at)| *at);
            if open.wants_answer() && now >= last + repeat_every(millis(open.wish.ttl)) {
                open.send(now, acts);
            }
        }
    }

    /// This node may hold nothing any more.
    pub fn lose_all(&mut self, acts: &mut Vec<Act>) {
        let lose = |(id, _)| Act::Tell(id, Told::Ended(LeaseEvent::Revoked));
        acts.extend(std::mem::take(&mut self.open).into_iter().map(lose));
    }

    fn of(&mut self, arbiter: &PublicKey, id: &LeaseId) -> Option<&mut Open> {
        self.open.get_mut(id).filter(|open| open.wish.arbiter == *arbiter)
    }
}

impl Open {
    const fn wants_answer(&self) -> bool {
        match self.standing {
            Standing::Wanted(_) | Standing::Left { .. } => true,
            Standing::Held { renews, .. } => renews,
        }
    }

    fn told(&self, now: Duration) -> Option<Told> {
        match self.standing {
            Standing::Wanted(place) => place.map(Told::Waits),
            Standing::Held { token, until, .. } => {
                Some(Told::Held(token, until.saturating_sub(now)))
            }
            Standing::Left { .. } => None,
        }
    }

    /// Says to the arbiter what is wanted, under the next number.
    fn send(&mut self, now: Duration, acts: &mut Vec<Act>) {
        self.number += 1;
        self.sent.push_back((self.number, now));
        if self.sent.len() > SENT_MAX {
            self.sent.pop_front();
        }
        let Wish { id, arbiter, resource, ttl, on_loss, wait } = self.wish.clone();
        let number = self.number;
        let frame = match self.standing {
            Standing::Wanted(_) => {
                let (ttl_ms, waits) = (millis(ttl), wait.is_some());
                LeaseFrame::Ask(LeaseAsk { id, number, resource, ttl_ms, on_loss, waits })
            }
            Standing::Held { token, .. } => LeaseFrame::Renew { id, number, resource, token },
            Standing::Left { .. } => LeaseFrame::Release { id },
        };
        acts.push(Act::Send(arbiter, frame));
    }
}
