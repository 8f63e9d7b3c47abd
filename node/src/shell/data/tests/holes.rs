//! Damage that is met while the store is open, and how holes are filled.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::slice;
use std::sync::Arc;

use gearmesh_protocol::data::Numbers;
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::super::{DataStore, Outcome, ReadError};
use super::{
    FIRST, Home, LARGE, SMALL_SEGMENT, assert_whole, author, group, group_of, ids, pruned, put_by,
    put_each, read, row, stay, wait,
};

/// Overwrites a byte of a file that may be in use.
fn damage(home: &Home, name: &str, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(home.file(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
}

#[test]
fn damage_that_is_met_while_reading_is_left_out_and_can_be_filled() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(300, 900);
    put_by(&store, &all, 50);
    let bytes = home.files()[FIRST].len() as u64;
    for part in [3, 5, 8] {
        damage(&home, FIRST, bytes / 10 * part);
    }
    let (found, gaps) = read(&store, &[], 20_000);
    assert_eq!((found.len(), gaps.iter().sum::<u64>()), (297, 3));
    assert!(store.stats().damaged > 0);
    let damaged = store.stats().damaged;
    assert_eq!(read(&store, &[], 20_000).0.len(), 297);
    assert_eq!(store.stats().damaged, damaged, "it is noted once");
    let outcomes = put_each(&store, &all);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::New).count(), 3);
    let (found, gaps) = read(&store, &[], 20_000);
    assert_whole(&found, &all);
    assert!(gaps.iter().all(|gap| *gap == 0));
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!(opened.holes, []);
    assert_whole(&read(&store, &[], 20_000).0, &all);
}

#[test]
fn damage_to_the_last_group_does_not_stop_the_writer() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(9, 30);
    put_each(&store, &all[..6]);
    let bytes = home.files()[FIRST].len() as u64;
    damage(&home, FIRST, bytes - 1);
    assert_eq!(read(&store, &[], 1000).0.len(), 5);
    // The writer knows its own end.
    assert_eq!(put_each(&store, &all[6..7]), [Outcome::New]);
    let (found, gaps) = read(&store, &[], 100_000);
    assert_eq!((ids(&found), gaps), ([ids(&all[..5]), ids(&all[6..7])].concat(), vec![0, 1]));
    assert_eq!(put_each(&store, &all[5..]).iter().filter(|o| **o == Outcome::New).count(), 3);
    assert_whole(&read(&store, &[], 1000).0, &all);
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!((opened.holes, opened.torn), (vec![], vec![]));
    assert_whole(&read(&store, &[], 1000).0, &all);
}

#[test]
fn a_file_that_is_taken_away_costs_its_groups() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(40, LARGE);
    put_by(&store, &all, 8);
    std::fs::remove_file(home.file(FIRST)).unwrap();
    let (found, _) = read(&store, &[], 32_000);
    assert_eq!(ids(&found), ids(&all[16..]));
    put_each(&store, &all[..16]);
    assert_whole(&read(&store, &[], 32_000).0, &all);
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!(opened.holes, []);
    assert_whole(&read(&store, &[], 32_000).0, &all);
}

#[test]
fn a_hole_that_is_half_full_is_known_after_a_restart() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(40, LARGE);
    put_by(&store, &all, 8);
    store.close_blocking();
    std::fs::remove_file(home.file("00000-00000000000000000016.seg")).unwrap();
    for number in 16..32 {
        let (store, opened) = home.open();
        assert_eq!(opened.holes[0].numbers, number as u64..=31);
        assert_eq!(put_each(&store, &all[number..=number]), [Outcome::New]);
        store.close_blocking();
    }
    let (store, opened) = home.open();
    assert_eq!(opened.holes, []);
    assert_eq!(opened.logs[&author()].extent.ends, [all[39].tip()]);
    assert_whole(&read(&store, &[], 32_000).0, &all);
}

#[test]
fn what_nobody_has_any_more_is_skipped_and_stays_known() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(12, 8);
    let apart = |at: usize| {
        let stored = wait(store.append_apart(vec![all[at].clone()])).unwrap();
        stored[0].outcome
    };
    assert_eq!(put_each(&store, &all[3..4]), [Outcome::MissingParent]);
    assert_eq!(apart(3), Outcome::New);
    assert_eq!(put_each(&store, &all[4..5]), [Outcome::New]);
    assert_eq!(apart(8), Outcome::New);
    assert_eq!(put_each(&store, &all[9..]), [Outcome::New; 3]);
    let expected = ids(&[&all[3..5], &all[8..]].concat());
    let (found, gaps) = read(&store, &[], 100_000);
    assert_eq!((ids(&found), gaps), (expected.clone(), vec![3, 3]));
    let page = wait(store.read(author(), vec![all[1].tip()], 1)).unwrap();
    assert_eq!(page.gap, 1, "the reader has two of the three");
    store.close_blocking();
    let (store, opened) = home.open();
    let state = &opened.logs[&author()];
    assert_eq!((state.first, state.entries_pruned, state.groups), (3, 3, 6));
    assert_eq!(state.extent.ends, [all[11].tip()]);
    assert_eq!(opened.holes[0].numbers, 5..=7);
    assert_eq!(ids(&read(&store, &[], 100_000).0), expected);
    assert_eq!(put_each(&store, &all[5..8]), [Outcome::New; 3]);
    assert_eq!(read(&store, &[], 100_000).1, [3]);
}

#[test]
fn a_reader_on_one_branch_hears_what_is_missing_of_another() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(4, 30);
    put_each(&store, &all);
    let beside = group_of(5, &[all[2].tip()], vec![7; 2000]);
    let last = group(&[beside.tip()], "last");
    put_each(&store, &[beside, last.clone()]);
    damage(&home, "00001-00000000000000000003.seg", 1000);
    let (found, gaps) = read(&store, &[all[3].tip()], 100_000);
    assert_eq!((ids(&found), gaps), (ids(&[last]), vec![1]));
}

#[test]
fn a_fork_beside_a_hole_is_a_fork() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(8, 30);
    put_each(&store, &all);
    let bytes = home.files()[FIRST].len() as u64;
    damage(&home, FIRST, bytes / 2);
    let found = ids(&read(&store, &[], 100_000).0);
    let lost = all.iter().position(|group| !found.contains(&group.id())).unwrap();
    let fork = group(&[all[lost - 1].tip()], "fork");
    assert_eq!(put_each(&store, &[fork.clone(), all[lost].clone()]), [Outcome::New; 2]);
    let whole: Vec<_> = all.iter().cloned().chain([fork.clone()]).collect();
    assert_whole(&read(&store, &[], 1000).0, &whole);
    let ends: Vec<Tip> = vec![all[7].tip(), fork.tip()];
    assert_eq!(wait(store.state(author())).unwrap().unwrap().extent.ends, ends);
    store.close_blocking();
    assert_eq!(home.reopen().logs[&author()].extent.ends, ends);
}

#[test]
fn groups_that_came_before_their_parents_lie_behind_them_when_they_come() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let large = |after: &VerifiedGroup, text: &str| {
        let mut entry = text.as_bytes().to_vec();
        entry.resize(LARGE, b'.');
        group_of(5, &[after.tip()], entry)
    };
    let trunk = row(10, LARGE);
    put_each(&store, &trunk);
    let mut side = vec![large(&trunk[1], "side")];
    for number in 1..30 {
        side.push(large(&side[number - 1], &format!("side {number}")));
    }
    let hole = side[14].clone();
    let twig = group(&[hole.tip()], "twig");
    wait(store.append_apart(side[15..].to_vec())).unwrap();
    assert_eq!(put_each(&store, slice::from_ref(&twig)), [Outcome::New]);
    let reader = [trunk[9].tip()];
    let page = wait(store.read(author(), reader.to_vec(), 1)).unwrap();
    assert!(page.gap > 0, "it may be the trunk that goes on there");
    assert_eq!(put_each(&store, &side[..14]), [Outcome::New; 14]);
    let stored = wait(store.append(vec![hole])).unwrap();
    assert!(stored[0].fills && stored[0].extent.is_whole(), "{stored:?}");
    assert!(put_each(&store, &side).iter().all(|outcome| *outcome == Outcome::Known));

    let mut all = [&trunk[..], &side[..], slice::from_ref(&twig)].concat();
    let look = |store: &DataStore, all: &[Arc<VerifiedGroup>]| {
        assert_whole(&read(store, &[], 20_000).0, all);
        let (found, gaps) = read(store, &reader, 20_000);
        assert_whole(&[&trunk[..], &found].concat(), all);
        assert!(gaps.iter().all(|gap| *gap == 0), "{gaps:?}");
        let (found, _) = read(store, &[side[20].tip()], 20_000);
        assert_eq!(found.len(), all.len() - 2 - 21, "the trunk from the fork on, too");
    };
    look(&store, &all);
    store.close_blocking();
    let mut parents = [trunk[9].clone(), side[29].clone(), side[13].clone()];
    for round in 0..3 {
        let (store, opened) = home.open();
        assert_eq!((opened.holes, opened.torn), (vec![], vec![]), "{round}");
        look(&store, &all);
        parents = parents.map(|parent| large(&parent, &format!("more {round}")));
        assert_eq!(put_each(&store, &parents), [Outcome::New; 3]);
        all.extend(parents.iter().cloned());
        look(&store, &all);
        store.close_blocking();
        let mut ends: Vec<_> = parents.iter().map(|end| end.tip()).chain([twig.tip()]).collect();
        ends.sort_unstable_by_key(|tip| (std::cmp::Reverse(tip.number), tip.group));
        assert_eq!(home.reopen().logs[&author()].extent.ends, ends);
    }
}

#[test]
fn a_branch_that_turned_is_let_go_from_the_oldest_on() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let large =
        |after: &VerifiedGroup, number: u8| group_of(5, &[after.tip()], vec![number; LARGE]);
    let trunk = row(40, LARGE);
    put_by(&store, &trunk, 8);
    let mut side = vec![large(&trunk[1], 1)];
    for number in 2..100 {
        side.push(large(&side[usize::from(number) - 2], number));
    }
    wait(store.append_apart(side[60..].to_vec())).unwrap();
    put_by(&store, &side[..60], 8);
    let whole = wait(store.state(author())).unwrap().unwrap();
    assert!(whole.extent.is_whole());
    let mut bytes = whole.bytes;
    while bytes > 0 {
        bytes = bytes.saturating_sub(SMALL_SEGMENT);
        let state = pruned(&store, stay(bytes, u64::MAX)).unwrap();
        assert_eq!(read(&store, &[], 24_000).0.len() as u64, state.groups);
        assert_eq!(state.extent.ends, [side[98].tip(), trunk[39].tip()], "an end stays");
    }
    let state = wait(store.state(author())).unwrap();
    store.close_blocking();
    let opened = home.reopen();
    assert_eq!(opened.logs.get(&author()).map(|log| log.groups), state.map(|state| state.groups));
}

#[test]
fn reading_after_closing_is_refused() {
    let home = Home::new();
    let (store, _) = home.open();
    let clone = store.clone();
    store.close_blocking();
    assert_eq!(wait(clone.read(author(), vec![], 1)), Err(ReadError::Closed));
}

#[test]
fn a_copy_says_what_it_lacks() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(12, 8);
    put_each(&store, &all[..4]);
    let stored = wait(store.append_apart(all[8..].to_vec())).unwrap();
    let lacks = [Numbers { first: 4, last: 7 }];
    assert_eq!(stored.last().unwrap().extent.gaps, lacks);
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!(opened.extents()[&author()].gaps, lacks, "after a restart too");
    put_each(&store, &all[4..7]);
    let stored = wait(store.append(all[7..8].to_vec())).unwrap();
    assert!(stored[0].extent.is_whole());
    store.close_blocking();
    let (store, _) = home.open();
    let kept = pruned(&store, stay(0, u64::MAX)).unwrap();
    assert_eq!(kept.extent.first, kept.first, "{kept:?}");
}
