//! The storage thread: the one place that writes.
//!
//! It takes everything queued, writes it at once, syncs once, and only then answers. `end` moves
//! only after a sync, so it is always the length up to which the file is known to be good, and the
//! length to go back to when a write fails.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::{fmt, io};

use tokio::sync::{mpsc, oneshot};

use super::handle::AppendError;
use super::stats::Counters;
use crate::shell::ballast::Ballast;
use crate::shell::frames::Record;

/// No further batch joins a commit of this many bytes (4 MiB): those already in it wait for the
/// whole write, and disks are at full speed well below.
const COMMIT_BYTES_ENOUGH: usize = 4 << 20;

/// Memory kept between commits (256 KiB), so that one large commit does not hold its memory for
/// the life of the node.
const BUFFER_BYTES_KEPT: usize = 256 << 10;

/// What the operating system refused to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What was being done.
    pub step: Step,
    /// The kind of the error.
    pub kind: io::ErrorKind,
    /// The operating system's number for it, when it gave one.
    pub os_code: Option<i32>,
}

/// A step of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Writing the records.
    Write,
    /// Making them durable.
    Sync,
    /// Going back to the last good length, durably, after a failed write.
    Truncate,
}

impl Fault {
    fn new(step: Step, error: &io::Error) -> Self {
        Self { step, kind: error.kind(), os_code: error.raw_os_error() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Write => "write",
            Step::Sync => "sync",
            Step::Truncate => "truncate",
        };
        write!(formatter, "{step} failed: {}", self.kind)?;
        match self.os_code {
            Some(code) => write!(formatter, " (os error {code})"),
            None => Ok(()),
        }
    }
}

/// What the thread asks of its file. A trait because the promises that matter most are about disks
/// that fail, and a file does not fail on demand.
pub(super) trait Medium: Send + 'static {
    /// Writes all of `bytes` at `offset`, or fails with any part of them written.
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;
    /// Makes `len` the length, durably.
    fn cut(&self, len: u64) -> io::Result<()>;
    /// Lets another handle open it.
    fn release(&self);
    /// Makes room on a full disk. Whether it could.
    fn make_room(&self) -> bool {
        false
    }
}

impl Medium for File {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }

    fn release(&self) {
        // Closing the file is not enough: a child process that is just being started may hold a
        // copy of the descriptor for a moment, and the lock with it. A failure leaves just that.
        let _ = self.unlock();
    }
}

/// A journal's file, and the room that is held back for it.
pub(super) struct InHome {
    pub(super) file: File,
    pub(super) ballast: Ballast,
}

impl Medium for InHome {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        Medium::write(&self.file, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.cut(len)
    }

    fn release(&self) {
        self.file.release();
    }

    fn make_room(&self) -> bool {
        self.ballast.release()
    }
}

/// What became of a batch.
pub(super) type Answer = Result<(), AppendError>;

/// What the handles ask of the thread.
#[derive(Debug)]
pub(super) enum Job {
    /// Make a batch durable.
    Append(Batch),
    /// Stop after what is queued.
    Close,
}

/// Records to be acknowledged together, already checked against the limits.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// What they take in the file.
    pub(super) bytes: usize,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// The state of the storage thread.
pub(super) struct Writer<M> {
    medium: M,
    end: u64,
    poison: Option<Fault>,
    counters: Arc<Counters>,
    buffer: Vec<u8>,
}

impl<M: Medium> Writer<M> {
    /// A writer that appends at `end`.
    pub(super) fn new(medium: M, end: u64, counters: Arc<Counters>) -> Self {
        Self { medium, end, poison: None, counters, buffer: Vec::new() }
    }

    /// Works until the journal is closed, or all handles are gone, and nothing is queued.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(first) = queue.blocking_recv() {
            let group = gather(first, &mut queue);
            if group.is_empty() {
                continue;
            }
            let answer = self.commit(&group);
            if answer.is_err() {
                self.counters.refused(group.len() as u64);
            }
            for batch in group {
                // The caller may have stopped waiting; the batch stands or falls all the same.
                let _ = batch.reply.send(answer);
            }
        }
        self.medium.release();
    }

    fn commit(&mut self, group: &[Batch]) -> Answer {
        if let Some(cause) = self.poison {
            return Err(AppendError::Poisoned { cause });
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        let mut records = 0;
        for record in group.iter().flat_map(|batch| &batch.records) {
            record.encode(self.end + self.buffer.len() as u64, &mut self.buffer);
            records += 1;
        }
        if let Err(error) = self.write() {
            return Err(self.step_back(&error));
        }
        if let Err(error) = self.medium.sync() {
            // The page cache may now show records that the disk does not have. Cutting them off
            // keeps the next opening from replaying them as durable; when that fails as well,
            // there is nothing better left to do.
            let _ = self.medium.cut(self.end);
            return Err(self.poisoned_by(Fault::new(Step::Sync, &error)));
        }
        let bytes = self.buffer.len() as u64;
        self.end += bytes;
        self.counters.committed(records, bytes);
        Ok(())
    }

    /// Writes what is gathered; a full disk gives up the room that was held back for this.
    fn write(&self) -> io::Result<()> {
        let written = self.medium.write(&self.buffer, self.end);
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
        match written {
            Err(error) if is_full(&error) && self.medium.make_room() => {
                self.medium.write(&self.buffer, self.end)
            }
            other => other,
        }
    }

    /// Undoes a failed write, so that none of the group can come back after a restart.
    fn step_back(&mut self, error: &io::Error) -> AppendError {
        match self.medium.cut(self.end) {
            Ok(()) => AppendError::Refused { fault: Fault::new(Step::Write, error) },
            Err(stuck) => self.poisoned_by(Fault::new(Step::Truncate, &stuck)),
        }
    }

    fn poisoned_by(&mut self, cause: Fault) -> AppendError {
        tracing::error!(%cause, "the journal can no longer tell what is durable");
        self.poison = Some(cause);
        AppendError::Poisoned { cause }
    }
}

/// The batches to commit together: `first` and what else is queued, up to
/// [`COMMIT_BYTES_ENOUGH`]. Meeting [`Job::Close`] shuts the queue to further jobs; those in it
/// are still worked off.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>) -> Vec<Batch> {
    let mut group = Vec::new();
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Append(batch) => {
                bytes += batch.bytes;
                group.push(batch);
            }
            Job::Close => queue.close(),
        }
        if bytes >= COMMIT_BYTES_ENOUGH {
            break;
        }
        next = queue.try_recv().ok();
    }
    group
}
