//! Letting old groups go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::super::files::Disk;
use super::super::handle::Setting;
use super::super::{DataStore, LogState, Outcome, Stay};
use super::PLANT;
use super::{
    Clock, Home, LARGE, SMALL_SEGMENT, author, group, group_of, ids, pruned, put_by, put_each,
    read, row, stay, wait,
};

#[test]
fn whole_segments_go_from_the_oldest_on() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(70, LARGE);
    put_by(&store, &all, 10);
    let before = wait(store.state(author())).unwrap().unwrap();
    let more = before.bytes + 1;
    assert_eq!(pruned(&store, stay(more, u64::MAX)), Ok(before.clone()), "nothing goes needlessly");
    assert_eq!(
        pruned(&store, stay(before.bytes - 1, u64::MAX)),
        Ok(before),
        "a segment goes whole"
    );

    let state = pruned(&store, stay(2 * SMALL_SEGMENT, u64::MAX)).unwrap();
    assert_eq!((state.first, state.entries_pruned, state.groups), (32, 32, 38));
    assert!(state.bytes >= 2 * SMALL_SEGMENT);
    let (found, gaps) = read(&store, &[], 24_000);
    assert_eq!(ids(&found), ids(&all[32..]));
    assert_eq!((gaps[0], gaps.iter().sum::<u64>()), (32, 32));
    let page = wait(store.read(author(), vec![all[29].tip()], 1)).unwrap();
    assert_eq!(page.gap, 2, "the reader has thirty of them");
    assert_eq!(put_each(&store, &all[10..11]), [Outcome::Known], "it is not taken again");
    assert_eq!(wait(store.lacks(author(), vec![all[10].tip()])), Ok(false), "nor is it lacking");
    assert_eq!(put_each(&store, &[group_of(5, &[all[69].tip()], vec![1])]), [Outcome::New]);

    let state = pruned(&store, stay(0, u64::MAX)).unwrap();
    assert_eq!((state.first, state.groups), (64, 7), "the last segment stays");
    store.close_blocking();
    assert_eq!(home.reopen().logs[&author()], state);
}

#[test]
fn every_branch_keeps_its_last_segment() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(34, LARGE);
    let fork = group_of(5, &[all[1].tip()], b"fork".to_vec());
    put_by(&store, &all, 10);
    put_each(&store, std::slice::from_ref(&fork));
    let state = pruned(&store, stay(0, u64::MAX)).unwrap();
    assert_eq!((state.first, state.groups), (2, 3));
    assert_eq!(state.extent.ends, [all[33].tip(), fork.tip()]);
    assert_eq!(ids(&read(&store, &[], 100).0), [fork.id(), all[32].id(), all[33].id()]);
    store.close_blocking();
    let opened = home.reopen();
    assert_eq!((&opened.logs[&author()], opened.holes), (&state, vec![]));
}

#[test]
fn what_fills_a_hole_goes_with_the_segment_around_it() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(40, LARGE);
    put_by(&store, &all, 8);
    store.close_blocking();
    let first = home.file(super::FIRST);
    let mut bytes = std::fs::read(&first).unwrap();
    bytes[20_000] ^= 1;
    std::fs::write(&first, bytes).unwrap();
    let (store, opened) = home.open();
    assert_eq!(opened.holes.len(), 1);
    put_each(&store, &all);
    assert_eq!(home.files().len(), 4);
    let state = pruned(&store, stay(0, u64::MAX)).unwrap();
    assert_eq!((state.first, state.groups), (32, 8));
    assert_eq!(home.files().len(), 1);
    assert_eq!(read(&store, &[], 1).1[0], 32);
}

#[test]
fn a_log_that_is_not_here_needs_no_pruning() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(pruned(&store, stay(0, u64::MAX)), Ok(LogState::default()));
}

/// Makes it look as if nothing had come to these files since `age` before now.
fn make_old(home: &Home, files: &[String], age: Duration) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(Clock::start().now().wall.0);
    let then = now - age;
    for name in files {
        std::fs::File::options()
            .write(true)
            .open(home.file(name))
            .unwrap()
            .set_modified(then)
            .unwrap();
    }
}

#[test]
fn what_is_too_old_goes_however_much_room_there_is() {
    const DAY: Duration = Duration::from_secs(86_400);
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(70, LARGE);
    put_by(&store, &all, 10);
    store.close_blocking();
    let names: Vec<String> = home.files().into_keys().collect();
    make_old(&home, &names[..2], 3 * DAY);
    let (store, _) = home.open();
    let since = |days| Some(Clock::start().now().wall.minus(days * DAY));
    let keep = |days| Stay { bytes: u64::MAX, since: since(days), from: u64::MAX };
    assert_eq!(pruned(&store, keep(4)).unwrap().first, 0);
    let needed = Stay { from: 20, ..keep(2) };
    assert_eq!(pruned(&store, needed).unwrap().first, 16, "the rest is needed");
    assert_eq!(pruned(&store, keep(2)).unwrap().first, 32);
    store.close_blocking();
    make_old(&home, &names[2..], 3 * DAY);
    let (store, _) = home.open();
    let state = pruned(&store, keep(2)).unwrap();
    assert_eq!((state.first, state.groups), (64, 6), "the last segment stays");
}

#[test]
fn an_old_segment_is_not_added_to_so_that_it_can_go() {
    let home = Home::new();
    let age = Duration::from_secs(3600);
    let open = || {
        let setting = Setting { segment_age: Some(age), ..home.setting() };
        DataStore::open_with(Disk::default(), &home.path, Some(PLANT), setting).unwrap().0
    };
    let all = row(6, 8);
    let store = open();
    put_each(&store, &all[..2]);
    store.close_blocking();
    let names: Vec<String> = home.files().into_keys().collect();
    make_old(&home, &names, age / 2);
    let store = open();
    put_each(&store, &all[2..4]);
    assert_eq!(home.files().len(), 1);
    store.close_blocking();
    make_old(&home, &names, 2 * age);
    let store = open();
    put_each(&store, &all[4..]);
    assert_eq!(home.files().len(), 2);
    assert_eq!(ids(&read(&store, &[], 1000).0), ids(&all));
}

/// A log that forked early, was settled, and went on for long: all of it, the tip of the side branch,
/// and the last group.
fn settled(store: &DataStore, is_longer_first: bool) -> (Vec<Arc<VerifiedGroup>>, Tip, Tip) {
    let mut all = row(20, LARGE);
    put_by(store, &all, 5);
    for text in ["one", "two", "three"] {
        let after = if text == "one" { all[3].tip() } else { all[all.len() - 1].tip() };
        all.push(group(&[after], text));
    }
    let (long, short) = (all[19].tip(), all[22].tip());
    let ends = if is_longer_first { [long, short] } else { [short, long] };
    all.push(group(&ends, "settled"));
    for number in 0..60 {
        let after = all[all.len() - 1].tip();
        all.push(group_of(5, &[after], format!("{number:0>LARGE$}").into_bytes()));
    }
    put_by(store, &all[20..], 10);
    let last = all[all.len() - 1].tip();
    (all, short, last)
}

#[test]
fn what_was_settled_stays_settled_when_the_settling_group_goes() {
    for is_longer_first in [true, false] {
        let home = Home::with_segments_of(SMALL_SEGMENT);
        let (store, _) = home.open();
        let (all, short, last) = settled(&store, is_longer_first);
        let state = wait(store.state(author())).unwrap().unwrap();
        assert_eq!((&state.extent.ends[..], state.groups), (&[last][..], 84));

        let state = pruned(&store, stay(2 * SMALL_SEGMENT, u64::MAX)).unwrap();
        assert_eq!(state.extent.ends, [last], "one end, the longer first: {is_longer_first}");
        assert!(state.first > 23, "both branches went: {}", state.first);
        assert_eq!(state.first, state.extent.first);
        assert!(read(&store, &[last], 1000).0.is_empty(), "nothing comes a second time");
        let (found, gaps) = read(&store, &[], 24_000);
        assert_eq!(ids(&found), ids(&all[84 - found.len()..]));
        assert_eq!(gaps[0], found[0].header().entries_before, "all before it is gone");
        let side = [Arc::clone(&all[20]), Arc::clone(&all[4])];
        assert_eq!(put_each(&store, &side), [Outcome::Known; 2], "it is not taken again");
        store.close_blocking();

        let (store, opened) = home.open();
        assert_eq!(opened.logs[&author()], state);
        assert!(read(&store, &[last], 1000).0.is_empty());
        let fork = group(&[all[82].tip()], "fork");
        put_each(&store, std::slice::from_ref(&fork));
        let ends = wait(store.state(author())).unwrap().unwrap().extent.ends;
        assert_eq!(ends, [last, fork.tip()]);
        let beyond = group(&[short], "late");
        assert_eq!(put_each(&store, &[beyond]), [Outcome::Known], "too old to matter");
    }
}

#[test]
fn a_branch_that_went_on_after_it_was_settled_keeps_its_last_segment() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let (_, short, last) = settled(&store, true);
    let beyond = group(&[short], "beyond");
    put_each(&store, std::slice::from_ref(&beyond));
    let state = pruned(&store, stay(2 * SMALL_SEGMENT, u64::MAX)).unwrap();
    assert_eq!(state.extent.ends, [last, beyond.tip()]);
    assert!(read(&store, &[last, beyond.tip()], 1000).0.is_empty());
    store.close_blocking();
    assert_eq!(home.reopen().logs[&author()], state);
}

#[test]
fn of_a_branch_whose_beginning_was_let_go_as_much_is_missing_as_lies_behind_its_fork() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let first = group(&[], "first");
    let side = group(&[first.tip()], "side");
    put_each(&store, &[Arc::clone(&first), Arc::clone(&side)]);
    let mut all = vec![group_of(5, &[first.tip()], b"other".to_vec())];
    for number in 0..60 {
        let after = all[all.len() - 1].tip();
        all.push(group_of(5, &[after], format!("{number:0>LARGE$}").into_bytes()));
    }
    put_by(&store, &all, 10);
    pruned(&store, stay(2 * SMALL_SEGMENT, u64::MAX)).unwrap();

    let (found, gaps) = read(&store, &[], 24_000);
    assert_eq!(ids(&found[..2]), [first.id(), side.id()]);
    let gone = found[2].header().entries_before - 1;
    assert!(gone > 3, "the beginning of the long branch went");
    assert_eq!(gaps[..2], [0, gone]);
    let (found, gaps) = read(&store, &[all[2].tip(), side.tip()], 24_000);
    assert_eq!(ids(&found), ids(&all[all.len() - found.len()..]));
    assert_eq!(gaps[0], gone - 3, "whoever has three of them misses the rest");
}
