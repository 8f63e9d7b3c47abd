//! The power goes: at every point of a traced run, of what was not synced any part may be on the
//! disk, sector by sector. What was acknowledged before that point is there, every time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::*;

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// Disks as they may be found for each point, besides the ones with nothing and with everything of
/// what was not synced.
const SAMPLES: u64 = 4;

/// What was done to the disk, and what the store said about it.
#[derive(Clone, Debug)]
enum Step {
    MakeFolder(PathBuf),
    Create(PathBuf),
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
        offset: u64,
    },
    Sync(PathBuf),
    SyncFolder(PathBuf),
    Cut {
        path: PathBuf,
        len: u64,
    },
    Remove(PathBuf),
    Acknowledged(Vec<GroupId>),
    /// From here on groups below this number may be gone.
    Pruned {
        below: u64,
    },
}

type Trace = Arc<Mutex<Vec<Step>>>;

/// The file system, and a note of all that is done to it.
struct Traced {
    disk: Disk,
    trace: Trace,
}

impl Traced {
    fn note(&self, step: Step) {
        self.trace.lock().unwrap().push(step);
    }
}

impl Files for Traced {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.note(Step::MakeFolder(folder.to_owned()));
        self.disk.make_folder(folder)
    }

    fn create(&mut self, file: &Path) -> io::Result<()> {
        self.note(Step::Create(file.to_owned()));
        self.disk.create(file)
    }

    fn length(&mut self, file: &Path) -> io::Result<u64> {
        self.disk.length(file)
    }

    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.note(Step::Write { path: file.to_owned(), bytes: bytes.to_vec(), offset });
        self.disk.write(file, bytes, offset)
    }

    fn sync(&mut self, file: &Path) -> io::Result<()> {
        self.disk.sync(file)?;
        self.note(Step::Sync(file.to_owned()));
        Ok(())
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)?;
        self.note(Step::SyncFolder(folder.to_owned()));
        Ok(())
    }

    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()> {
        self.disk.cut(file, len)?;
        self.note(Step::Cut { path: file.to_owned(), len });
        Ok(())
    }

    fn remove(&mut self, file: &Path) -> io::Result<()> {
        self.note(Step::Remove(file.to_owned()));
        self.disk.remove(file)
    }
}

/// One file, as far as the disk has promised it.
#[derive(Clone, Debug, Default)]
struct Kept {
    synced: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    is_named: bool,
    is_going: bool,
}

/// A disk under a run.
#[derive(Clone, Debug, Default)]
struct Model {
    files: BTreeMap<PathBuf, Kept>,
    /// Folders, and whether their names are durable.
    folders: BTreeMap<PathBuf, bool>,
    acknowledged: BTreeSet<GroupId>,
    pruned_below: u64,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match step {
            Step::MakeFolder(folder) => {
                self.folders.entry(folder.clone()).or_insert(false);
            }
            Step::Create(path) => drop(self.files.insert(path.clone(), Kept::default())),
            Step::Write { path, bytes, offset } => {
                let file = self.files.get_mut(path).expect("a file that was made");
                file.unsynced.push((usize::try_from(*offset).unwrap(), bytes.clone()));
            }
            Step::Sync(path) => {
                let file = self.files.get_mut(path).expect("a file that was made");
                for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                    put(&mut file.synced, offset, &bytes);
                }
            }
            Step::SyncFolder(folder) => {
                let inside = |path: &Path| path.parent() == Some(folder);
                self.files.retain(|path, file| !(inside(path) && file.is_going));
                for (_, file) in self.files.iter_mut().filter(|(path, _)| inside(path)) {
                    file.is_named = true;
                }
                for (_, is_named) in self.folders.iter_mut().filter(|(path, _)| inside(path)) {
                    *is_named = true;
                }
            }
            Step::Cut { path, len } => {
                let file = self.files.get_mut(path).expect("a file that was made");
                file.unsynced.clear();
                file.synced.truncate(usize::try_from(*len).unwrap());
            }
            Step::Remove(path) => {
                self.files.get_mut(path).expect("a file that was made").is_going = true;
            }
            Step::Acknowledged(groups) => self.acknowledged.extend(groups),
            Step::Pruned { below } => self.pruned_below = *below,
        }
    }

    /// Puts a disk into `home` as it may be found after the power went. `luck` says of each thing that
    /// is not durable whether it is there.
    fn found(&self, home: &Home, luck: &mut impl FnMut() -> bool) {
        let _ = std::fs::remove_dir_all(&home.path);
        std::fs::create_dir_all(&home.path).unwrap();
        let folders = self.folders.iter().filter(|(_, is_named)| **is_named || luck());
        let folders: BTreeSet<PathBuf> = folders.map(|(folder, _)| folder.clone()).collect();
        for folder in &folders {
            std::fs::create_dir_all(folder).unwrap();
        }
        for (path, file) in &self.files {
            let has_folder = path.parent().is_some_and(|folder| folders.contains(folder));
            let is_there = (file.is_named || luck()) && !(file.is_going && luck());
            if has_folder && is_there {
                std::fs::write(path, file.found(luck)).unwrap();
            }
        }
    }
}

impl Kept {
    /// Its bytes, with any of the unsynced sectors. Those that are missing before one that is there
    /// are zeros.
    fn found(&self, luck: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for (offset, written) in &self.unsynced {
            let mut at = 0;
            while at < written.len() {
                let until = written.len().min(at + SECTOR - (offset + at) % SECTOR);
                if luck() {
                    put(&mut bytes, offset + at, &written[at..until]);
                }
                at = until;
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if bytes.len() < offset + new.len() {
        bytes.resize(offset + new.len(), 0);
    }
    bytes[offset..offset + new.len()].copy_from_slice(new);
}

/// Runs some work on a traced disk, each append acknowledged.
fn traced(home: &Home, work: impl FnOnce(&DataStore, &Trace)) -> Vec<Step> {
    let trace = Trace::default();
    let (store, _) = home.open_on(Traced { disk: Disk::default(), trace: Arc::clone(&trace) });
    work(&store, &trace);
    store.close_blocking();
    std::mem::take(&mut *trace.lock().unwrap())
}

fn append(store: &DataStore, trace: &Trace, groups: &[Arc<VerifiedGroup>]) {
    let stored = wait(store.append(groups.to_vec())).unwrap();
    assert!(stored.iter().all(|stored| stored.outcome == Outcome::New), "{stored:?}");
    trace.lock().unwrap().push(Step::Acknowledged(ids(groups)));
}

/// At every point of the run: whatever the disk kept, the store opens, gives back what was
/// acknowledged, nothing that was never written, and takes the next group.
fn assert_survives(home: &Home, steps: &[Step], all: &[Arc<VerifiedGroup>]) {
    let written: BTreeMap<GroupId, u64> =
        all.iter().map(|group| (group.id(), group.header().number)).collect();
    let mut model = Model::default();
    for (point, step) in steps.iter().enumerate() {
        model.take(step);
        for sample in 0..SAMPLES + 2 {
            let mut state = (point as u64) << 8 | sample;
            let mut luck = || match sample {
                0 => false,
                1 => true,
                _ => {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                    state >> 60 & 1 == 1
                }
            };
            model.found(home, &mut luck);
            let what = format!("after step {point}, {step:?}, sample {sample}");
            let (store, _) = home.open();
            let (found, _) = read(&store, &[], usize::MAX);
            let ids: BTreeSet<GroupId> = found.iter().map(|group| group.id()).collect();
            assert!(ids.iter().all(|id| written.contains_key(id)), "something strange {what}");
            let due = model.acknowledged.iter().filter(|id| written[*id] >= model.pruned_below);
            let lost: Vec<_> = due.filter(|id| !ids.contains(*id)).collect();
            assert!(lost.is_empty(), "{} of {} lost {what}", lost.len(), model.acknowledged.len());
            let ends: Vec<Tip> = store.ends(&author()).into_iter().take(1).collect();
            assert_eq!(put_each(&store, &[group(&ends, "next")]), [Outcome::New], "{what}");
            store.close_blocking();
        }
    }
}

#[test]
fn one_group_after_the_other() {
    one_after_the_other(&Home::with_segments_of(SMALL_SEGMENT), &row(40, LARGE));
}

#[test]
fn one_group_after_the_other_into_prepared_room() {
    one_after_the_other(&Home::with_segments_of(SMALL_SEGMENT).prepared(), &row(40, LARGE));
    one_after_the_other(&Home::with_segments_of(SMALL_SEGMENT).prepared(), &row(60, 200));
}

fn one_after_the_other(home: &Home, groups: &[Arc<VerifiedGroup>]) {
    let steps = traced(home, |store, trace| {
        groups.iter().for_each(|group| append(store, trace, std::slice::from_ref(group)));
    });
    assert_survives(home, &steps, groups);
}

#[test]
fn many_groups_at_once_over_several_segments() {
    let home = Home::with_segments_of(SMALL_SEGMENT);
    let groups = row(60, LARGE);
    let steps = traced(&home, |store, trace| {
        groups.chunks(20).for_each(|groups| append(store, trace, groups));
    });
    assert_survives(&home, &steps, &groups);
}

#[test]
fn a_log_that_forks_and_is_settled() {
    let home = Home::with_segments_of(SMALL_SEGMENT).prepared();
    let groups = bush();
    let steps = traced(&home, |store, trace| {
        groups.iter().for_each(|group| append(store, trace, std::slice::from_ref(group)));
    });
    assert_survives(&home, &steps, &groups);
}

#[test]
fn old_segments_are_let_go() {
    let home = Home::with_segments_of(SMALL_SEGMENT).prepared();
    let groups = row(60, LARGE);
    let steps = traced(&home, |store, trace| {
        append(store, trace, &groups[..50]);
        trace.lock().unwrap().push(Step::Pruned { below: 45 });
        pruned(store, stay(SMALL_SEGMENT, 45)).unwrap();
        append(store, trace, &groups[50..]);
    });
    assert_survives(&home, &steps, &groups);
}
