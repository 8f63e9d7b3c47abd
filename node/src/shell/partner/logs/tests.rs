//! Share logs through starts, torn tails and retention.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Incarnation, PlantId, RecordId};
use gearmesh_protocol::log::{Draft, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;

use super::*;

fn chain(count: usize, bytes: usize) -> Vec<VerifiedGroup> {
    let key = SigningKey::from_bytes(&[3; 32]);
    let log = LogId { author: PublicKey::of(&key), kind: LogKind::Share(ShareId([1; 16])) };
    let mut tip = None;
    let groups = (0..count).map(|at| {
        let draft = Draft {
            log,
            incarnation: Incarnation([0; 16]),
            after: tip.into_iter().collect(),
            acting_under: RecordId([2; 32]),
            salt: Salt([4; 16]),
            entries: vec![vec![at as u8; bytes]],
        };
        let group = Group::write(&key, &PlantId([5; 32]), draft).expect("a group");
        tip = Some(group.tip());
        group
    });
    groups.collect()
}

fn append(logs: &mut ShareLogs, groups: &[VerifiedGroup]) {
    for group in groups {
        logs.append(group.header(), group.group()).expect("on the disk");
    }
}

/// All numbers that a reader gets page by page, and the entries that it is told are gone.
fn read_all(logs: &ShareLogs, log: &LogId, mut after: Option<Tip>) -> (Vec<u64>, u64) {
    let (mut numbers, mut lost) = (Vec::new(), 0);
    loop {
        let page = logs.read(log, after).expect("a page");
        lost += page.after.map_or(0, |gap| gap.entries - after.map_or(0, |it| it.entries));
        let Some(last) = page.groups.last() else { return (numbers, lost) };
        let headers = page.groups.iter().map(|group| peek(group).expect("a group"));
        numbers.extend(headers.map(|(_, header)| header.number));
        after = peek(last).map(|(id, header)| Tip::of(id, &header));
    }
}

#[test]
fn what_was_appended_is_read_after_a_start_and_a_torn_tail_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = chain(200, 9_000);
    let log = groups[0].header().log;
    let mut logs = ShareLogs::open(folder.path()).expect("logs");
    append(&mut logs, &groups[..150]);
    let open = logs.logs[&log].path(*logs.logs[&log].segments.keys().last().expect("one"));
    let file = OpenOptions::new().append(true).open(&open).expect("the open segment");
    file.set_len(file.metadata().expect("its length").len() - 7).expect("torn");
    let mut logs = ShareLogs::open(folder.path()).expect("logs");
    assert_eq!(logs.tips()[&log], groups[148].tip());
    append(&mut logs, &groups[149..]);
    assert!(logs.logs[&log].segments.len() > 1, "several segments");
    let logs = ShareLogs::open(folder.path()).expect("logs");
    assert_eq!(logs.tips()[&log], groups[199].tip());
    assert_eq!(read_all(&logs, &log, None), ((0..200).collect(), 0));
    let after = Some(groups[120].tip());
    assert_eq!(read_all(&logs, &log, after), ((121..200).collect(), 0));
}

#[test]
fn what_retention_took_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = chain(300, 9_000);
    let log = groups[0].header().log;
    let mut logs = ShareLogs::open(folder.path()).expect("logs");
    append(&mut logs, &groups);
    let held = logs.logs.get_mut(&log).expect("the log");
    let (first, _) = held.segments.pop_first().expect("a segment");
    std::fs::remove_file(held.path(first)).expect("gone");
    let oldest = *held.segments.keys().next().expect("another segment");
    assert_eq!(read_all(&logs, &log, None), ((oldest..300).collect(), oldest));
}

#[test]
fn whoever_says_that_it_has_more_than_there_can_be_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = chain(3, 10);
    let mut logs = ShareLogs::open(folder.path()).expect("logs");
    append(&mut logs, &groups);
    let after = Tip { number: u64::MAX, ..groups[2].tip() };
    let page = logs.read(&groups[0].header().log, Some(after)).expect("a page");
    assert!(page.groups.is_empty() && page.after.is_none());
}
