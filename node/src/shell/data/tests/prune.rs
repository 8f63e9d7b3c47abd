//! Letting old groups go.

use super::super::{LogState, Outcome};
use super::{Home, LARGE, SMALL_SEGMENT, author, group_of, ids, put_by, put_each, read, row, wait};

#[test]
fn whole_segments_go_from_the_oldest_on() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(70, LARGE);
    put_by(&store, &all, 10);
    let before = wait(store.state(author())).unwrap().unwrap();
    let more = before.bytes + 1;
    assert_eq!(
        wait(store.prune(author(), more, u64::MAX)),
        Ok(before.clone()),
        "nothing goes needlessly"
    );
    assert_eq!(
        wait(store.prune(author(), before.bytes - 1, u64::MAX)),
        Ok(before),
        "a segment goes whole"
    );

    let state = wait(store.prune(author(), 2 * SMALL_SEGMENT, u64::MAX)).unwrap();
    assert_eq!((state.first, state.entries_pruned, state.groups), (32, 32, 38));
    assert!(state.bytes >= 2 * SMALL_SEGMENT);
    let (found, gaps) = read(&store, &[], 24_000);
    assert_eq!(ids(&found), ids(&all[32..]));
    assert_eq!((gaps[0], gaps.iter().sum::<u64>()), (32, 32));
    let page = wait(store.read(author(), vec![all[29].tip()], 1)).unwrap();
    assert_eq!(page.gap, 2, "the reader has thirty of them");
    assert_eq!(put_each(&store, &all[10..11]), [Outcome::Known], "it is not taken again");
    assert_eq!(put_each(&store, &[group_of(5, &[all[69].tip()], vec![1])]), [Outcome::New]);

    let state = wait(store.prune(author(), 0, u64::MAX)).unwrap();
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
    let state = wait(store.prune(author(), 0, u64::MAX)).unwrap();
    assert_eq!((state.first, state.groups), (2, 3));
    assert_eq!(state.ends, [all[33].tip(), fork.tip()]);
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
    let state = wait(store.prune(author(), 0, u64::MAX)).unwrap();
    assert_eq!((state.first, state.groups), (32, 8));
    assert_eq!(home.files().len(), 1);
    assert_eq!(read(&store, &[], 1).1[0], 32);
}

#[test]
fn a_log_that_is_not_here_needs_no_pruning() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(wait(store.prune(author(), 0, u64::MAX)), Ok(LogState::default()));
}
