//! Reading: pages of every size, readers that have parts, what is kept in memory.

use gearmesh_protocol::codec;
use gearmesh_protocol::log::Tip;

use super::super::index::Index;
use super::super::segment::POINT_BYTES;
use super::super::{Page, open};
use super::{
    Home, LARGE, PLANT, SMALL_SEGMENT, assert_whole, author, bush, group, ids, put_by, put_each,
    read, row, wait,
};

#[test]
fn pages_of_every_size_give_each_group_once_and_in_order() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = bush();
    wait(store.append(all.clone())).unwrap();
    let bytes: usize = all.iter().map(|group| codec::encode(group.group()).len()).sum();
    let whole = read(&store, &[], bytes);
    assert_eq!(whole.1, [0], "one page is enough");
    assert_whole(&whole.0, &all);
    for size in 0..bytes {
        let (found, gaps) = read(&store, &[], size);
        assert_eq!(ids(&found), ids(&whole.0), "pages of {size}");
        assert!(gaps.iter().all(|gap| *gap == 0));
    }
}

#[test]
fn a_reader_gets_what_it_lacks() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = bush();
    wait(store.append(all.clone())).unwrap();
    let lacks = |have: &[Tip]| ids(&read(&store, have, usize::MAX).0).len();
    assert_eq!(lacks(&[]), 11);
    // The trunk from 0 to 5: two twigs, the other, and what settled them.
    assert_eq!(lacks(&[all[5].tip()]), 5);
    assert_eq!(lacks(&[all[3].tip()]), 7);
    assert_eq!(lacks(&[all[9].tip()]), 2);
    assert_eq!(lacks(&[all[10].tip(), all[8].tip()]), 0);
    // What is not here is ignored.
    let unknown = group(&[all[10].tip()], "not here").tip();
    assert_eq!(lacks(&[unknown]), 11);
    assert_eq!(lacks(&[unknown, all[5].tip()]), 5);
    // Its id decides, not the number that somebody gives it.
    assert_eq!(lacks(&[Tip { number: 2, ..all[4].tip() }]), 11);
}

#[test]
fn the_log_of_somebody_unknown_is_empty() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(read(&store, &[], 1000), (vec![], vec![0]));
    assert_eq!(wait(store.state(author())), Ok(None));
}

#[test]
fn a_group_is_found_through_the_index_wherever_it_lies() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(1000, 900);
    put_by(&store, &all, 100);
    for at in (0..1000).step_by(7) {
        let page = wait(store.read(author(), vec![all[at].tip()], 1)).unwrap();
        match all.get(at + 1) {
            Some(next) => assert_eq!(page.groups, [codec::encode(next.group())]),
            None => assert_eq!(page, Page { is_last: true, ..Page::default() }),
        }
    }
}

#[test]
fn memory_does_not_grow_with_groups() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(3000, 8);
    put_by(&store, &all, 500);
    // A settled fork in the middle of nowhere costs a point of its own.
    let fork = group(&[all[2990].tip()], "fork");
    put_each(&store, &[fork.clone(), group(&[all[2999].tip(), fork.tip()], "settled")]);
    store.close_blocking();
    let (logs, _) = open::open(&home.path, Some(PLANT), &mut Index::default()).unwrap();
    let log = &logs[&author()];
    let runs: Vec<_> = log.branches.values().flat_map(|files| &files.runs).collect();
    let points: usize = runs.iter().map(|run| run.points.len()).sum();
    let bytes: u64 = log
        .branches
        .values()
        .flat_map(|files| files.segments.values())
        .map(|segment| segment.bytes)
        .sum();
    assert_eq!(runs.iter().map(|run| run.groups).sum::<u64>(), 3002);
    assert!(points as u64 <= bytes / POINT_BYTES + 2 * runs.len() as u64, "{points} points");
}

#[test]
fn an_index_that_grew_is_the_one_that_is_read() {
    let home = Home::new();
    let (store, _) = home.open();
    let mut all = row(400, 900);
    let fork = group(&[all[300].tip()], "fork");
    let settled = group(&[fork.tip(), all[399].tip()], "settled");
    all.extend([fork, settled]);
    put_by(&store, &all, 90);
    let grown = read(&store, &[], 10_000);
    let after: Vec<_> =
        (0..402).step_by(31).map(|at| read(&store, &[all[at].tip()], 5000)).collect();
    store.close_blocking();
    let (store, _) = home.open();
    assert_eq!(read(&store, &[], 10_000), grown);
    let again: Vec<_> =
        (0..402).step_by(31).map(|at| read(&store, &[all[at].tip()], 5000)).collect();
    assert_eq!(again, after);
    assert_whole(&grown.0, &all);
}

#[test]
fn a_log_says_which_life_wrote_its_ends() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    assert_eq!(wait(store.written_by(author())), Ok(vec![]));
    let all = row(40, LARGE);
    put_by(&store, &all, 8);
    let fork = group(&[all[1].tip()], "fork");
    put_each(&store, std::slice::from_ref(&fork));
    let life = all[0].header().incarnation;
    let ends = vec![(all[39].id(), life), (fork.id(), life)];
    assert_eq!(wait(store.written_by(author())), Ok(ends.clone()));
    store.close_blocking();
    let (store, _) = home.open();
    assert_eq!(wait(store.written_by(author())), Ok(ends));
}
