//! Groups are placed as a copy in memory would place them, with next to nothing remembered.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::GAPS_TOLD_MAX;
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;
use proptest::prelude::*;

use super::super::log::{Inserted, Log};
use super::*;

const PLANT: PlantId = PlantId([1; 32]);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn id() -> LogId {
    LogId { author: PublicKey::of(&key()), kind: LogKind::Data }
}

fn group(after: &[Tip], text: &str) -> Arc<VerifiedGroup> {
    let draft = Draft {
        log: id(),
        incarnation: Incarnation([0; 16]),
        after: after.to_vec(),
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries: vec![text.as_bytes().to_vec()],
    };
    Arc::new(Group::write(&key(), &PLANT, draft).expect("a group"))
}

/// A chain with the groups that a store would keep on disk.
#[derive(Default)]
struct Stored {
    chain: Chain,
    groups: Vec<Found>,
    lookups: usize,
}

impl Stored {
    fn insert(&mut self, group: &VerifiedGroup) -> Placing {
        let mut lookups = 0;
        let placing = self.chain.place(group.header(), &group.id(), |numbers, id| {
            lookups += 1;
            let mut here = self.groups.iter();
            here.find(|f| f.tip.group == *id && numbers.contains(&f.tip.number)).copied()
        });
        self.lookups += lookups;
        if let Placing::Put(put) = &placing {
            self.put(group, put);
        }
        placing
    }

    fn put(&mut self, group: &VerifiedGroup, put: &Put) {
        self.chain.placed(group.tip(), put);
        self.groups.push(Found { branch: put.branch, tip: group.tip() });
    }

    /// The groups that a reader lacks that has these.
    fn beyond(&self, have: &[GroupId]) -> BTreeSet<GroupId> {
        let here = self.groups.iter().filter(|found| have.contains(&found.tip.group));
        let have: Vec<Place> = here.map(Found::place).collect();
        let beyond = self.chain.beyond(&have);
        let lacks = |found: &&Found| {
            let on = |leg: &Leg| leg.start.branch == found.branch && leg.spans(found.tip.number);
            beyond.iter().any(|(leg, first)| on(leg) && found.tip.number >= *first)
        };
        self.groups.iter().filter(lacks).map(|found| found.tip.group).collect()
    }

    /// As [`Stored::insert`], of a group that a missing parent is not to hinder.
    fn insert_apart(&mut self, group: &VerifiedGroup) -> Placing {
        let here = self.groups.clone();
        let find = |numbers: RangeInclusive<u64>, id: &GroupId| {
            here.iter().find(|f| f.tip.group == *id && numbers.contains(&f.tip.number)).copied()
        };
        match self.insert(group) {
            Placing::MissingParent => {}
            other => return other,
        }
        let placing = self.chain.place_apart(group.header(), find);
        if let Placing::Put(put) = &placing {
            self.put(group, put);
        }
        placing
    }
}

fn link(placing: &Placing) -> Option<(u16, Link)> {
    match placing {
        Placing::Put(put) => Some((put.branch, put.link)),
        _ => None,
    }
}

/// A chain of `length` groups.
fn row(length: usize) -> Vec<Arc<VerifiedGroup>> {
    let mut groups: Vec<Arc<VerifiedGroup>> = Vec::new();
    for number in 0..length {
        let after: Vec<Tip> = groups.last().map(|group| group.tip()).into_iter().collect();
        groups.push(group(&after, &number.to_string()));
    }
    groups
}

#[test]
fn the_ordinary_case_looks_nothing_up() {
    let mut stored = Stored::default();
    let groups = row(20);
    stored.insert(&groups[0]);
    stored.lookups = 0;
    for group in &groups[1..] {
        assert_eq!(link(&stored.insert(group)), Some((0, Link::Append)));
        assert_eq!(stored.insert(group), Placing::Known);
    }
    assert_eq!(stored.lookups, 0);
    assert_eq!(stored.insert(&groups[4]), Placing::Known);
    assert_eq!(stored.chain.ends(), [groups[19].tip()]);
}

#[test]
fn a_group_waits_for_its_parent_and_its_count() {
    let mut stored = Stored::default();
    let groups = row(4);
    assert_eq!(stored.insert(&groups[1]), Placing::MissingParent);
    stored.insert(&groups[0]);
    assert_eq!(stored.insert(&groups[2]), Placing::MissingParent);
    let wrong_count = Tip { entries: 7, ..groups[0].tip() };
    assert_eq!(stored.insert(&group(&[wrong_count], "count")), Placing::Miscounted);
    let wrong_number = Tip { number: 7, ..groups[0].tip() };
    assert_eq!(stored.insert(&group(&[wrong_number], "number")), Placing::Miscounted);
}

#[test]
fn a_fork_begins_a_branch_and_a_settling_group_ends_it() {
    let mut stored = Stored::default();
    let trunk = row(5);
    for group in &trunk {
        stored.insert(group);
    }
    let fork = group(&[trunk[1].tip()], "fork");
    let from = Some(Place { branch: 0, number: 1 });
    let before = Some(trunk[1].tip());
    assert_eq!(link(&stored.insert(&fork)), Some((1, Link::Fork { from, before })));
    assert_eq!(stored.chain.ends(), [trunk[4].tip(), fork.tip()]);
    // The shorter branch first: it is the one that goes on, with a jump in number.
    let settled = group(&[fork.tip(), trunk[4].tip()], "settled");
    assert_eq!(settled.header().number, 5);
    assert_eq!(link(&stored.insert(&settled)), Some((1, Link::Append)));
    assert_eq!(stored.chain.ends(), [settled.tip()]);
    assert_eq!(stored.beyond(&[settled.id()]), BTreeSet::new());
    assert_eq!(stored.beyond(&[fork.id()]).len(), 4);
}

#[test]
fn bounds_hold() {
    let mut stored = Stored::default();
    let trunk = row(2);
    stored.insert(&trunk[0]);
    let twigs: Vec<_> = (0..12).map(|n| group(&[trunk[0].tip()], &format!("twig {n}"))).collect();
    let full = twigs.iter().filter(|twig| stored.insert(twig) == Placing::Full).count();
    assert_eq!((full, stored.chain.ends().len()), (12 - LEAVES_MAX, LEAVES_MAX));

    // Forks that are settled at once never have many ends.
    let mut stored = Stored::default();
    stored.insert(&trunk[0]);
    let mut end = trunk[0].tip();
    let mut settled = 0;
    for round in 0..100 {
        let left = group(&[end], &format!("left {round}"));
        let right = group(&[end], &format!("right {round}"));
        stored.insert(&left);
        if stored.insert(&right) == Placing::Full {
            break;
        }
        let both = group(&[left.tip(), right.tip()], "both");
        stored.insert(&both);
        end = both.tip();
        settled += 1;
    }
    assert_eq!((settled, stored.chain.branches().len()), (BRANCHES_MAX - 1, BRANCHES_MAX));
}

#[test]
fn a_gap_is_filled_in_order_and_only_by_what_leads_across() {
    let groups = row(10);
    let mut stored = Stored::default();
    for group in &groups {
        stored.insert(group);
    }
    stored.groups.retain(|found| !(4..7).contains(&found.tip.number));
    let gap = Gap { after: Some(groups[3].tip()), until: groups[6].tip() };
    stored.chain.set_gaps(0, vec![gap]);
    assert_eq!(stored.insert(&groups[5]), Placing::MissingParent);
    for (at, group) in groups.iter().enumerate().take(7).skip(4) {
        let after = Some(groups[at - 1].tip());
        assert_eq!(link(&stored.insert(group)), Some((0, Link::Fill { after })), "{at}");
    }
    assert_eq!(stored.chain.branches()[&0].gaps, []);
    assert_eq!(stored.insert(&groups[5]), Placing::Known);
    assert_eq!(stored.chain.ends(), [groups[9].tip()]);

    // With one group missing, another child of its parent is a fork.
    stored.groups.retain(|found| found.tip.number != 4);
    let gap = Gap { after: Some(groups[3].tip()), until: groups[4].tip() };
    stored.chain.set_gaps(0, vec![gap]);
    let other = group(&[groups[3].tip()], "other");
    assert!(matches!(link(&stored.insert(&other)), Some((1, Link::Fork { .. }))));
}

#[test]
fn what_nobody_has_any_more_is_skipped() {
    let groups = row(12);
    let mut stored = Stored::default();
    let apart = |stored: &mut Stored, at: usize| {
        assert_eq!(stored.insert(&groups[at]), Placing::MissingParent);
        link(&stored.insert_apart(&groups[at]))
    };
    let before = Some(groups[2].tip());
    assert_eq!(apart(&mut stored, 3), Some((0, Link::Fork { from: None, before })));
    assert_eq!(link(&stored.insert(&groups[4])), Some((0, Link::Append)));
    // What lies before is not wanted any more.
    assert_eq!(stored.insert(&groups[1]), Placing::Known);
    assert_eq!(apart(&mut stored, 8), Some((0, Link::Skip { until: groups[7].tip() })));
    let gap = Gap { after: Some(groups[4].tip()), until: groups[7].tip() };
    assert_eq!(stored.chain.branches()[&0].gaps, [gap]);
    assert_eq!(stored.chain.ends(), [groups[8].tip()]);
    assert!(matches!(link(&stored.insert(&groups[5])), Some((0, Link::Fill { .. }))));
}

/// A log of which a part came before its parents and lies behind the wrong end: the trunk, the side
/// branch of which all but the first three came, and a child of the third.
fn misplaced(stored: &mut Stored) -> (Vec<Arc<VerifiedGroup>>, Vec<Arc<VerifiedGroup>>) {
    let trunk = row(3);
    let mut side = vec![group(&[trunk[0].tip()], "side")];
    for number in 1..5 {
        side.push(group(&[side[number - 1].tip()], &format!("side {number}")));
    }
    side.push(group(&[side[2].tip()], "twig"));
    trunk.iter().for_each(|group| drop(stored.insert(group)));
    let until = side[2].tip();
    assert_eq!(link(&stored.insert_apart(&side[3])), Some((0, Link::Skip { until })));
    assert_eq!(link(&stored.insert(&side[4])), Some((0, Link::Append)));
    let from = Some(Place { branch: 0, number: 3 });
    let before = Some(until);
    assert_eq!(link(&stored.insert(&side[5])), Some((1, Link::Fork { from, before })));
    (trunk, side)
}

#[test]
fn a_group_that_came_before_its_parent_lies_behind_it_when_that_comes() {
    let mut stored = Stored::default();
    let (trunk, side) = misplaced(&mut stored);
    let from = Some(Place { branch: 0, number: 0 });
    let before = Some(trunk[0].tip());
    assert_eq!(link(&stored.insert(&side[0])), Some((2, Link::Fork { from, before })));
    assert_eq!(link(&stored.insert(&side[1])), Some((2, Link::Append)));
    let from = Place { branch: 2, number: 2 };
    let turn = Link::Turn { left: trunk[2].tip(), from, before: side[1].tip() };
    assert_eq!(link(&stored.insert(&side[2])), Some((0, turn)));
    assert_eq!(stored.chain.branches()[&0].gaps, []);
    for group in trunk.iter().chain(&side) {
        assert_eq!(stored.insert(group), Placing::Known, "nothing is stored twice");
    }
    assert_eq!(stored.chain.ends().len(), 3);
    assert!([&side[4], &side[5], &trunk[2]].iter().all(|g| stored.chain.ends().contains(&g.tip())));

    let ids = |groups: &[&Arc<VerifiedGroup>]| -> BTreeSet<GroupId> {
        groups.iter().map(|group| group.id()).collect()
    };
    let whole: Vec<_> = side.iter().collect();
    assert_eq!(stored.beyond(&[trunk[2].id()]), ids(&whole));
    assert_eq!(stored.beyond(&[side[4].id()]), ids(&[&trunk[1], &trunk[2], &side[5]]));
    assert_eq!(
        stored.beyond(&[side[2].id(), trunk[1].id()]),
        ids(&[&trunk[2], &side[3], &side[4], &side[5]])
    );

    // Both sides of the turn grow, and so does the branch that it goes on from.
    let more = [&trunk[2], &side[4], &side[1]].map(|parent| group(&[parent.tip()], "more"));
    let branches =
        more.each_ref().map(|group| link(&stored.insert(group)).map(|(branch, _)| branch));
    assert_eq!(branches, [Some(3), Some(0), Some(2)]);
    assert_eq!(stored.beyond(&[more[0].id(), more[1].id()]), ids(&[&more[2], &side[5]]));
}

#[test]
fn what_leads_to_a_group_behind_a_hole_lies_before_it() {
    let mut stored = Stored::default();
    let trunk = row(3);
    let mut side = vec![group(&[trunk[0].tip()], "side")];
    for number in 1..6 {
        side.push(group(&[side[number - 1].tip()], &format!("side {number}")));
    }
    trunk.iter().for_each(|group| drop(stored.insert(group)));
    let fork = group(&[trunk[0].tip()], "fork");
    stored.insert(&fork);
    let until = side[4].tip();
    assert_eq!(link(&stored.insert_apart(&side[5])), Some((0, Link::Skip { until })));
    let until = side[3].tip();
    assert_eq!(link(&stored.insert_apart(&side[4])), Some((0, Link::Lead { until })));
    let gap = Gap { after: Some(trunk[2].tip()), until };
    assert_eq!(stored.chain.branches()[&0].gaps, [gap]);
    side.iter().take(4).for_each(|group| drop(stored.insert(group)));
    assert_eq!(stored.chain.branches()[&0].gaps, []);
    assert_eq!(stored.beyond(&[side[5].id(), trunk[2].id()]), BTreeSet::from([fork.id()]));
}

#[test]
fn a_branch_that_turned_is_let_go_leg_by_leg() {
    let mut stored = Stored::default();
    let (trunk, side) = misplaced(&mut stored);
    side.iter().take(3).for_each(|group| drop(stored.insert(group)));
    let settled = group(&[side[4].tip(), trunk[2].tip()], "settled");
    assert_eq!(link(&stored.insert(&settled)), Some((0, Link::Append)));
    let legs: Vec<Leg> = stored.chain.legs().filter(|leg| leg.start.branch == 0).collect();
    let [lower, upper] = legs[..] else { panic!("{legs:?}") };
    assert_eq!(stored.chain.joined_before(upper.start, 6), BTreeSet::from([lower.start]));

    stored.chain.pruned(upper.start, side[3].tip());
    let kept = stored.chain.leg_at(upper.start).expect("a leg");
    assert_eq!((kept.first(), kept.from), (5, upper.from));
    stored.chain.forget(lower.start);
    let branch = &stored.chain.branches()[&0];
    assert_eq!((branch.before, branch.turns.len()), (Some(side[3].tip()), 0));
    assert_eq!(branch.from, upper.from);
    let side = &stored.chain.branches()[&2];
    assert_eq!(side.from, None, "it went on from what is gone");
}

#[test]
fn a_settling_group_goes_behind_the_parent_that_is_here() {
    let trunk = row(4);
    let mut stored = Stored::default();
    trunk.iter().for_each(|group| drop(stored.insert(group)));
    let lost = group(&[group(&[trunk[0].tip()], "fork").tip()], "lost");
    let settled = group(&[trunk[1].tip(), lost.tip()], "settled");
    let (from, before) = (Some(Place { branch: 0, number: 1 }), Some(trunk[1].tip()));
    assert_eq!(link(&stored.insert_apart(&settled)), Some((1, Link::Fork { from, before })));
    assert_eq!(stored.insert(&trunk[1]), Placing::Known);
}

#[test]
fn a_settling_group_goes_without_a_branch_that_nobody_has() {
    let groups = row(3);
    let mut stored = Stored::default();
    for group in &groups {
        stored.insert(group);
    }
    let fork = group(&[groups[0].tip()], "fork");
    let lost = group(&[group(&[fork.tip()], "twig").tip()], "lost");
    let settled = group(&[groups[2].tip(), lost.tip()], "settled");
    assert_eq!(stored.insert(&settled), Placing::MissingParent);
    let placing = stored.insert_apart(&settled);
    assert_eq!(link(&placing), Some((0, Link::Skip { until: groups[2].tip() })));
    assert_eq!(stored.chain.branches()[&0].gaps, []);
    assert_eq!(stored.chain.ends(), [settled.tip()]);
}

#[test]
fn what_was_pruned_is_not_taken_again() {
    let groups = row(10);
    let mut stored = Stored::default();
    for group in &groups {
        stored.insert(group);
    }
    stored.groups.retain(|found| found.tip.number >= 6);
    stored.chain.pruned(Place { branch: 0, number: 0 }, groups[5].tip());
    for group in &groups {
        assert_eq!(stored.insert(group), Placing::Known);
    }
    // The group before the first is known by its name, so that a fork there can be told.
    let fork = group(&[groups[5].tip()], "fork");
    let from = Some(Place { branch: 0, number: 5 });
    let before = Some(groups[5].tip());
    assert_eq!(link(&stored.insert(&fork)), Some((1, Link::Fork { from, before })));
    let beyond = stored.chain.beyond(&[]).into_iter();
    let beyond: Vec<_> = beyond.map(|(leg, first)| (leg.start.branch, first)).collect();
    assert_eq!(beyond, [(0, 6), (1, 6)]);
}

#[test]
fn what_was_let_go_of_one_branch_does_not_come_again_as_another() {
    let groups = row(10);
    let other = group(&[], "another first group");
    let mut stored = Stored::default();
    stored.insert(&groups[0]);
    assert!(link(&stored.insert(&other)).is_some());
    for group in &groups[1..] {
        stored.insert(group);
    }
    stored.groups.retain(|found| found.branch == 1 || found.tip.number >= 6);
    stored.chain.pruned(Place { branch: 0, number: 0 }, groups[5].tip());
    assert_eq!(stored.chain.extent().first, 6, "it does not pass for a whole copy");
    for group in groups.iter().chain([&other]) {
        assert_eq!(stored.insert(group), Placing::Known);
    }
    assert_eq!(stored.chain.ends(), [groups[9].tip(), other.tip()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is forked and settled, in memory and on disk the same groups are ends, and the same
    /// are lacking.
    #[test]
    fn a_chain_agrees_with_a_copy_in_memory(
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 1..60),
        asked in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut log = Log::new(id());
        let mut stored = Stored::default();
        let mut all: Vec<Arc<VerifiedGroup>> = Vec::new();
        // A copy in memory counts settled forks too, and drops branches beyond its bound.
        let mut forks = 0;
        for (at, (pick, kind)) in steps.iter().enumerate() {
            let tips = log.tips();
            let after = match kind {
                _ if all.is_empty() => vec![],
                0 if forks < LEAVES_MAX - 1 => {
                    forks += 1;
                    vec![all[pick.index(all.len())].tip()]
                }
                1 => {
                    let mut turned = tips.clone();
                    turned.rotate_left(pick.index(tips.len()));
                    turned
                }
                _ => vec![tips[pick.index(tips.len())]],
            };
            let group = group(&after, &at.to_string());
            prop_assert_eq!(log.insert(Arc::clone(&group)), Ok(Inserted::New));
            prop_assert!(matches!(stored.insert(&group), Placing::Put(_)));
            all.push(group);
        }
        prop_assert_eq!(stored.chain.ends(), log.tips());
        for group in &all {
            prop_assert_eq!(stored.insert(group), Placing::Known);
        }
        let have: Vec<GroupId> = asked.iter().map(|pick| all[pick.index(all.len())].id()).collect();
        let lacking: BTreeSet<GroupId> = log.beyond(&have).iter().map(|group| group.id()).collect();
        prop_assert_eq!(stored.beyond(&have), lacking);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// In whatever order groups come, and whatever lies behind holes meanwhile, in the end each lies
    /// behind its parent.
    #[test]
    fn groups_lie_behind_their_parents_in_whatever_order_they_came(
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..4), 1..30),
        order in prop::collection::vec(any::<u32>(), 30),
        asked in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut log = Log::new(id());
        let mut all = vec![group(&[], "first")];
        prop_assert_eq!(log.insert(Arc::clone(&all[0])), Ok(Inserted::New));
        for (at, (pick, kind)) in steps.iter().enumerate() {
            let tips = log.tips();
            let after = match kind {
                0 if tips.len() < 4 => all[pick.index(all.len())].tip(),
                _ => tips[pick.index(tips.len())],
            };
            let group = group(&[after], &at.to_string());
            prop_assert_eq!(log.insert(Arc::clone(&group)), Ok(Inserted::New));
            all.push(group);
        }
        let mut stored = Stored::default();
        stored.insert(&all[0]);
        let mut coming: Vec<_> = all[1..].iter().zip(order).collect();
        coming.sort_by_key(|(_, at)| *at);
        for _ in 0..all.len() {
            coming.retain(|(group, _)| !matches!(stored.insert_apart(group), Placing::Put(_)));
        }
        prop_assert_eq!(coming.len(), 0);
        prop_assert_eq!(stored.chain.ends(), log.tips());
        prop_assert!(stored.chain.extent().is_whole());
        for group in &all {
            prop_assert_eq!(stored.insert(group), Placing::Known);
        }
        let have: Vec<GroupId> = asked.iter().map(|pick| all[pick.index(all.len())].id()).collect();
        let lacking: BTreeSet<GroupId> = log.beyond(&have).iter().map(|group| group.id()).collect();
        prop_assert_eq!(stored.beyond(&have), lacking);
    }
}

#[test]
fn what_is_missing_is_told_by_number_and_the_oldest_gaps_as_one() {
    let groups = row(30);
    let mut stored = Stored::default();
    for group in groups.iter().skip(3).step_by(2) {
        let placing = stored.insert_apart(group);
        assert!(matches!(placing, Placing::Put(_)), "{placing:?}");
    }
    let extent = stored.chain.extent();
    assert_eq!((extent.first, &extent.ends[..]), (3, &[groups[29].tip()][..]));
    let gaps: Vec<_> = extent.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(gaps[..2], [(4, 14), (16, 16)], "5, 7, 9, 11 and 13 are here, and nobody knows");
    assert_eq!((gaps.len(), gaps.last()), (GAPS_TOLD_MAX, Some(&(28, 28))));
    assert!(!extent.is_whole() && Extent::from(extent.ends).is_whole());
}
