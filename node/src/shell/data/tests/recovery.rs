//! Files cut, flipped, lost and misplaced.

use std::fs;

use super::super::open;
use super::super::segment::{FORMAT, Head};
use super::super::{DataError, DataStore, Hole, Outcome, Torn};
use super::{
    Clock, FIRST, Home, Index, Keep, LARGE, PLANT, SMALL_SEGMENT, assert_whole, author, bush,
    group_of, ids, put_by, put_each, read, row, wait,
};
use crate::shell::frames::{FRAME_HEAD_BYTES, Format, HEADER_BYTES, Scanner};
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::PlantId;

/// Where each record of a file ends, the header being the first.
fn ends(home: &Home, name: &str) -> Vec<u64> {
    let file = fs::File::open(home.file(name)).unwrap();
    let len = file.metadata().unwrap().len();
    let mut scanner = Scanner::new(&file, HEADER_BYTES, len, 1 << 20);
    let mut ends = vec![HEADER_BYTES];
    while scanner.next().unwrap().is_some() {
        ends.push(scanner.end());
    }
    ends
}

#[test]
fn every_truncation_recovers_a_prefix_and_goes_on() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(4, 30);
    put_each(&store, &all);
    store.close_blocking();
    let ends = ends(&home, FIRST);
    let files = home.files();
    for kept in 0..=files[FIRST].len() {
        let mut cut = files.clone();
        cut.get_mut(FIRST).unwrap().truncate(kept);
        home.put(&cut);
        let (store, opened) = home.open();
        let kept = kept as u64;
        // The header and the head are no groups.
        let whole = ends.iter().filter(|end| **end <= kept).count().saturating_sub(2);
        let state = opened.logs.get(&author());
        assert_eq!(state.map_or(0, |state| state.groups), whole as u64, "cut at {kept}");
        let end = ends[whole + 1];
        let torn = Torn { path: home.file(FIRST), offset: end, bytes: kept.saturating_sub(end) };
        let expected = (kept > end).then_some(torn);
        assert_eq!(opened.torn, expected.into_iter().collect::<Vec<_>>());
        assert_eq!(opened.holes, []);
        assert_eq!(ids(&read(&store, &[], usize::MAX).0), ids(&all[..whole]));
        let outcomes = put_each(&store, &all);
        assert_eq!(outcomes.iter().filter(|out| **out == Outcome::New).count(), 4 - whole);
        store.close_blocking();
        assert_eq!(home.files(), files, "the same bytes in the end");
    }
}

#[test]
fn every_truncation_of_a_second_segment_recovers_too() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let mut all = row(16, LARGE);
    put_each(&store, &all);
    all.push(group_of(5, &[all[15].tip()], vec![1; LARGE]));
    all.push(group_of(5, &[all[16].tip()], b"small".to_vec()));
    put_each(&store, &all[16..]);
    store.close_blocking();
    let second = "00000-00000000000000000016.seg";
    let ends = ends(&home, second);
    let bytes = fs::read(home.file(second)).unwrap();
    let near = |at: u64| at.saturating_sub(40)..at + 40;
    let cuts = (0..300).chain(near(ends[2])).chain(near(ends[3])).filter(|cut| *cut <= ends[3]);
    for kept in cuts {
        fs::write(home.file(second), &bytes[..kept as usize]).unwrap();
        let (store, opened) = home.open();
        let whole = 16 + ends[2..].iter().filter(|end| **end <= kept).count();
        assert_eq!(opened.logs[&author()].groups, whole as u64, "cut at {kept}");
        assert_eq!(opened.logs[&author()].extent.ends, [all[whole - 1].tip()]);
        assert_eq!(opened.holes, []);
        put_each(&store, &all[whole..]);
        store.close_blocking();
        assert_eq!(fs::read(home.file(second)).unwrap(), bytes, "cut at {kept}");
    }
}

/// What a flipped byte may cost is looked at on a log with branches: after it, everything that is
/// given out is intact, everything else comes back by being appended again, and nothing is a hole
/// in the end that was not cut.
#[test]
fn every_flipped_byte_costs_little_and_comes_back() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = bush();
    put_each(&store, &all);
    store.close_blocking();
    let files = home.files();
    assert_eq!(files.len(), 3, "three branches");
    for name in files.keys() {
        for at in (0..files[name].len()).step_by(5) {
            let mut flipped = files.clone();
            flipped.get_mut(name).unwrap()[at] ^= 0x10;
            home.put(&flipped);
            let (store, opened) = home.open();
            let here: u64 = opened.logs.get(&author()).map_or(0, |state| state.groups);
            assert!(here >= 10, "{name} at {at}: {here} groups");
            let (found, _) = read(&store, &[], usize::MAX);
            assert_eq!(found.len() as u64, here);
            assert!(found.iter().all(|found| all.contains(found)));
            wait(store.append(all.clone())).unwrap();
            assert_whole(&read(&store, &[], 600).0, &all);
            store.close_blocking();
            let opened = home.reopen();
            assert_eq!((opened.holes, opened.torn), (vec![], vec![]), "{name} at {at}");
            let state = &opened.logs[&author()];
            let ends = vec![all[10].tip(), all[8].tip()];
            assert_eq!((state.groups, &state.extent.ends), (11, &ends), "{name} at {at}");
        }
    }
}

#[test]
fn damage_in_the_middle_is_a_hole_and_stays_as_it_is() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(8, 30);
    put_each(&store, &all);
    store.close_blocking();
    let ends = ends(&home, FIRST);
    let mut bytes = fs::read(home.file(FIRST)).unwrap();
    // Groups 2 and 3.
    bytes[ends[3] as usize..ends[5] as usize].fill(0xA5);
    fs::write(home.file(FIRST), &bytes).unwrap();
    let (store, opened) = home.open();
    assert_eq!(opened.holes, [Hole { author: author(), branch: 0, numbers: 2..=3 }]);
    let (found, gaps) = read(&store, &[], usize::MAX);
    assert_eq!(ids(&found), [ids(&all[..2]), ids(&all[4..])].concat());
    assert_eq!(gaps, [0, 2], "the page ends before the hole, and the next tells what it cost");
    // Who says that it has one of them lacks the other.
    let page = wait(store.read(author(), vec![all[2].tip(), all[1].tip()], 1)).unwrap();
    assert_eq!(page.gap, 1);
    let page = wait(store.read(author(), vec![all[3].tip()], 1)).unwrap();
    assert_eq!((page.gap, page.groups), (0, vec![codec::encode(all[4].group())]));
    put_each(&store, &[group_of(5, &[all[7].tip()], b"more".to_vec())]);
    store.close_blocking();
    assert_eq!(fs::read(home.file(FIRST)).unwrap()[..bytes.len()], bytes);
}

#[test]
fn a_lost_segment_is_a_hole() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(40, LARGE);
    put_by(&store, &all, 8);
    store.close_blocking();
    fs::remove_file(home.file("00000-00000000000000000016.seg")).unwrap();
    let (store, opened) = home.open();
    assert_eq!(opened.holes[0].numbers, 16..=31);
    let (found, gaps) = read(&store, &[], 16_000);
    assert_eq!(ids(&found), [ids(&all[..16]), ids(&all[32..])].concat());
    assert_eq!(gaps.iter().sum::<u64>(), 16);
    assert!(put_each(&store, &all[16..32]).iter().all(|outcome| *outcome == Outcome::New));
    store.close_blocking();
    let (store, opened) = home.open();
    assert_eq!(opened.holes, []);
    assert_whole(&read(&store, &[], 16_000).0, &all);
}

#[test]
fn an_unreadable_last_segment_is_set_aside() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(18, LARGE);
    put_by(&store, &all, 9);
    store.close_blocking();
    let second = "00000-00000000000000000016.seg";
    fs::write(home.file(second), vec![0xA5; 4000]).unwrap();
    let (store, opened) = home.open();
    let torn = Torn { path: home.file(second), offset: HEADER_BYTES, bytes: 4000 - HEADER_BYTES };
    assert_eq!(opened.torn, [torn]);
    assert_eq!(opened.logs[&author()].groups, 16);
    put_each(&store, &all[16..]);
    store.close_blocking();
    assert_eq!(home.reopen().logs[&author()].groups, 18);
    assert_eq!(fs::read(home.file(&format!("{second}.bad"))).unwrap(), vec![0xA5; 4000]);
}

#[test]
fn another_version_is_refused_naming_both_and_left_alone() {
    let home = Home::new();
    home.put(&[(FIRST.to_owned(), Format { version: 2, ..FORMAT }.encode().to_vec())].into());
    let error = DataStore::open(&home.path, None, &Keep::default(), Clock::start()).unwrap_err();
    assert!(matches!(error, DataError::UnsupportedVersion { found: 2, supported: 1, .. }));
    let text = error.to_string();
    assert!(text.contains("version 2") && text.contains("version 1"), "{text}");
    assert_eq!(home.files()[FIRST], Format { version: 2, ..FORMAT }.encode());
}

#[test]
fn a_segment_of_another_plant_or_place_is_refused() {
    let home = Home::new();
    let (store, _) = home.open();
    put_each(&store, &row(2, 8));
    store.close_blocking();
    let other = PlantId([2; 32]);
    let error =
        DataStore::open(&home.path, Some(other), &Keep::default(), Clock::start()).unwrap_err();
    assert!(matches!(error, DataError::OtherPlant { found: PLANT, wanted, .. } if wanted == other));
    fs::rename(home.file(FIRST), home.file("00001-00000000000000000000.seg")).unwrap();
    let error = DataStore::open(&home.path, None, &Keep::default(), Clock::start()).unwrap_err();
    assert!(matches!(error, DataError::Misplaced { .. }), "{error}");
}

#[test]
fn what_is_no_segment_is_left_alone() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(2, 8);
    put_each(&store, &all);
    store.close_blocking();
    fs::write(home.file("notes"), b"mine").unwrap();
    fs::write(home.path.join("readme"), b"mine").unwrap();
    assert_eq!(home.reopen().logs[&author()].groups, 2);
    assert_eq!(home.files()["notes"], b"mine");
}

#[test]
fn a_head_is_what_was_meant() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = bush();
    put_each(&store, &all);
    store.close_blocking();
    let bytes = &home.files()["00001-00000000000000000002.seg"];
    let ends = ends(&home, "00001-00000000000000000002.seg");
    let payload = &bytes[HEADER_BYTES as usize + FRAME_HEAD_BYTES..ends[1] as usize];
    let head = Head {
        plant: PLANT,
        author: author(),
        branch: 1,
        from: Some((0, 1)),
        before: Some(all[1].tip()),
    };
    assert_eq!(Head::read(payload), Some(head));
}

#[test]
fn a_file_that_cannot_be_read_again_is_known_as_it_was() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    put_each(&store, &row(40, LARGE));
    store.close_blocking();
    let (mut logs, _) = open::open(&home.path, Some(PLANT), &mut Index::default()).unwrap();
    let log = logs.get_mut(&author()).unwrap();
    let before = log.state();
    let first = home.files().into_keys().next().unwrap();
    fs::remove_file(home.file(&first)).unwrap();
    fs::create_dir(home.file(&first)).unwrap();
    assert!(log.rescan(first.parse().unwrap()).is_err());
    assert_eq!(log.state(), before);
}
