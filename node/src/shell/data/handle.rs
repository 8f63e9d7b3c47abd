//! The handle: what the rest of the node holds.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey};
use gearmesh_protocol::log::{LogKind, Tip, VerifiedGroup};
use tokio::sync::futures::Notified;
use tokio::sync::{mpsc, oneshot};

use super::errors::{AppendError, DataError, ReadError};
use super::files::{Disk, Files};
use super::index::Index;
use super::open::{self, Opened};
use super::page::Page;
use super::prepared::Prepared;
use super::prune::{Left, Stay};
use super::scrub::Scrub;
use super::segment::SEGMENT_BYTES_MAX;
use super::shelf::Shelf;
use super::stats::{Counters, DataStats};
use super::store::{Append, Job, Store, Stored, Written};
use crate::core::plant::chain::{Found, Gap};
use crate::core::plant::data::Keep;
use crate::shell::clock::Clock;
use crate::shell::views::Views;

/// Jobs that wait for the storage thread; whoever has more waits to queue them.
pub(in crate::shell) const QUEUE_JOBS_MAX: usize = 256;

/// Bytes of entries in one append (16 MiB): a page of groups is a sixteenth of it.
pub(in crate::shell) const APPEND_BYTES_MAX: usize = 16 << 20;

/// Segments that a log has at least when it is as long, or as old, as it may get: they go whole, so
/// that is by how much it may exceed that.
const SEGMENTS_MIN: u32 = 8;

/// Length below which segments are not made smaller (256 KiB), however little is kept.
const SEGMENT_BYTES_MIN: u64 = 256 << 10;

/// How a store works.
pub(super) struct Setting {
    /// Length that no segment exceeds, unless one group does.
    pub(super) segment_bytes: u64,
    /// How long groups are added to one segment.
    pub(super) segment_age: Option<Duration>,
    pub(super) clock: Clock,
    /// What is known of segments.
    pub(super) index: Index,
}

/// The open data logs. Clones share them; when the last is dropped, what is queued is still
/// written. [`DataStore::close`] also waits for that.
#[derive(Clone)]
pub(in crate::shell) struct DataStore {
    jobs: mpsc::Sender<Job>,
    plant: Arc<OnceLock<PlantId>>,
    counters: Arc<Counters>,
    shelf: Arc<Shelf>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Groups on their way to the disk.
pub(in crate::shell) struct Queued(oneshot::Receiver<Result<Vec<Stored>, AppendError>>);

impl DataStore {
    /// Opens the logs below `dir`, creating it when there is none, and reads every file once.
    /// Blocks on the disk for as long as that takes. `plant` is the plant of the node's home, if it
    /// has one already; `keep` says what will be kept, which segments have to be small enough for.
    ///
    /// # Errors
    /// [`DataError`]: of another format or plant, under another name, or failed by the operating
    /// system.
    pub(in crate::shell) fn open(
        dir: &Path,
        plant: Option<PlantId>,
        keep: &Keep,
        clock: Clock,
    ) -> Result<(Self, Opened), DataError> {
        let bytes = keep.log_bytes / u64::from(SEGMENTS_MIN);
        let bytes = bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let age = keep.age.map(|age| age / SEGMENTS_MIN);
        let files = Prepared::new(Disk::default(), bytes);
        let (views, rows) = Views::open(&dir.with_file_name("views"));
        let index = Index::over(views, rows);
        let setting = Setting { segment_bytes: bytes, segment_age: age, clock, index };
        let opened = Self::open_with(files, dir, plant, setting);
        opened.inspect(|(_, opened)| opened.tell())
    }

    /// [`DataStore::open`], with all further changes going through `files`.
    pub(super) fn open_with(
        files: impl Files,
        dir: &Path,
        plant: Option<PlantId>,
        setting: Setting,
    ) -> Result<(Self, Opened), DataError> {
        let Setting { segment_bytes, segment_age, clock, mut index } = setting;
        let (logs, opened) = open::open(dir, plant, &mut index)?;
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS_MAX);
        let counters = Arc::new(Counters::default());
        let plant = Arc::new(plant.map_or_else(OnceLock::new, OnceLock::from));
        let shelf = Arc::new(Shelf::holding(&opened));
        let store = Store {
            files,
            dir: dir.to_owned(),
            segment_bytes,
            clock,
            segment_age,
            index,
            settled: Vec::new(),
            scrub: Scrub::default(),
            plant: Arc::clone(&plant),
            logs,
            poison: None,
            counters: Arc::clone(&counters),
            shelf: Arc::clone(&shelf),
        };
        let thread = thread::Builder::new()
            .name("data".into())
            .spawn(|| store.run(queue))
            .map_err(DataError::io(dir, "start the storage thread of"))?;
        let thread = Arc::new(Mutex::new(Some(thread)));
        Ok((Self { jobs, plant, counters, shelf, thread }, opened))
    }

    /// Says of which plant the logs are, for a node that joined after it was started. A home has
    /// one plant for its life, so later calls change nothing.
    pub(in crate::shell) fn belong_to(&self, plant: PlantId) {
        let _ = self.plant.set(plant);
    }

    /// Queues groups to be appended, each after its parents. Appends are made in the order in which
    /// they were queued. A group that cannot be placed does not hinder the others. With `is_apart`
    /// their parents may be groups that nobody has any more: the first begins an empty log, or goes on
    /// with one behind a gap that stays known as a [hole](super::Hole).
    ///
    /// # Errors
    /// [`AppendError`]; the groups are refused as a whole.
    pub(in crate::shell) async fn enqueue(
        &self,
        groups: Vec<Arc<VerifiedGroup>>,
        is_apart: bool,
    ) -> Result<Queued, AppendError> {
        let bytes = check(&groups).inspect_err(|_| self.counters.refused(1))?;
        let (reply, answer) = oneshot::channel();
        let job = Job::Append(Append { groups, is_apart, bytes, reply });
        self.jobs.send(job).await.map_err(|_| AppendError::Closed)?;
        Ok(Queued(answer))
    }

    /// What is in a log beyond the groups in `after` and their ancestors, parents before children:
    /// at least one group if there is any, else no more than `max_bytes`. Groups in `after` that
    /// are not here are ignored. Whoever reads on replaces, in `after`, each group's parents by the
    /// group.
    ///
    /// # Errors
    /// The disk cannot be read, or the store was closed.
    pub(in crate::shell) async fn read(
        &self,
        author: PublicKey,
        after: Vec<Tip>,
        max_bytes: usize,
    ) -> Result<Page, ReadError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Read { author, after, bytes_max: max_bytes, reply };
        self.jobs.send(job).await.map_err(|_| ReadError::Closed)?;
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    /// Whether some of these groups are not in the log.
    ///
    /// # Errors
    /// As [`DataStore::read`].
    pub(in crate::shell) async fn lacks(
        &self,
        author: PublicKey,
        tips: Vec<Tip>,
    ) -> Result<bool, ReadError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Lacks { author, tips, reply };
        self.jobs.send(job).await.map_err(|_| ReadError::Closed)?;
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    /// The last group of each branch of a log and the life that wrote it, the oldest branch first.
    ///
    /// # Errors
    /// It cannot be read, or the store was closed.
    pub(in crate::shell) async fn written_by(
        &self,
        author: PublicKey,
    ) -> Result<Written, ReadError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::WrittenBy { author, reply };
        self.jobs.send(job).await.map_err(|_| ReadError::Closed)?;
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    /// Finds groups by their ids alone, among those with these numbers, the newest first. The thread
    /// looks through so many numbers at a time, that nobody else waits for long.
    ///
    /// # Errors
    /// As [`DataStore::read`].
    pub(in crate::shell) async fn locate(
        &self,
        author: PublicKey,
        mut ids: Vec<GroupId>,
        mut numbers: Range<u64>,
    ) -> Result<BTreeMap<GroupId, Found>, ReadError> {
        let mut found = BTreeMap::new();
        while !ids.is_empty() && !numbers.is_empty() {
            let (reply, answer) = oneshot::channel();
            let job = Job::Locate { author, ids: ids.clone(), numbers, reply };
            self.jobs.send(job).await.map_err(|_| ReadError::Closed)?;
            let located = answer.await.unwrap_or(Err(ReadError::Closed))?;
            ids.retain(|id| !located.found.contains_key(id));
            found.extend(located.found);
            numbers = located.rest;
        }
        Ok(found)
    }

    /// What is missing, in logs where something is. None from a store that was closed.
    pub(in crate::shell) async fn gaps(&self) -> Option<BTreeMap<PublicKey, Vec<Gap>>> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::Gaps { reply }).await.ok()?;
        answer.await.ok()
    }

    /// Where a log ends, the longest branch first.
    pub(in crate::shell) fn ends(&self, author: &PublicKey) -> Vec<Tip> {
        self.shelf.ends(author)
    }

    /// Whose logs are here.
    pub(in crate::shell) fn authors(&self) -> Vec<PublicKey> {
        self.shelf.authors()
    }

    /// Is ready when a log has grown since the call.
    pub(in crate::shell) fn changed(&self) -> Notified<'_> {
        self.shelf.changed()
    }

    /// How a log stands; none when nothing of it is here.
    ///
    /// # Errors
    /// The store was closed.
    #[cfg(test)]
    pub(in crate::shell) async fn state(
        &self,
        author: PublicKey,
    ) -> Result<Option<open::LogState>, ReadError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::State { author, reply };
        self.jobs.send(job).await.map_err(|_| ReadError::Closed)?;
        answer.await.map_err(|_| ReadError::Closed)
    }

    /// Lets whole segments of a log go, oldest first, as far as they are not to be kept. The last
    /// segment of a branch stays, but for one that ended in a settled fork: it goes with the group
    /// that settled it.
    ///
    /// # Errors
    /// A file cannot be removed, or the store is poisoned or closed.
    pub(in crate::shell) async fn prune(
        &self,
        author: PublicKey,
        stay: Stay,
    ) -> Result<Left, AppendError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Prune { author, stay, reply };
        self.jobs.send(job).await.map_err(|_| AppendError::Closed)?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Takes no more jobs through any clone, works off what is queued and lets the files go; when
    /// this resolves, they may be opened again.
    pub(in crate::shell) async fn close(self) {
        // Fails only when the runtime is shutting down, and then nobody is left to wait.
        let _ = tokio::task::spawn_blocking(move || self.close_blocking()).await;
    }

    /// [`DataStore::close`] for threads outside tokio; within a task, tokio panics on it.
    pub(in crate::shell) fn close_blocking(self) {
        // Fails only when another clone has closed the store, whose end is awaited all the same.
        let _ = self.jobs.blocking_send(Job::Close);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = thread.take()
            && running.join().is_err()
        {
            tracing::error!("the storage thread of the data logs panicked");
        }
    }

    /// What the store has done since it was opened.
    pub(in crate::shell) fn stats(&self) -> DataStats {
        self.counters.read()
    }
}

impl Queued {
    /// Resolves when the groups are durable: with what became of each. Dropping it gives up the
    /// answer, not the groups.
    ///
    /// # Errors
    /// [`AppendError`]; the groups are refused as a whole.
    pub(in crate::shell) async fn stored(self) -> Result<Vec<Stored>, AppendError> {
        self.0.await.unwrap_or(Err(AppendError::Closed))
    }
}

impl fmt::Debug for DataStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DataStore").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The bytes of all entries, when they are within the limit and of data logs.
fn check(groups: &[Arc<VerifiedGroup>]) -> Result<usize, AppendError> {
    if let Some(other) = groups.iter().find(|group| group.header().log.kind != LogKind::Data) {
        return Err(AppendError::OtherKind { group: other.id() });
    }
    let entries = groups.iter().flat_map(|group| group.entries());
    let bytes = entries.map(Vec::len).sum();
    if bytes > APPEND_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes });
    }
    Ok(bytes)
}
