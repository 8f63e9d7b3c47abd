//! The handle: what the rest of the node holds.

use gearmesh_protocol::limits::{ADMISSION_FRAME_BYTES_MAX, CREDENTIAL_FRAMES_MAX};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::{fmt, io};

use tokio::sync::{mpsc, oneshot};

use super::open::{self, OpenError, failed};
use super::recovery::Recovery;
use super::stats::{Counters, JournalStats};
use super::writer::{Answer, Batch, Fault, InHome, Job, Medium, Writer};
use crate::shell::ballast::Ballast;
use crate::shell::frames::{RECORD_BYTES_MAX, Record};

/// Batches that wait for the storage thread; further appends wait to be queued. Commits grow to
/// about this size under load, and a larger one no longer makes appending faster.
pub const QUEUE_BATCHES_MAX: usize = 256;

/// Longest batch in the file, framing included, in bytes (20 MiB): a joiner writes the whole ledger
/// that it is shown in one batch, all or nothing.
pub const BATCH_BYTES_MAX: usize = 20 << 20;

const _: () = assert!(
    BATCH_BYTES_MAX > CREDENTIAL_FRAMES_MAX * ADMISSION_FRAME_BYTES_MAX,
    "every ledger that can be shown can be written"
);

/// Why a batch was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A payload is longer than [`RECORD_BYTES_MAX`]. Nothing was written.
    #[error("record of {bytes} bytes is over the limit of {RECORD_BYTES_MAX}")]
    RecordTooLarge {
        /// Length of the payload.
        bytes: usize,
    },
    /// The batch is longer than [`BATCH_BYTES_MAX`]. Nothing was written.
    #[error("batch of {bytes} bytes is over the limit of {BATCH_BYTES_MAX}")]
    BatchTooLarge {
        /// Length of the batch, framing included.
        bytes: usize,
    },
    /// The file could not take the batch; nothing of it is there. Trying again makes sense, once
    /// there is space when [`Fault::kind`] is [`io::ErrorKind::StorageFull`].
    #[error("the journal did not take it: {fault}")]
    Refused {
        /// What went wrong.
        fault: Fault,
    },
    /// The journal can no longer tell what is durable and acknowledges nothing more. The batches
    /// that met the first cause may or may not be there after a restart; later ones are not.
    #[error("the journal is unusable until the node starts again: {cause}")]
    Poisoned {
        /// The first thing that went wrong.
        cause: Fault,
    },
    /// The journal was closed before it took the batch.
    #[error("the journal is closed")]
    Closed,
}

/// An open journal. Clones share it; when the last is dropped, what is queued is still written and
/// the file is then let go. [`Journal::close`] also waits for that.
#[derive(Clone)]
pub struct Journal {
    jobs: mpsc::Sender<Job>,
    counters: Arc<Counters>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Journal {
    /// Opens the journal at `path`, creating it when there is none, and replays it. Blocks on the
    /// disk for as long as reading the file takes.
    ///
    /// # Errors
    /// [`OpenError`]: in use, of another format, not a journal, or failed by the operating system.
    pub fn open(path: &Path) -> Result<(Self, Recovery), OpenError> {
        let opened = open::open(path)?;
        let medium = InHome { file: opened.file, ballast: Ballast::beside(path) };
        let journal =
            Self::start(medium, opened.end).map_err(failed(path, "start the storage thread"))?;
        Ok((journal, opened.recovery))
    }

    /// Starts the storage thread on a medium whose good part ends at `end`.
    pub(super) fn start(medium: impl Medium, end: u64) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_BATCHES_MAX);
        let counters = Arc::new(Counters::default());
        let writer = Writer::new(medium, end, Arc::clone(&counters));
        let thread = thread::Builder::new().name("journal".into()).spawn(|| writer.run(queue))?;
        Ok(Self { jobs, counters, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Appends `records` as one batch, in order, and resolves when they are durable. An empty
    /// batch resolves when everything queued before it has been answered.
    ///
    /// Dropping the future gives up the answer, not necessarily the batch: it may be queued.
    ///
    /// # Errors
    /// [`AppendError`]; the batch is refused as a whole.
    pub async fn append(&self, records: Vec<Record>) -> Result<(), AppendError> {
        let (job, answer) = self.prepare(records)?;
        self.jobs.send(job).await.map_err(|_| AppendError::Closed)?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// [`Journal::append`] for threads outside tokio; within a task, tokio panics on it.
    ///
    /// # Errors
    /// As [`Journal::append`].
    pub fn append_blocking(&self, records: Vec<Record>) -> Result<(), AppendError> {
        let (job, answer) = self.prepare(records)?;
        self.jobs.blocking_send(job).map_err(|_| AppendError::Closed)?;
        answer.blocking_recv().unwrap_or(Err(AppendError::Closed))
    }

    /// Takes no more appends through any clone, writes what is queued and lets the file go; when
    /// this resolves, the file may be opened again.
    pub async fn close(self) {
        // Fails only when the runtime is shutting down, and then nobody is left to wait.
        let _ = tokio::task::spawn_blocking(move || self.close_blocking()).await;
    }

    /// [`Journal::close`] for threads outside tokio; within a task, tokio panics on it.
    pub fn close_blocking(self) {
        // Fails only when another clone has closed the journal, whose end is awaited all the same.
        let _ = self.jobs.blocking_send(Job::Close);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = thread.take()
            && running.join().is_err()
        {
            tracing::error!("the journal's storage thread panicked");
        }
    }

    /// What the journal has done since it was opened.
    pub fn stats(&self) -> JournalStats {
        self.counters.read()
    }

    fn prepare(
        &self,
        records: Vec<Record>,
    ) -> Result<(Job, oneshot::Receiver<Answer>), AppendError> {
        let bytes = check(&records).inspect_err(|_| self.counters.refused(1))?;
        let (reply, answer) = oneshot::channel();
        Ok((Job::Append(Batch { records, bytes, reply }), answer))
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Journal").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The bytes a batch takes in the file, when it is within the limits.
fn check(records: &[Record]) -> Result<usize, AppendError> {
    let longest = records.iter().map(|record| record.payload.len()).max().unwrap_or(0);
    if longest > RECORD_BYTES_MAX {
        return Err(AppendError::RecordTooLarge { bytes: longest });
    }
    let bytes = records.iter().map(Record::frame_bytes).sum();
    if bytes > BATCH_BYTES_MAX {
        return Err(AppendError::BatchTooLarge { bytes });
    }
    Ok(bytes)
}
