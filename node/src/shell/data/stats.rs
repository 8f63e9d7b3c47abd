//! What the store has done since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since opening. They are updated before the append they count is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::shell) struct DataStats {
    /// Groups stored.
    pub(in crate::shell) groups: u64,
    /// Bytes written for them, framing and heads of segments included.
    pub(in crate::shell) bytes: u64,
    /// Commits that succeeded. Fewer than the appends when these shared them.
    pub(in crate::shell) commits: u64,
    /// Appends refused: too large, no space, or poisoned.
    pub(in crate::shell) refused: u64,
    /// Times that damage was met while reading.
    pub(in crate::shell) damaged: u64,
}

/// The counters, shared by the storage thread and the handles.
#[derive(Debug, Default)]
pub(super) struct Counters {
    groups: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
    damaged: AtomicU64,
}

impl Counters {
    pub(super) fn committed(&self, groups: u64, bytes: u64) {
        self.groups.fetch_add(groups, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self, appends: u64) {
        self.refused.fetch_add(appends, Ordering::Relaxed);
    }

    pub(super) fn met_damage(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> DataStats {
        DataStats {
            groups: self.groups.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
        }
    }
}
