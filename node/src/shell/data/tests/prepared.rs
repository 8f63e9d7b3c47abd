//! Room that is prepared behind small appends.

use super::*;

fn length(home: &Home) -> u64 {
    std::fs::metadata(home.file(FIRST)).unwrap().len()
}

#[test]
fn small_appends_lengthen_the_file_seldom() {
    let home = Home::new().prepared();
    let (store, _) = home.open();
    let groups = row(400, 200);
    let mut lengths = std::collections::BTreeSet::new();
    for group in &groups {
        wait(store.append(vec![Arc::clone(group)])).unwrap();
        lengths.insert(length(&home));
    }
    assert!(lengths.len() < 10, "{lengths:?}");
    assert_whole(&read(&store, &[], 10_000).0, &groups);
}

#[test]
fn prepared_room_is_no_torn_end_and_is_used_after_a_start() {
    let home = Home::new().prepared();
    let groups = row(40, 200);
    put_each(&home.open().0, &groups[..15]);
    let before = length(&home);
    let (store, opened) = home.open();
    assert_eq!((opened.torn, opened.holes), (vec![], vec![]));
    put_each(&store, &groups[15..16]);
    assert_eq!(length(&home), before);
    put_each(&store, &groups[16..30]);
    assert!(length(&home) >= before + (4 << 10));
    put_each(&store, &groups[30..]);
    assert_whole(&read(&store, &[], 10_000).0, &groups);
}

#[test]
fn large_appends_and_full_segments_get_no_room() {
    let home = Home::with_segments_of(SMALL_SEGMENT).prepared();
    let (store, _) = home.open();
    let groups = row(60, LARGE);
    wait(store.append(groups[..12].to_vec())).unwrap();
    let head_and_room = 8 << 10;
    assert!(length(&home) <= 12 * (LARGE as u64 + 400) + head_and_room, "{}", length(&home));
    put_each(&store, &groups[12..]);
    assert!(home.files().values().all(|file| file.len() as u64 <= SMALL_SEGMENT));
}
