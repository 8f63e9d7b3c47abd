//! What can go wrong with the store, as values.

use std::path::PathBuf;
use std::{fmt, io};

use gearmesh_protocol::ids::{GroupId, PlantId};
use gearmesh_protocol::refusal::Refusal;

use super::handle::APPEND_BYTES_MAX;

/// Why the store was not opened. The files are as they were, except after [`DataError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A segment is in a format this gearmesh does not read.
    #[error(
        "the segment {} has format version {found}; this gearmesh reads version {supported}",
        path.display()
    )]
    UnsupportedVersion {
        /// The segment.
        path: PathBuf,
        /// The version in its header.
        found: u16,
        /// The only version read.
        supported: u16,
    },
    /// A segment is of another plant.
    #[error("the segment {} is of plant {found}, this node of {wanted}", path.display())]
    OtherPlant {
        /// The segment.
        path: PathBuf,
        /// The plant in its head.
        found: PlantId,
        /// The node's plant.
        wanted: PlantId,
    },
    /// A segment says of itself that it belongs under another name.
    #[error("the segment {} was written under another name", path.display())]
    Misplaced {
        /// The segment.
        path: PathBuf,
    },
    /// The operating system refused a step.
    #[error("the data logs: cannot {step} {}: {source}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

impl DataError {
    /// Names the step that an I/O error ended.
    pub(super) fn io(path: &std::path::Path, step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), step, source }
    }
}

/// Why groups were not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::shell) enum AppendError {
    /// More at once than [`APPEND_BYTES_MAX`]. Nothing was written.
    #[error("{bytes} bytes of entries at once are over the limit of {APPEND_BYTES_MAX}")]
    TooLarge {
        /// Bytes of all entries.
        bytes: usize,
    },
    /// A group is of no data log. Nothing was written.
    #[error("group {group:?} is of no data log")]
    OtherKind {
        /// The group.
        group: GroupId,
    },
    /// The store was not told of which plant its logs are. Nothing was written.
    #[error("the node belongs to no plant")]
    NoPlant,
    /// The files could not take them; nothing of them is there. Trying again makes sense, once
    /// there is space when [`Fault::kind`] is [`io::ErrorKind::StorageFull`].
    #[error("the data logs did not take it: {fault}")]
    Refused {
        /// What went wrong.
        fault: Fault,
    },
    /// The store can no longer tell what is durable and acknowledges nothing more.
    #[error("the data logs take nothing until the node starts again: {cause}")]
    Poisoned {
        /// The first thing that went wrong.
        cause: Fault,
    },
    /// The store was closed before it took them.
    #[error("the data logs are closed")]
    Closed,
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::shell) enum ReadError {
    /// The operating system refused it, or the disk gives other bytes every time.
    #[error("the data logs cannot be read: {fault}")]
    Failed {
        /// What went wrong.
        fault: Fault,
    },
    /// The store was closed.
    #[error("the data logs are closed")]
    Closed,
    /// They lie at other members, and none of these shows them.
    #[error("{refusal}")]
    Refused {
        /// Why not.
        refusal: Refusal,
    },
}

/// What the operating system refused to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Fault {
    /// What was being done.
    pub(in crate::shell) step: Step,
    /// The kind of the error.
    pub(in crate::shell) kind: io::ErrorKind,
    /// The operating system's number for it, when it gave one.
    pub(in crate::shell) os_code: Option<i32>,
}

/// A step of the store's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) enum Step {
    /// Looking up what is there.
    Read,
    /// Beginning a segment.
    Create,
    /// Writing groups.
    Write,
    /// Making them durable.
    Sync,
    /// Going back to the last good state, durably, after a failed step.
    Undo,
    /// Letting a segment go.
    Remove,
}

impl Fault {
    pub(super) fn new(step: Step, error: &io::Error) -> Self {
        Self { step, kind: error.kind(), os_code: error.raw_os_error() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Read => "read",
            Step::Create => "create",
            Step::Write => "write",
            Step::Sync => "sync",
            Step::Undo => "undo",
            Step::Remove => "remove",
        };
        write!(formatter, "{step} failed: {}", self.kind)?;
        match self.os_code {
            Some(code) => write!(formatter, " (os error {code})"),
            None => Ok(()),
        }
    }
}
