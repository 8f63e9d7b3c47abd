//! What a journal has done since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since opening. They are updated before the append they count is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Records acknowledged.
    pub records: u64,
    /// Bytes those records take in the file, framing included.
    pub bytes: u64,
    /// Syncs that succeeded. Fewer than the batches when appends shared them.
    pub commits: u64,
    /// Batches refused: too large, no space, or poisoned.
    pub refused: u64,
}

/// The counters, shared by the storage thread and the handles.
#[derive(Debug, Default)]
pub(super) struct Counters {
    records: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    pub(super) fn committed(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, batches: u64) {
        self.refused.fetch_add(batches, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> JournalStats {
        JournalStats {
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}
