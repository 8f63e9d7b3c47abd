//! Appending: what becomes of groups, shared commits, limits, files.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{fs, io};

use futures::future::join_all;
use futures::poll;
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind};
use gearmesh_protocol::merkle::Salt;

use super::super::files::{Disk, Files};
use super::super::{
    APPEND_BYTES_MAX, AppendError, DataStats, DataStore, LogState, Outcome, Stored,
};
use super::{
    Clock, FIRST, Home, Keep, LARGE, PLANT, SMALL_SEGMENT, assert_whole, author, bush, group,
    group_of, key, put_by, put_each, read, row, wait,
};

#[test]
fn what_was_appended_comes_back_with_the_same_ends() {
    let home = Home::new();
    let (store, opened) = home.open();
    assert_eq!(opened.logs.len(), 0);
    let all = bush();
    let stored = wait(store.append(all.clone())).unwrap();
    assert!(stored.iter().all(|stored| stored.outcome == Outcome::New));
    let ends = vec![all[10].tip(), all[8].tip()];
    assert_eq!(stored.last().unwrap().extent.ends, ends);
    assert_eq!(put_each(&store, &all), [Outcome::Known; 11]);
    let state = wait(store.state(author())).unwrap().unwrap();
    store.close_blocking();

    let bytes = home.files().values().map(|bytes| bytes.len() as u64).sum();
    let expected = LogState { extent: ends.into(), first: 0, entries_pruned: 0, bytes, groups: 11 };
    assert_eq!(state, expected);
    for _ in 0..2 {
        let (store, opened) = home.open();
        assert_eq!(opened.logs.get(&author()), Some(&expected));
        assert_eq!((opened.torn, opened.holes), (vec![], vec![]));
        assert_eq!(put_each(&store, &all), [Outcome::Known; 11]);
        assert_whole(&read(&store, &[], usize::MAX).0, &all);
        store.close_blocking();
    }
}

#[test]
fn what_cannot_be_placed_hinders_nothing_else() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = row(5, 8);
    let mut wrong = all[1].tip();
    wrong.entries += 1;
    let mixed = vec![
        Arc::clone(&all[3]),
        Arc::clone(&all[0]),
        group_of(6, &[], b"of another".to_vec()),
        Arc::clone(&all[1]),
        group(&[wrong], "miscounted"),
        Arc::clone(&all[1]),
    ];
    let outcomes = wait(store.append(mixed)).unwrap().into_iter().map(|stored| stored.outcome);
    let expected = [
        Outcome::MissingParent,
        Outcome::New,
        Outcome::New,
        Outcome::New,
        Outcome::Miscounted,
        Outcome::Known,
    ];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
    let known = Stored { outcome: Outcome::Known, fills: false, extent: vec![all[1].tip()].into() };
    assert_eq!(wait(store.append(vec![Arc::clone(&all[0])])), Ok(vec![known]));
    store.close_blocking();
    assert_eq!(home.reopen().logs.len(), 2);
}

#[test]
fn a_group_that_comes_twice_at_once_is_no_fork() {
    let home = Home::new();
    let (store, _) = home.open();
    let all = bush();
    let twice: Vec<_> = all.iter().chain(&all).cloned().collect();
    let stored = wait(store.append(twice)).unwrap();
    assert!(stored[11..].iter().all(|stored| stored.outcome == Outcome::Known));
    assert_eq!(store.stats().groups, 11);
}

#[test]
fn full_segments_are_followed_by_others() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let (store, _) = home.open();
    let all = row(50, LARGE);
    put_by(&store, &all, 7);
    store.close_blocking();
    let files = home.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let second = "00000-00000000000000000016.seg";
    let fourth = "00000-00000000000000000048.seg";
    assert_eq!(names, [FIRST, second, "00000-00000000000000000032.seg", fourth]);
    assert!(files.values().all(|bytes| bytes.len() as u64 <= SMALL_SEGMENT));
    let (store, opened) = home.open();
    assert_eq!(opened.logs[&author()].groups, 50);
    let (found, gaps) = read(&store, &[], 24_000);
    assert_whole(&found, &all);
    assert!(gaps.iter().all(|gap| *gap == 0));
}

#[test]
fn the_files_are_for_their_owner_alone() {
    let home = Home::new();
    let (store, _) = home.open();
    put_each(&store, &row(1, 8));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.path), 0o700);
    assert_eq!(mode(home.file(FIRST).parent().unwrap()), 0o700);
    assert_eq!(mode(&home.file(FIRST)), 0o600);
}

#[test]
fn limits_are_checked_before_anything_is_written() {
    let home = Home::new();
    let (store, _) = DataStore::open(&home.path, None, &Keep::default(), Clock::start()).unwrap();
    let first = row(1, 8);
    assert_eq!(wait(store.append(first.clone())), Err(AppendError::NoPlant));
    store.belong_to(PLANT);
    let log = LogId { author: author(), kind: LogKind::Trust };
    let trust = Draft {
        log,
        incarnation: first[0].header().incarnation,
        after: vec![],
        acting_under: first[0].header().acting_under,
        salt: Salt([0; 16]),
        entries: vec![b"a record".to_vec()],
    };
    let trust = Arc::new(Group::write(&key(5), &PLANT, trust).unwrap());
    let other = AppendError::OtherKind { group: trust.id() };
    assert_eq!(wait(store.append(vec![trust])), Err(other));
    let large = group_of(5, &[], vec![0; LARGE]);
    let count = APPEND_BYTES_MAX / LARGE + 1;
    let over = AppendError::TooLarge { bytes: count * LARGE };
    assert_eq!(wait(store.append(vec![large; count])), Err(over));
    assert_eq!(store.stats().refused, 3);
    assert_eq!(fs::read_dir(&home.path).unwrap().count(), 0);
    assert_eq!(put_each(&store, &first), [Outcome::New]);
}

/// The file system, with syncs that wait until the test drops the gate.
struct Gated {
    disk: Disk,
    gate: Receiver<()>,
}

impl Files for Gated {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.disk.make_folder(folder)
    }

    fn create(&mut self, file: &Path) -> io::Result<()> {
        self.disk.create(file)
    }

    fn length(&mut self, file: &Path) -> io::Result<u64> {
        self.disk.length(file)
    }

    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.write(file, bytes, offset)
    }

    fn sync(&mut self, file: &Path) -> io::Result<()> {
        // An error is the gate being gone: open for good.
        let _ = self.gate.recv();
        self.disk.sync(file)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()> {
        self.disk.cut(file, len)
    }

    fn remove(&mut self, file: &Path) -> io::Result<()> {
        self.disk.remove(file)
    }
}

fn gated(home: &Home) -> (DataStore, SyncSender<()>) {
    let (gate, wait) = sync_channel(0);
    let files = Gated { disk: Disk::default(), gate: wait };
    (home.open_on(files).0, gate)
}

#[tokio::test]
async fn concurrent_appends_share_commits() {
    const COUNT: usize = 50;
    let home = Home::new();
    let (store, gate) = gated(&home);
    // As many as tokio lets a task send before the next has its turn.
    let all = row(COUNT, 8);
    let appends = all.iter().map(|group| store.append(vec![Arc::clone(group)]));
    let mut appends = Box::pin(join_all(appends));
    assert!(poll!(&mut appends).is_pending(), "nothing is acknowledged before its sync");
    drop(gate);
    let stored = appends.await;
    assert!(stored.iter().all(|stored| stored.as_ref().unwrap()[0].outcome == Outcome::New));
    let stats = store.stats();
    // What the first sync took, and everything that came meanwhile.
    assert!(stats.commits <= 2, "{stats:?}");
    assert_eq!(stats.groups, COUNT as u64);
    store.close().await;
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let home = Home::new();
    let (store, gate) = gated(&home);
    let all = row(20, 8);
    let clone = store.clone();
    let appends = all[..19].iter().map(|group| clone.append(vec![Arc::clone(group)]));
    let mut appends = Box::pin(join_all(appends));
    assert!(poll!(&mut appends).is_pending());
    drop(gate);
    store.close().await;
    assert!(appends.await.iter().all(Result::is_ok));
    assert_eq!(clone.append(vec![Arc::clone(&all[19])]).await, Err(AppendError::Closed));
    let path = home.path.clone();
    let opened = tokio::task::spawn_blocking(move || {
        DataStore::open(&path, None, &Keep::default(), Clock::start()).unwrap().1
    });
    assert_eq!(opened.await.unwrap().logs[&author()].groups, 19);
}

#[test]
fn nothing_at_all_is_acknowledged_and_leaves_no_trace() {
    let home = Home::new();
    let (store, _) = home.open();
    assert_eq!(wait(store.append(vec![])), Ok(vec![]));
    assert_eq!(fs::read_dir(&home.path).unwrap().count(), 0);
    assert_eq!(store.stats(), DataStats::default());
}
