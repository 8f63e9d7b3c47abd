//! Who has this node's groups on disk, and who waits to hear it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gearmesh_protocol::data::Numbers;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;

use super::super::chain::{Extent, Gap};
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
    /// What each member has of them.
    confirmed: BTreeMap<PublicKey, Replica>,
}

/// What a member has of this node's log.
#[derive(Debug)]
struct Replica {
    first: u64,
    last: u64,
    gaps: Vec<Numbers>,
}

impl Replica {
    fn has(&self, number: u64) -> bool {
        let is_missing = self.gaps.iter().any(|gap| gap.contains(number));
        (self.first..=self.last).contains(&number) && !is_missing
    }

    /// The number from `number` on that it neither has nor once had and let go.
    fn lacks_from(&self, number: u64) -> u64 {
        let gap = self.gaps.iter().find(|gap| gap.last >= number);
        let end = self.last.saturating_add(1);
        number.max(gap.map_or(end, |gap| gap.first.min(end)))
    }
}

impl Acks {
    /// For a log that ended there when the node started.
    pub(super) fn after(last: Option<Tip>) -> Self {
        Self { recent: last.into_iter().collect(), ..Self::default() }
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

    /// A member said what there is in its copy of this node's log.
    pub(super) fn confirmed(&mut self, by: PublicKey, extent: &Extent, effects: &mut Vec<Effect>) {
        let known = self.recent.iter().rev().find(|tip| extent.ends.contains(tip));
        if let Some(known) = known {
            let (first, last, gaps) = (extent.first, known.number, extent.gaps.clone());
            self.confirmed.insert(by, Replica { first, last, gaps });
            self.settle(effects);
        }
    }

    /// The number before which every group that this node has from `first` on, but for these gaps,
    /// is on another disk, or was and is too old there.
    pub(super) fn replicated(&self, first: u64, gaps: &[Gap]) -> u64 {
        let behind = |number: u64| {
            let copies = self.confirmed.values().map(|copy| copy.lacks_from(number));
            let gaps = gaps.iter().map(Gap::numbers).filter(|gap| gap.contains(number));
            copies.chain(gaps.map(|gap| gap.last.saturating_add(1))).max().unwrap_or(number)
        };
        let mut next = first;
        while behind(next) > next {
            next = behind(next);
        }
        next
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
        self.confirmed.values().filter(|copy| copy.has(tip.number)).count()
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

#[cfg(test)]
mod tests {
    use gearmesh_protocol::ids::GroupId;

    use super::*;
    use crate::core::plant::world::key;

    fn tip(number: u64) -> Tip {
        Tip { group: GroupId([1; 32]), number, entries: number + 1 }
    }

    /// Two members say what they have of a log that ends with group 50.
    fn told(one: (u64, &[(u64, u64)]), other: (u64, &[(u64, u64)])) -> Acks {
        let mut acks = Acks::after(Some(tip(50)));
        for (name, (first, gaps)) in [("right", one), ("registrar", other)] {
            let gaps = gaps.iter().map(|(first, last)| Numbers { first: *first, last: *last });
            let extent = Extent { ends: vec![tip(50)], first, gaps: gaps.collect() };
            acks.confirmed(key(name), &extent, &mut Vec::new());
        }
        acks
    }

    #[test]
    fn what_one_member_lacks_another_may_have() {
        assert_eq!(told((0, &[]), (0, &[(7, 9)])).replicated(0, &[]), 51);
        let acks = told((0, &[(7, 9), (30, 31)]), (0, &[(9, 12)]));
        assert_eq!(acks.replicated(0, &[]), 9);
        assert_eq!(acks.replicated(10, &[]), 51, "the author has let it go itself");
        let own = Gap { after: Some(tip(8)), until: tip(9) };
        assert_eq!(acks.replicated(0, &[own]), 51, "nobody can have it from here");
    }

    #[test]
    fn what_is_too_old_at_a_member_was_there() {
        assert_eq!(told((20, &[]), (30, &[])).replicated(0, &[]), 51);
        let acks = told((20, &[]), (30, &[(40, 40)]));
        let counted = |number| acks.replicas(&tip(number));
        assert_eq!([19, 20, 30, 40, 50, 51].map(counted), [0, 1, 2, 1, 2, 0]);
    }
}
