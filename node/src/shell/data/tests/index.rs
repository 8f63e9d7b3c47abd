//! What is known of closed segments, and what is looked through.

use std::collections::BTreeSet;

use super::super::open;
use super::super::segment::POINT_BYTES;
use super::*;
use crate::shell::views::Views;

/// A start with the views of the home: what is found, and how many files were known.
fn start(home: &Home) -> (DataStore, Opened) {
    let (views, rows) = Views::open(&home.path.with_file_name("views"));
    let setting = Setting { index: Index::over(views, rows), ..home.setting() };
    DataStore::open_with(Disk::default(), &home.path, Some(PLANT), setting).unwrap()
}

/// A home that such a start has filled, and what is there.
fn filled(groups: usize) -> (Home, Vec<Arc<VerifiedGroup>>) {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let all = row(groups, LARGE);
    let (store, _) = start(&home);
    put_by(&store, &all, 10);
    store.close_blocking();
    (home, all)
}

/// Names of files that the views know.
fn known(home: &Home) -> BTreeSet<String> {
    let (views, rows) = Views::open(&home.path.with_file_name("views"));
    views.close();
    rows.keys().map(|key| String::from_utf8(key[32..].to_vec()).unwrap()).collect()
}

#[test]
fn closed_segments_are_known_as_they_are_and_not_read_again() {
    let (home, all) = filled(70);
    let files: Vec<String> = home.files().into_keys().collect();
    let (last, closed) = files.split_last().unwrap();
    assert_eq!(known(&home), closed.iter().cloned().collect(), "without {last}");

    // Nobody notices, since nobody reads it: length and time of the last change are as they were.
    let told = std::fs::metadata(home.file(&closed[0])).unwrap();
    let (views, rows) = Views::open(&home.path.with_file_name("views"));
    let mut index = Index::over(views, rows);
    let (author, name) = (author(), closed[0].parse().unwrap());
    assert!(index.take(&author, name, &told).is_some());
    assert!(index.take(&author, name, &told).is_none(), "each is asked for once");
    let other = std::fs::metadata(home.file(last)).unwrap();
    assert!(index.take(&author, closed[1].parse().unwrap(), &other).is_none());
    index.close();

    let plain = home.reopen();
    let (store, opened) = start(&home);
    assert_eq!(opened, plain, "what is known is what would be read");
    assert_whole(&read(&store, &[], 10_000).0, &all);
    store.close_blocking();
    assert_eq!(known(&home).len(), closed.len());
}

#[test]
fn what_changed_is_read_and_what_went_is_forgotten() {
    let (home, _) = filled(70);
    let files: Vec<String> = home.files().into_keys().collect();
    let mut bytes = std::fs::read(home.file(&files[1])).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(home.file(&files[1]), bytes).unwrap();
    std::fs::remove_file(home.file(&files[2])).unwrap();
    let (store, opened) = start(&home);
    assert_eq!(opened.holes, home.reopen().holes);
    assert_eq!(opened.holes.len(), 2, "{:?}", opened.holes);
    store.close_blocking();
    assert!(!known(&home).contains(&files[2]));
    let (store, _) = start(&home);
    pruned(&store, stay(0, u64::MAX)).unwrap();
    store.close_blocking();
    assert_eq!(known(&home), BTreeSet::new());
}

#[test]
fn without_views_everything_is_read_and_known_again() {
    let (home, all) = filled(70);
    let before = known(&home);
    std::fs::remove_dir_all(home.path.with_file_name("views")).unwrap();
    let (store, opened) = start(&home);
    assert_eq!(opened, home.reopen());
    store.close_blocking();
    assert_eq!(known(&home), before);
    // A row that is none, or of a later release, is as good as none.
    let (views, rows) = Views::open(&home.path.with_file_name("views"));
    for (number, key) in rows.into_keys().enumerate() {
        views.put(key, vec![number as u8; 9]);
    }
    views.close();
    let (store, opened) = start(&home);
    assert_eq!(opened, home.reopen());
    assert_whole(&read(&store, &[], 10_000).0, &all);
}

/// A disk that rots in silence: what is known of the file still holds.
fn rot(home: &Home, name: &str) {
    let (views, rows) = Views::open(&home.path.with_file_name("views"));
    let mut index = Index::over(views, rows);
    let path = home.file(name);
    let name = name.parse().unwrap();
    let known = index.take(&author(), name, &std::fs::metadata(&path).unwrap()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let told = std::fs::metadata(&path).unwrap();
    index.note(&author(), name, &known.scanned, (&told, known.bytes));
    index.close();
}

#[test]
fn what_filled_a_hole_is_there_after_a_start_that_knows_nothing_of_the_hole() {
    let (home, all) = filled(40);
    rot(&home, &home.files().into_keys().next().unwrap());
    let (store, opened) = start(&home);
    assert_eq!(opened.holes, [], "nobody knows yet");
    assert_eq!(read(&store, &[], 10_000).0.len(), 39);
    put_each(&store, &all);
    assert_whole(&read(&store, &[], 10_000).0, &all);
    store.close_blocking();
    let (store, opened) = start(&home);
    assert_eq!(opened.holes, []);
    assert_whole(&read(&store, &[], 10_000).0, &all);
    assert_eq!(store.stats().damaged, 0, "the damage is known");
}

fn flip(home: &Home, name: &str, at: usize) {
    let mut bytes = std::fs::read(home.file(name)).unwrap();
    bytes[at] ^= 1;
    std::fs::write(home.file(name), bytes).unwrap();
}

/// Whether the store has met damage by being asked what is missing.
fn scrubbed(store: &DataStore) -> bool {
    !wait(store.gaps()).unwrap().is_empty()
}

#[test]
fn damage_that_nobody_met_is_found_by_looking() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let all = row(40, LARGE);
    let (store, _) = home.open();
    put_by(&store, &all, 10);
    assert!(!scrubbed(&store), "the first segment is whole");
    store.close_blocking();
    let (store, _) = home.open();
    let (first, bytes) = home.files().into_iter().next().unwrap();
    flip(&home, &first, bytes.len() / 2);
    assert!(scrubbed(&store), "it is looked through when the store is asked for the first time");
    assert_eq!(store.stats().damaged, 1);
    put_each(&store, &all);
    assert!(!scrubbed(&store), "it is filled again");
    let (logs, _) = open::open(&home.path, Some(PLANT), &mut Index::default()).unwrap();
    assert_eq!(logs[&author()].holes(), []);
}

#[test]
fn one_stretch_is_looked_through_at_a_time_and_the_first_comes_after_the_last() {
    let home = Home::with_segments_of(4 * SMALL_SEGMENT);
    let (store, _) = home.open();
    put_by(&store, &row(160, LARGE), 10);
    let files: Vec<(String, Vec<u8>)> = home.files().into_iter().collect();
    let [(first, _), .., (last, bytes), _] = &files[..] else { panic!("too few segments") };
    flip(&home, last, bytes.len() - LARGE / 2);
    let surveys_until_met = |damaged: u64| {
        let surveys = (1..100).find(|_| {
            scrubbed(&store);
            store.stats().damaged == damaged
        });
        surveys.expect("the damage is met")
    };
    let closed: usize = files.iter().rev().skip(1).map(|(_, bytes)| bytes.len()).sum();
    let stretches = surveys_until_met(1);
    let most = closed.div_ceil(POINT_BYTES as usize) + files.len();
    assert!((files.len()..=most).contains(&stretches), "{stretches} in {closed} bytes");
    flip(&home, first, LARGE / 2);
    assert_eq!(surveys_until_met(2), 1, "the first stretch follows the last");
}
