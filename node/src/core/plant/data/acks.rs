//! Who has this node's groups on disk, and who waits to hear it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;

use super::super::{Answer, Effect, Ticket};
use super::Acknowledgement;
use super::commit::Written;

/// How long a publisher waits for members. Its entry is durable here all the same, and reaches them
/// when it can; the answer then says how many have it.
pub const REPLICATED_WITHIN: Duration = Duration::from_secs(10);

/// Publishers that may wait for members at once; beyond it the oldest hears how far it came.
pub const ACKS_WAITING_MAX: usize = 16 * 1024;

/// Somebody who waits until enough members have a group.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    tip: Tip,
    entry: u64,
    needed: usize,
    until: Duration,
}

/// Acks for this node's own groups.
#[derive(Debug, Default)]
pub(super) struct Acks {
    waiting: VecDeque<Waiting>,
    /// Own groups from the oldest that somebody waits for to the last.
    recent: VecDeque<Tip>,
    /// The number up to which each member has them.
    confirmed: BTreeMap<PublicKey, u64>,
}

impl Acks {
    /// For a log that ended there when the node started.
    pub(super) fn after(last: Option<&Tip>) -> Self {
        Self { recent: last.copied().into_iter().collect(), ..Self::default() }
    }

    /// A group of this node is durable here: answers those who asked for no more.
    pub(super) fn written(&mut self, written: Written, now: Duration, effects: &mut Vec<Effect>) {
        let Written { tip, before, asked, .. } = written;
        self.recent.push_back(tip);
        for (ticket, ack, at) in asked {
            let needed = match ack {
                AckLevel::Local => 0,
                AckLevel::Replicated(members) => usize::from(members),
            };
            let (entry, until) = (before + at, now + REPLICATED_WITHIN);
            self.waiting.push_back(Waiting { ticket, tip, entry, needed, until });
        }
        while self.waiting.len() > ACKS_WAITING_MAX {
            let oldest = self.waiting.pop_front();
            effects.extend(oldest.map(|oldest| self.answer(&oldest)));
        }
        self.settle(effects);
    }

    /// A member said where its copy of this node's log ends.
    pub(super) fn confirmed(&mut self, by: PublicKey, ends: &[Tip], effects: &mut Vec<Effect>) {
        let known = self.recent.iter().rev().find(|tip| ends.contains(tip));
        if let Some(known) = known {
            let number = self.confirmed.entry(by).or_default();
            *number = known.number.max(*number);
            self.settle(effects);
        }
    }

    /// The number before which every group of this node is on another disk.
    pub(super) fn replicated(&self) -> u64 {
        self.confirmed.values().max().map_or(0, |highest| highest.saturating_add(1))
    }

    /// Answers those who have waited long enough.
    pub(super) fn give_up(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        while self.waiting.front().is_some_and(|oldest| oldest.until <= now) {
            let oldest = self.waiting.pop_front();
            effects.extend(oldest.map(|oldest| self.answer(&oldest)));
        }
        self.forget();
    }

    fn settle(&mut self, effects: &mut Vec<Effect>) {
        let mut left = VecDeque::new();
        for waiting in std::mem::take(&mut self.waiting) {
            if self.replicas(&waiting.tip) >= waiting.needed {
                effects.push(self.answer(&waiting));
            } else {
                left.push_back(waiting);
            }
        }
        self.waiting = left;
        self.forget();
    }

    /// Forgets groups for which nobody waits any more, but for the last.
    fn forget(&mut self) {
        let oldest = self.waiting.front().map_or(u64::MAX, |waiting| waiting.tip.number);
        while self.recent.len() > 1 && self.recent.front().is_some_and(|tip| tip.number < oldest) {
            self.recent.pop_front();
        }
    }

    fn replicas(&self, tip: &Tip) -> usize {
        self.confirmed.values().filter(|number| **number >= tip.number).count()
    }

    fn answer(&self, waiting: &Waiting) -> Effect {
        let replicas = self.replicas(&waiting.tip);
        let ack = Acknowledgement {
            group: waiting.tip.group,
            number: waiting.tip.number,
            entry: waiting.entry,
            replicas,
            is_reached: replicas >= waiting.needed,
        };
        Effect::Answer { ticket: waiting.ticket, answer: Answer::Durable(ack) }
    }
}
