//! The promises of the store, on real files. What a failing disk does is in [`trouble`].

mod append;
mod holes;
mod index;
mod power;
mod prepared;
mod prune;
mod reading;
mod recovery;
mod trouble;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{GroupId, Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::log::{Draft, Group, LogId, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::merkle::Salt;

use super::files::{Disk, Files};
use super::handle::Setting;
use super::index::Index;
use super::prepared::Prepared;
use super::store::Stored;
use super::{AppendError, DataStore, LogState, Opened, Outcome, SEGMENT_BYTES_MAX, Stay};
use crate::core::plant::data::Keep;
use crate::shell::clock::Clock;

const PLANT: PlantId = PlantId([1; 32]);

/// Bytes of a segment where a test needs many.
const SMALL_SEGMENT: u64 = 64 << 10;

/// Bytes of an entry; sixteen groups with one fill such a segment.
const LARGE: usize = 3800;

/// A directory for the logs.
struct Home {
    _directory: tempfile::TempDir,
    path: PathBuf,
    segment_bytes: u64,
    /// Whether small appends find room prepared, as they do in a node.
    is_prepared: bool,
}

/// A folder in memory where there is one: thousands of syncs to a real disk take minutes, and what
/// a sync is worth is tested by disks that fail on purpose.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

impl Home {
    fn new() -> Self {
        Self::with_segments_of(SEGMENT_BYTES_MAX)
    }

    fn with_segments_of(segment_bytes: u64) -> Self {
        let directory = folder();
        let path = directory.path().join("data");
        Self { _directory: directory, path, segment_bytes, is_prepared: false }
    }

    fn prepared(self) -> Self {
        Self { is_prepared: true, ..self }
    }

    fn open(&self) -> (DataStore, Opened) {
        self.open_on(Disk::default())
    }

    fn open_on(&self, files: impl Files) -> (DataStore, Opened) {
        let path = &self.path;
        let (setting, plant) = (self.setting(), Some(PLANT));
        let opened = match self.is_prepared {
            true => {
                let files = Prepared::new(files, self.segment_bytes);
                DataStore::open_with(files, path, plant, setting)
            }
            false => DataStore::open_with(files, path, plant, setting),
        };
        opened.unwrap()
    }

    fn setting(&self) -> Setting {
        let (clock, index) = (Clock::start(), Index::default());
        Setting { segment_bytes: self.segment_bytes, segment_age: None, clock, index }
    }

    /// Opens and closes.
    fn reopen(&self) -> Opened {
        let (store, opened) = self.open();
        store.close_blocking();
        opened
    }

    /// The files of the log, by name.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = self.path.join(author().to_string());
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        names.map(|path| (name(&path), std::fs::read(path).unwrap())).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(author().to_string()).join(name)
    }

    /// Puts the files of the log back as they were.
    fn put(&self, files: &BTreeMap<String, Vec<u8>>) {
        let folder = self.path.join(author().to_string());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

/// The only segment of a log that has one.
const FIRST: &str = "00000-00000000000000000000.seg";

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn author() -> PublicKey {
    PublicKey::of(&key(5))
}

fn group_of(author: u8, after: &[Tip], entry: Vec<u8>) -> Arc<VerifiedGroup> {
    let log = LogId { author: PublicKey::of(&key(author)), kind: LogKind::Data };
    let draft = Draft {
        log,
        incarnation: Incarnation([0; 16]),
        after: after.to_vec(),
        acting_under: RecordId([0; 32]),
        salt: Salt([0; 16]),
        entries: vec![entry],
    };
    Arc::new(Group::write(&key(author), &PLANT, draft).unwrap())
}

fn group(after: &[Tip], text: &str) -> Arc<VerifiedGroup> {
    group_of(5, after, text.as_bytes().to_vec())
}

/// A chain of `length` groups with entries of `bytes` bytes.
fn row(length: usize, bytes: usize) -> Vec<Arc<VerifiedGroup>> {
    let mut groups: Vec<Arc<VerifiedGroup>> = Vec::new();
    for number in 0..length {
        let after: Vec<Tip> = groups.last().map(|group| group.tip()).into_iter().collect();
        let mut entry = format!("{number:08}").into_bytes();
        entry.resize(bytes.max(8), b'.');
        groups.push(group_of(5, &after, entry));
    }
    groups
}

/// A log with two forks, one of which is settled, in an order of arriving.
fn bush() -> Vec<Arc<VerifiedGroup>> {
    let mut all = row(6, 8);
    let twig = group(&[all[1].tip()], "twig");
    let branch = group(&[twig.tip()], "branch");
    let settled = group(&[branch.tip(), all[5].tip()], "settled");
    let after = group(&[settled.tip()], "after");
    let other = group(&[all[3].tip()], "other");
    all.extend([twig, branch, other, settled, after]);
    all
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Appends each group on its own, and says what became of them.
impl DataStore {
    pub(in crate::shell) async fn append(
        &self,
        groups: Vec<Arc<VerifiedGroup>>,
    ) -> Result<Vec<Stored>, AppendError> {
        self.enqueue(groups, false).await?.stored().await
    }

    pub(in crate::shell) async fn append_apart(
        &self,
        groups: Vec<Arc<VerifiedGroup>>,
    ) -> Result<Vec<Stored>, AppendError> {
        self.enqueue(groups, true).await?.stored().await
    }
}

fn put_each(store: &DataStore, groups: &[Arc<VerifiedGroup>]) -> Vec<Outcome> {
    let put = |group: &Arc<VerifiedGroup>| {
        let stored = wait(store.append(vec![Arc::clone(group)])).unwrap();
        assert_eq!(stored.len(), 1);
        stored[0].outcome
    };
    groups.iter().map(put).collect()
}

/// Appends so many groups at a time.
fn put_by(store: &DataStore, groups: &[Arc<VerifiedGroup>], count: usize) {
    for some in groups.chunks(count) {
        wait(store.append(some.to_vec())).unwrap();
    }
}

/// Reads on to the end: the groups, and the entries missing before each page.
fn read(store: &DataStore, after: &[Tip], bytes: usize) -> (Vec<Arc<VerifiedGroup>>, Vec<u64>) {
    let (mut groups, mut gaps) = (Vec::new(), Vec::new());
    let mut after = after.to_vec();
    loop {
        let page = wait(store.read(author(), after.clone(), bytes)).unwrap();
        let size: usize = page.groups.iter().map(Vec::len).sum();
        assert!(page.groups.len() <= 1 || size <= bytes, "{size} > {bytes}");
        assert!(page.is_last || !page.groups.is_empty());
        gaps.push(page.gap);
        for bytes in page.groups {
            let group = Group::read(&PLANT, &bytes).unwrap();
            after.retain(|tip| !group.header().parents.contains(&tip.group));
            after.push(group.tip());
            groups.push(Arc::new(group));
            assert!(groups.len() < 10_000, "reading goes round in circles");
        }
        if page.is_last {
            return (groups, gaps);
        }
    }
}

/// What is left of the log when what is not to stay was let go.
fn pruned(store: &DataStore, stay: Stay) -> Result<LogState, AppendError> {
    wait(store.prune(author(), stay)).map(|left| left.log)
}

/// So many bytes stay, and groups from a number on.
fn stay(bytes: u64, from: u64) -> Stay {
    Stay { bytes, since: None, from }
}

fn ids(groups: &[Arc<VerifiedGroup>]) -> Vec<GroupId> {
    groups.iter().map(|group| group.id()).collect()
}

/// All groups are there, each once and after its parents.
#[track_caller]
fn assert_whole(read: &[Arc<VerifiedGroup>], all: &[Arc<VerifiedGroup>]) {
    let mut seen = Vec::new();
    for group in read {
        assert!(group.header().parents.iter().all(|parent| seen.contains(parent)));
        seen.push(group.id());
    }
    let (mut seen, mut wanted) = (seen, ids(all));
    seen.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(seen, wanted);
}
