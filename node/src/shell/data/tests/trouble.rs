//! Disks that are full or fail, and processes that are killed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gearmesh_protocol::log::VerifiedGroup;

use super::super::files::{Disk, Files};
use super::super::{AppendError, DataStore, Fault, Outcome, Step};
use super::{
    Clock, Home, Keep, LARGE, PLANT, SMALL_SEGMENT, assert_whole, author, bush, ids, pruned,
    put_each, read, row, stay, wait,
};

/// The file system, which refuses the steps from a given one on, as many as given; the first of
/// them is a write that gets half way.
struct Failing {
    disk: Disk,
    step: Arc<AtomicUsize>,
    from: usize,
    count: usize,
    kind: ErrorKind,
}

impl Failing {
    fn due(&mut self) -> io::Result<()> {
        let step = self.step.fetch_add(1, Ordering::Relaxed);
        let fails = step >= self.from && step - self.from < self.count;
        if fails { Err(self.kind.into()) } else { Ok(()) }
    }
}

impl Files for Failing {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.due()?;
        self.disk.make_folder(folder)
    }

    fn create(&mut self, file: &Path) -> io::Result<()> {
        self.due()?;
        self.disk.create(file)
    }

    fn length(&mut self, file: &Path) -> io::Result<u64> {
        self.disk.length(file)
    }

    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.due() {
            self.disk.write(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.disk.write(file, bytes, offset)
    }

    fn sync(&mut self, file: &Path) -> io::Result<()> {
        self.due()?;
        self.disk.sync(file)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.due()?;
        self.disk.sync_folder(folder)
    }

    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()> {
        self.due()?;
        self.disk.cut(file, len)
    }

    fn remove(&mut self, file: &Path) -> io::Result<()> {
        self.due()?;
        self.disk.remove(file)
    }
}

/// A store whose file system refuses `count` steps from `from` on, and how many steps it took.
fn failing(
    home: &Home,
    from: usize,
    count: usize,
    kind: ErrorKind,
) -> (DataStore, Arc<AtomicUsize>) {
    let step = Arc::new(AtomicUsize::new(0));
    let files = Failing { disk: Disk::default(), step: Arc::clone(&step), from, count, kind };
    (home.open_on(files).0, step)
}

/// A log of several segments and branches, in the parts in which it is appended.
fn parts() -> Vec<Vec<Arc<VerifiedGroup>>> {
    let trunk = row(20, LARGE);
    let fork = super::group(&[trunk[1].tip()], "fork");
    let settled = super::group(&[trunk[19].tip(), fork.tip()], "settled");
    let mut parts: Vec<_> = trunk.chunks(9).map(<[_]>::to_vec).collect();
    parts.insert(1, vec![fork]);
    parts.push(vec![settled.clone(), super::group(&[settled.tip()], "after")]);
    parts
}

/// Killed at every step, a node finds what was acknowledged, nothing with a part missing before it,
/// and goes on.
#[test]
fn killed_between_any_two_steps() {
    killed_at_every_step(|| Home::with_segments_of(SMALL_SEGMENT));
    killed_at_every_step(|| Home::with_segments_of(SMALL_SEGMENT).prepared());
}

fn killed_at_every_step(home: impl Fn() -> Home) {
    let parts = parts();
    let all: Vec<_> = parts.iter().flatten().cloned().collect();
    for from in 0.. {
        let home = home();
        let (store, step) = failing(&home, from, usize::MAX, ErrorKind::Other);
        let done = parts.iter().take_while(|part| wait(store.append(part.to_vec())).is_ok());
        let acknowledged: usize = done.map(Vec::len).sum();
        let is_over = step.load(Ordering::Relaxed) <= from;
        store.close_blocking();
        let (store, opened) = home.open();
        let here = ids(&read(&store, &[], usize::MAX).0);
        assert!(here.len() >= acknowledged, "step {from}: {} < {acknowledged}", here.len());
        assert!(all[..acknowledged].iter().all(|group| here.contains(&group.id())));
        assert_eq!(opened.holes, [], "step {from}");
        for part in &parts {
            wait(store.append(part.clone())).unwrap();
        }
        assert_whole(&read(&store, &[], 32_000).0, &all);
        if is_over {
            assert!(from > 20, "{from} steps");
            return;
        }
    }
}

/// A step that fails once is either taken back, and the store goes on, or ends its writing.
#[test]
fn any_step_fails_once() {
    fails_once_at_every_step(|| Home::with_segments_of(SMALL_SEGMENT));
    fails_once_at_every_step(|| Home::with_segments_of(SMALL_SEGMENT).prepared());
}

fn fails_once_at_every_step(home: impl Fn() -> Home) {
    let parts = parts();
    let all: Vec<_> = parts.iter().flatten().cloned().collect();
    let (mut refused, mut poisoned) = (0, 0);
    for from in 0.. {
        let home = home();
        let (store, step) = failing(&home, from, 1, ErrorKind::StorageFull);
        let mut acknowledged = Vec::new();
        let mut is_poisoned = false;
        for part in &parts {
            let before = home_bytes(&home);
            match wait(store.append(part.clone())) {
                Ok(_) => acknowledged.extend(ids(part)),
                Err(AppendError::Refused { .. }) => {
                    assert_eq!(home_bytes(&home), before, "step {from}: refused is absent");
                    refused += 1;
                    wait(store.append(part.clone())).unwrap();
                    acknowledged.extend(ids(part));
                }
                Err(AppendError::Poisoned { cause }) => {
                    assert_eq!(cause.step, Step::Sync, "{cause}");
                    (poisoned, is_poisoned) = (poisoned + 1, true);
                    let again = wait(store.append(part.clone()));
                    assert_eq!(again, Err(AppendError::Poisoned { cause }));
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
        let mut here = ids(&read(&store, &[], usize::MAX).0);
        here.sort_unstable();
        acknowledged.sort_unstable();
        assert_eq!(here, acknowledged, "step {from}");
        store.close_blocking();
        let (store, opened) = home.open();
        assert_eq!(opened.holes, []);
        let mut after = ids(&read(&store, &[], usize::MAX).0);
        after.sort_unstable();
        assert_eq!(after, acknowledged, "step {from}: what was not acknowledged is gone");
        assert_eq!(is_poisoned, acknowledged.len() < all.len());
        if step.load(Ordering::Relaxed) <= from {
            break;
        }
    }
    assert!(refused > 10 && poisoned > 10, "{refused} refused, {poisoned} poisoned");
}

/// Bytes in the files, without room that is prepared behind them.
fn home_bytes(home: &Home) -> usize {
    let folder = home.path.join(author().to_string());
    if !folder.exists() {
        return 0;
    }
    let bytes = |file: &Vec<u8>| file.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    home.files().values().map(bytes).sum()
}

#[test]
fn a_failed_sync_ends_the_writing_and_not_the_reading() {
    let home = Home::new();
    let (store, step) = failing(&home, 0, 0, ErrorKind::Other);
    let all = row(6, 8);
    wait(store.append(all[..2].to_vec())).unwrap();
    wait(store.append(all[2..3].to_vec())).unwrap();
    let steps = step.load(Ordering::Relaxed);
    store.close_blocking();
    assert_eq!(steps, 10, "two more for each further append: one write and one sync");

    let home = Home::new();
    let (store, _) = failing(&home, 9, 1, ErrorKind::Other);
    wait(store.append(all[..2].to_vec())).unwrap();
    let cause = Fault { step: Step::Sync, kind: ErrorKind::Other, os_code: None };
    for _ in 0..2 {
        let poisoned = Err(AppendError::Poisoned { cause });
        assert_eq!(wait(store.append(all[2..3].to_vec())), poisoned);
        assert_eq!(pruned(&store, stay(0, u64::MAX)).unwrap_err(), AppendError::Poisoned { cause });
    }
    assert_eq!(ids(&read(&store, &[], 1000).0), ids(&all[..2]));
    assert_eq!((store.stats().groups, store.stats().refused), (2, 2));
}

#[test]
fn a_failure_to_take_back_ends_the_writing() {
    let home = Home::new();
    let (store, _) = failing(&home, 8, 2, ErrorKind::StorageFull);
    let all = row(6, 8);
    wait(store.append(all[..2].to_vec())).unwrap();
    let cause = Fault { step: Step::Undo, kind: ErrorKind::StorageFull, os_code: None };
    let poisoned = Err(AppendError::Poisoned { cause });
    assert_eq!(wait(store.append(all[2..5].to_vec())), poisoned);
    store.close_blocking();
    let (store, opened) = home.open();
    let here = ids(&read(&store, &[], 1000).0);
    assert!(here.len() >= 2 && here == ids(&all[..here.len()]));
    assert_eq!(opened.torn.len(), 1, "the half-written group is cut at the next opening");
}

/// A file system of 512 KiB, unmounted at the end.
struct Tiny {
    directory: tempfile::TempDir,
}

impl Tiny {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let directory = super::folder();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
            .arg(directory.path())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self { directory })
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.directory.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmount the small file system");
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let Some(tiny) = Tiny::mount() else {
        eprintln!("SKIPPED: a_full_disk_refuses_and_recovers must be root to mount a tmpfs");
        return;
    };
    let (path, filler) = (tiny.directory.path().join("data"), tiny.directory.path().join("filler"));
    fs::write(&filler, vec![1; 200 << 10]).unwrap();
    let (store, _) = DataStore::open(&path, Some(PLANT), &Keep::default(), Clock::start()).unwrap();
    let all = row(100, 3000);
    let mut stored = 0;
    let refused = loop {
        match wait(store.append(all[stored..stored + 2].to_vec())) {
            Ok(_) => stored += 2,
            Err(error) => break error,
        }
    };
    let AppendError::Refused { fault } = refused else { panic!("{refused}") };
    assert_eq!((fault.step, fault.kind), (Step::Write, ErrorKind::StorageFull));
    assert!(stored > 10);
    assert_eq!(ids(&read(&store, &[], 100_000).0), ids(&all[..stored]));
    fs::remove_file(&filler).unwrap();
    assert_eq!(put_each(&store, &all[stored..100]), vec![Outcome::New; 100 - stored]);
    store.close_blocking();
    let (store, opened) =
        DataStore::open(&path, Some(PLANT), &Keep::default(), Clock::start()).unwrap();
    assert_eq!((opened.torn, opened.holes), (vec![], vec![]));
    assert_whole(&read(&store, &[], 100_000).0, &all);
    store.close_blocking();
}

#[test]
fn many_authors_share_a_commit_and_its_fate() {
    let home = Home::new();
    let groups: Vec<_> = (1..100).map(|n| super::group_of(n, &[], vec![n])).collect();
    let (store, _) = failing(&home, 200, 1, ErrorKind::StorageFull);
    let first = wait(store.append(groups.clone()));
    assert!(first.is_err());
    store.close_blocking();
    assert_eq!(home.reopen().logs.len(), 0);
    let (store, _) = home.open();
    wait(store.append(groups)).unwrap();
    put_each(&store, &bush());
    store.close_blocking();
    assert_eq!(home.reopen().logs.len(), 99);
}
