//! The storage thread: the one place that reads and writes.
//!
//! It takes everything queued, commits all appends at once, and then answers the rest in order, so
//! that a reader sees what was appended before it asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, Incarnation, PlantId, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use tokio::sync::{mpsc, oneshot};

use super::commit::{Filling, Plan, Planned};
use super::cursor::Trouble;
use super::errors::{AppendError, Fault, ReadError, Step};
use super::files::Files;
use super::handle::QUEUE_JOBS_MAX;
use super::index::Index;
use super::logs::{Located, Log};
use super::open;
use super::page::Page;
use super::prune::{Left, Stay};
use super::scrub::Scrub;
use super::segment::Name;
use super::shelf::Shelf;
use super::stats::Counters;
use crate::core::plant::chain::{Extent, Gap};
use crate::shell::clock::Clock;

/// No further append joins a commit of this many bytes (4 MiB): those already in it wait for the
/// whole write, and disks are at full speed well below.
const COMMIT_BYTES_ENOUGH: usize = 4 << 20;

/// Times that a question is asked again after damage was met. Every time a damaged place becomes a
/// hole; a disk that gives other bytes each time must not hold up the thread.
const TRIES_MAX: usize = 64;

/// What became of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) enum Outcome {
    /// It is durable now.
    New,
    /// It was here before, or lies before all that is kept here.
    Known,
    /// A parent is not here.
    MissingParent,
    /// Its number or count does not continue its parents.
    Miscounted,
    /// It forks the log beyond a bound.
    Full,
}

/// What became of a group, and of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Stored {
    /// What became of the group.
    pub(in crate::shell) outcome: Outcome,
    /// Whether it was missing: one that was here names it.
    pub(in crate::shell) fills: bool,
    /// What there is of the log after that.
    pub(in crate::shell) extent: Extent,
}

/// What the handles ask of the thread.
#[derive(Debug)]
pub(super) enum Job {
    /// Make groups durable.
    Append(Append),
    /// Give out what a reader lacks.
    Read {
        author: PublicKey,
        after: Vec<Tip>,
        bytes_max: usize,
        reply: Reply<Result<Page, ReadError>>,
    },
    /// Let old segments go.
    Prune { author: PublicKey, stay: Stay, reply: Reply<Result<Left, AppendError>> },
    /// Say whether some of these groups are not here.
    Lacks { author: PublicKey, tips: Vec<Tip>, reply: Reply<Result<bool, ReadError>> },
    /// Say which lives wrote the ends of a log, the oldest branch first.
    WrittenBy { author: PublicKey, reply: Reply<Result<Written, ReadError>> },
    /// Look for groups by their ids alone, among the last of those with these numbers.
    Locate {
        author: PublicKey,
        ids: Vec<GroupId>,
        numbers: Range<u64>,
        reply: Reply<Result<Located, ReadError>>,
    },
    /// Say what is missing, in logs where something is.
    Gaps { reply: Reply<BTreeMap<PublicKey, Vec<Gap>>> },
    /// Say how a log stands.
    #[cfg(test)]
    State { author: PublicKey, reply: Reply<Option<open::LogState>> },
    /// Stop after what is queued.
    Close,
}

/// Ends of a log and the lives that wrote them.
pub(super) type Written = Vec<(GroupId, Incarnation)>;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<T>;

/// Groups to be acknowledged together.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) groups: Vec<Arc<VerifiedGroup>>,
    /// A missing parent is not to hinder them.
    pub(super) is_apart: bool,
    /// Of their entries.
    pub(super) bytes: usize,
    pub(super) reply: Reply<Result<Vec<Stored>, AppendError>>,
}

impl Append {
    fn authors(&self) -> impl Iterator<Item = PublicKey> + '_ {
        self.groups.iter().map(|group| group.header().log.author)
    }
}

/// The state of the storage thread.
pub(super) struct Store<F> {
    pub(super) files: F,
    pub(super) dir: PathBuf,
    /// Length that no segment exceeds, unless one group does.
    pub(super) segment_bytes: u64,
    pub(super) clock: Clock,
    /// How long groups are added to one segment.
    pub(super) segment_age: Option<Duration>,
    /// What is known of closed segments.
    pub(super) index: Index,
    /// Segments that were closed and are not known yet.
    pub(super) settled: Vec<(PublicKey, Name)>,
    pub(super) scrub: Scrub,
    pub(super) plant: Arc<OnceLock<PlantId>>,
    pub(super) logs: BTreeMap<PublicKey, Log>,
    pub(super) poison: Option<Fault>,
    pub(super) counters: Arc<Counters>,
    pub(super) shelf: Arc<Shelf>,
}

impl<F: Files> Store<F> {
    /// Works until the store is closed, or all handles are gone, and nothing is queued.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let (appends, others) = gather(first, &mut queue);
            self.append(appends);
            for job in others {
                self.answer(job);
            }
            self.note_settled();
            self.files.rest();
        }
        self.index.close();
    }

    /// Reads what was closed once more, so that the next start need not.
    fn note_settled(&mut self) {
        for (author, name) in std::mem::take(&mut self.settled) {
            let Some(log) = self.logs.get(&author) else { continue };
            let read = || {
                let file = std::fs::File::open(log.path(name))?;
                let told = file.metadata()?;
                let (scanned, bytes) = open::read_through(&file, name, &told)?;
                Ok::<_, std::io::Error>((scanned, told, bytes))
            };
            // What cannot be read now is read at the start.
            if let Ok((scanned, told, bytes)) = read() {
                self.index.note(&author, name, &scanned, (&told, bytes));
            }
        }
    }

    fn append(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        match self.commit(&appends) {
            Ok(stored) => {
                for (append, stored) in appends.into_iter().zip(stored) {
                    // The caller may have stopped waiting; the groups are here all the same.
                    let _ = append.reply.send(Ok(stored));
                }
            }
            Err(error) => {
                self.counters.refused(appends.len() as u64);
                for append in appends {
                    let _ = append.reply.send(Err(error));
                }
            }
        }
    }

    fn commit(&mut self, appends: &[Append]) -> Result<Vec<Vec<Stored>>, AppendError> {
        if let Some(cause) = self.poison {
            return Err(AppendError::Poisoned { cause });
        }
        let (planned, stored) = self.plan(appends)?;
        if planned.groups == 0 {
            return Ok(stored);
        }
        if let Err(failed) = planned.carry_out(&mut self.files) {
            if failed.is_undone {
                return Err(AppendError::Refused { fault: failed.fault });
            }
            return Err(self.poisoned_by(failed.fault));
        }
        self.counters.committed(planned.groups, planned.bytes());
        self.settled.extend(planned.apply(&self.dir, &mut self.logs));
        let grown: BTreeSet<PublicKey> = appends.iter().flat_map(Append::authors).collect();
        let ends = |author| Some((author, self.logs.get(&author)?.chain.ends()));
        self.shelf.put(grown.into_iter().filter_map(ends));
        Ok(stored)
    }

    /// Works out what is to be written. Nothing is changed yet, except that damage is noted.
    fn plan(&mut self, appends: &[Append]) -> Result<(Planned, Vec<Vec<Stored>>), AppendError> {
        let plant = *self.plant.get().ok_or(AppendError::NoPlant)?;
        let now = self.clock.now().wall;
        let filling = Filling { bytes_max: self.segment_bytes, age_max: self.segment_age, now };
        for _ in 0..TRIES_MAX {
            let mut plan = Plan::new(&self.dir, plant, filling, &self.logs);
            let mut take = |append: &Append| -> Result<Vec<Stored>, (PublicKey, Trouble)> {
                let groups = append.groups.iter();
                let taken = groups.map(|group| {
                    let author = group.header().log.author;
                    plan.take(group, append.is_apart).map_err(|trouble| (author, trouble))
                });
                taken.collect()
            };
            match appends.iter().map(&mut take).collect() {
                Ok(stored) => return Ok((plan.ready(), stored)),
                Err((author, trouble)) => self
                    .overcome(&author, trouble)
                    .map_err(|fault| AppendError::Refused { fault })?,
            }
        }
        Err(AppendError::Refused { fault: restless() })
    }

    fn answer(&mut self, job: Job) {
        // Whoever asked may have stopped waiting.
        match job {
            Job::Read { author, after, bytes_max, reply } => {
                let page = self.asked(&author, |log| log.page(&after, bytes_max));
                let nothing = || Page { is_last: true, ..Page::default() };
                let _ = reply.send(page.map(|page| page.unwrap_or_else(nothing)));
            }
            Job::Prune { author, stay, reply } => {
                let _ = reply.send(self.prune(&author, stay));
            }
            Job::Lacks { author, tips, reply } => {
                let lacks = self.asked(&author, |log| log.lacks(&tips));
                let _ = reply.send(lacks.map(|lacks| lacks.unwrap_or(!tips.is_empty())));
            }
            Job::WrittenBy { author, reply } => {
                let written = self.asked(&author, Log::written_by);
                let _ = reply.send(written.map(Option::unwrap_or_default));
            }
            Job::Locate { author, ids, numbers, reply } => {
                let found = self.asked(&author, |log| log.locate(&ids, numbers.clone()));
                let _ = reply.send(found.map(Option::unwrap_or_default));
            }
            Job::Gaps { reply } => {
                self.scrub();
                let gaps = self.logs.iter().map(|(author, log)| (*author, log.gaps()));
                let _ = reply.send(gaps.filter(|(_, gaps)| !gaps.is_empty()).collect());
            }
            #[cfg(test)]
            Job::State { author, reply } => {
                let _ = reply.send(self.logs.get(&author).map(Log::state));
            }
            Job::Append(_) | Job::Close => {}
        }
    }

    /// Asks a log, once more whenever that met damage; none if there is no such log.
    fn asked<T>(
        &mut self,
        author: &PublicKey,
        question: impl Fn(&Log) -> Result<T, Trouble>,
    ) -> Result<Option<T>, ReadError> {
        for _ in 0..TRIES_MAX {
            let Some(log) = self.logs.get(author) else { return Ok(None) };
            match question(log) {
                Ok(answer) => return Ok(Some(answer)),
                Err(trouble) => {
                    self.overcome(author, trouble).map_err(|fault| ReadError::Failed { fault })?
                }
            }
        }
        Err(ReadError::Failed { fault: restless() })
    }

    /// Makes a hole of damage that was met.
    pub(super) fn overcome(&mut self, author: &PublicKey, trouble: Trouble) -> Result<(), Fault> {
        let name: Name = match trouble {
            Trouble::Failed(fault) => return Err(fault),
            Trouble::Damaged(name) => name,
        };
        let Some(log) = self.logs.get_mut(author) else { return Ok(()) };
        let path = log.path(name);
        tracing::error!(segment = %path.display(), "damaged; what cannot be read is left out");
        self.counters.met_damage();
        self.index.forget(author, name);
        log.rescan(name).map_err(|error| Fault::new(Step::Read, &error))
    }

    pub(super) fn poisoned_by(&mut self, cause: Fault) -> AppendError {
        tracing::error!(%cause, "the data logs can no longer tell what is durable");
        self.poison = Some(cause);
        AppendError::Poisoned { cause }
    }
}

/// What is said of a disk that gives other bytes every time.
fn restless() -> Fault {
    Fault::new(Step::Read, &std::io::ErrorKind::InvalidData.into())
}

/// The appends to commit together and the rest: `first` and what else is queued, up to
/// [`COMMIT_BYTES_ENOUGH`] and [`QUEUE_JOBS_MAX`]: the queue may be filled as fast as it is emptied.
/// Meeting [`Job::Close`] shuts the queue to further jobs; those in it are
/// still worked off.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> (Vec<Append>, Vec<Job>) {
    let (mut appends, mut others) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Append(append) => {
                bytes += append.bytes;
                appends.push(append);
            }
            Job::Close => queue.close(),
            other => others.push(other),
        }
        if bytes >= COMMIT_BYTES_ENOUGH || appends.len() + others.len() >= QUEUE_JOBS_MAX {
            break;
        }
        next = queue.try_recv().ok();
    }
    (appends, others)
}
