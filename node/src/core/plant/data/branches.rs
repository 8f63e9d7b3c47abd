//! How a log forked: the last group that all its branches go on from, and what each holds since.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::{GroupId, Incarnation};
use gearmesh_protocol::inspect::{Branch, Fork, LIVES_NAMED_MAX};
use gearmesh_protocol::log::{Header, Tip};
use gearmesh_protocol::time::UnixMillis;

/// The groups of a log from the last point that all of it goes on from. They are taken in the order
/// of their numbers.
#[derive(Debug, Default)]
pub struct Branches {
    leaves: Vec<Tip>,
    groups: BTreeMap<GroupId, Seen>,
}

/// What is remembered of a group.
#[derive(Debug)]
struct Seen {
    tip: Tip,
    parents: Vec<GroupId>,
    life: Incarnation,
    entries: u32,
    times: Option<(UnixMillis, UnixMillis)>,
}

impl Branches {
    /// Takes the next group, whose values are of times between these two.
    pub fn add(&mut self, id: GroupId, header: &Header, times: Option<(UnixMillis, UnixMillis)>) {
        Tip::grow(&mut self.leaves, id, header);
        let seen = Seen {
            tip: Tip::of(id, header),
            parents: header.parents.to_vec(),
            life: header.incarnation,
            entries: header.entries,
            times,
        };
        self.groups.insert(id, seen);
        if self.leaves.len() == 1 {
            // A sibling of this group may follow, and then its parent is where the log forked.
            self.groups.retain(|_, seen| seen.tip.number.saturating_add(1) >= header.number);
        }
    }

    /// How the log forked that had these ends when somebody began to read it; none if it has one end,
    /// also if its branches were joined meanwhile.
    #[must_use]
    pub fn fork(&self, ends: &[Tip]) -> Option<Fork> {
        if ends.len() <= 1 || self.leaves.len() <= 1 {
            return None;
        }
        let mut ends = ends.to_vec();
        ends.sort_unstable_by_key(|end| (Reverse(end.number), end.group));
        let within: Vec<BTreeSet<GroupId>> = ends.iter().map(|end| self.within(end)).collect();
        let is_common = |id: &&GroupId| within.iter().all(|branch| branch.contains(*id));
        let common: BTreeSet<GroupId> = within.first()?.iter().filter(is_common).copied().collect();
        let common_tips = common.iter().filter_map(|id| self.groups.get(id)).map(|seen| seen.tip);
        let after = common_tips.max_by_key(|tip| tip.number);
        let beside = |branch: &BTreeSet<GroupId>| branch.difference(&common).copied().collect();
        let branches = ends.iter().zip(&within);
        let branches = branches.map(|(end, branch)| self.branch(*end, beside(branch))).collect();
        Some(Fork { after, branches })
    }

    /// The group and its ancestors, as far as they are remembered.
    fn within(&self, end: &Tip) -> BTreeSet<GroupId> {
        let mut found = BTreeSet::new();
        let mut open = vec![end.group];
        while let Some(id) = open.pop() {
            if let Some(seen) = self.groups.get(&id)
                && found.insert(id)
            {
                open.extend(&seen.parents);
            }
        }
        found
    }

    fn branch(&self, end: Tip, groups: Vec<GroupId>) -> Branch {
        let mut seen: Vec<&Seen> = groups.iter().filter_map(|id| self.groups.get(id)).collect();
        seen.sort_unstable_by_key(|seen| seen.tip.number);
        let mut lives: Vec<Incarnation> = Vec::new();
        for seen in &seen {
            if !lives.contains(&seen.life) && lives.len() < LIVES_NAMED_MAX {
                lives.push(seen.life);
            }
        }
        let times = || seen.iter().filter_map(|seen| seen.times);
        Branch {
            end,
            groups: seen.len() as u64,
            entries: seen.iter().map(|seen| u64::from(seen.entries)).sum(),
            from: times().map(|(first, _)| first).min(),
            until: times().map(|(_, last)| last).max(),
            lives,
        }
    }
}

#[cfg(test)]
mod tests {
    use gearmesh_protocol::bounded::Bounded;
    use gearmesh_protocol::ids::{PublicKey, RecordId};
    use gearmesh_protocol::log::{LogId, LogKind};

    use super::*;
    use crate::core::plant::world::key;

    fn id(group: u8) -> GroupId {
        GroupId([group; 32])
    }

    /// A log in which each group has two entries and the time of its id.
    #[derive(Default)]
    struct Grown(Branches, BTreeMap<u8, Tip>);

    impl Grown {
        fn add(&mut self, group: u8, life: u8, parents: &[u8]) {
            let tips: Vec<Tip> = parents.iter().filter_map(|at| self.1.get(at)).copied().collect();
            let author: PublicKey = key("press");
            let header = Header {
                log: LogId { author, kind: LogKind::Data },
                incarnation: Incarnation([life; 16]),
                number: tips.iter().map(|tip| tip.number + 1).max().unwrap_or(0),
                parents: Bounded::first_of(parents.iter().map(|at| id(*at))),
                entries_before: tips.first().map_or(0, |tip| tip.entries),
                acting_under: RecordId([0; 32]),
                entries: 2,
                root: [0; 32],
            };
            let at = UnixMillis(group.into());
            self.0.add(id(group), &header, Some((at, at)));
            self.1.insert(group, Tip::of(id(group), &header));
        }

        fn fork(&self) -> Option<Fork> {
            self.0.fork(&self.0.leaves)
        }
    }

    #[test]
    fn a_chain_has_no_fork_and_is_not_remembered() {
        let mut log = Grown::default();
        log.add(1, 1, &[]);
        for group in 2..200 {
            log.add(group, 1, &[group - 1]);
        }
        assert_eq!(log.fork(), None);
        assert!(log.0.groups.len() <= 2, "{}", log.0.groups.len());
    }

    #[test]
    fn a_fork_is_told_from_where_its_branches_part() {
        let mut log = Grown::default();
        log.add(1, 1, &[]);
        for group in 2..=5 {
            log.add(group, 1, &[group - 1]);
        }
        log.add(6, 1, &[5]);
        log.add(20, 2, &[5]);
        log.add(7, 1, &[6]);
        log.add(21, 3, &[20]);
        log.add(8, 1, &[7]);
        let fork = log.fork().expect("two ends");
        assert_eq!(fork.after, Some(log.1[&5]));
        let told = |branch: &Branch| (branch.end.group, branch.groups, branch.entries);
        assert_eq!(
            fork.branches.iter().map(told).collect::<Vec<_>>(),
            [(id(8), 3, 6), (id(21), 2, 4)]
        );
        let other = &fork.branches[1];
        assert_eq!(other.lives, [Incarnation([2; 16]), Incarnation([3; 16])]);
        assert_eq!((other.from, other.until), (Some(UnixMillis(20)), Some(UnixMillis(21))));
    }

    #[test]
    fn what_was_settled_is_no_fork_and_a_new_one_begins_behind_it() {
        let mut log = Grown::default();
        log.add(1, 1, &[]);
        log.add(2, 1, &[1]);
        log.add(3, 2, &[1]);
        log.add(4, 2, &[3]);
        log.add(5, 3, &[4, 2]);
        assert_eq!(log.fork(), None);
        log.add(6, 3, &[5]);
        log.add(7, 4, &[5]);
        let fork = log.fork().expect("two ends");
        assert_eq!(fork.after, Some(log.1[&5]));
        assert!(fork.branches.iter().all(|branch| branch.groups == 1), "{fork:?}");
    }

    #[test]
    fn logs_that_begin_twice_have_nothing_in_common() {
        let mut log = Grown::default();
        log.add(1, 1, &[]);
        log.add(2, 2, &[]);
        log.add(3, 1, &[1]);
        let fork = log.fork().expect("two ends");
        assert_eq!(fork.after, None);
        assert_eq!(fork.branches[0].groups, 2);
    }
}
