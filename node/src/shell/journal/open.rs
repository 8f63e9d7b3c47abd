//! Opening the file: create or claim it, judge its header, replay it, cut its torn tail.
//!
//! Nothing is changed before the lock is held and the file is known to be a journal, so that a
//! mistaken path costs nobody a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::recovery::{self, Damage, Recovery, TornTail};
use crate::shell::frames::{Format, HEADER_BYTES, Header};

/// The format written and read by this gearmesh.
pub const FORMAT_VERSION: u16 = 1;

/// How the file begins.
pub(super) const FORMAT: Format = Format { magic: *b"GMJL", version: FORMAT_VERSION };

/// The owner alone: the journal holds the plant's data and the node's standing.
const FILE_MODE: u32 = 0o600;

/// Why a journal was not opened. The file is as it was, except after [`OpenError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has it open.
    #[error("the journal {} is in use by another process", path.display())]
    Locked {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file is in a format this gearmesh does not read.
    #[error(
        "the journal {} has format version {found}; this gearmesh reads version {supported}",
        path.display()
    )]
    UnsupportedVersion {
        /// The file asked for.
        path: PathBuf,
        /// The version in its header.
        found: u16,
        /// [`FORMAT_VERSION`].
        supported: u16,
    },
    /// The file has neither a journal's header nor a single intact record.
    #[error("{} is not a gearmesh journal", path.display())]
    NotAJournal {
        /// The file asked for.
        path: PathBuf,
    },
    /// The operating system refused a step.
    #[error("the journal {}: cannot {step}: {source}", path.display())]
    Io {
        /// The file asked for.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// Its answer.
        source: io::Error,
    },
}

/// A journal file, locked and replayed, ready for appending.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    /// Its length: where the next record goes.
    pub(super) end: u64,
    pub(super) recovery: Recovery,
}

/// Opens the file at `path`, creating it when there is none.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed(path, "open the file"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.into() }),
        Err(TryLockError::Error(source)) => return Err(failed(path, "lock the file")(source)),
    }
    let len = file.metadata().map_err(failed(path, "read the length"))?.len();
    let mut head = vec![0; len.min(HEADER_BYTES) as usize];
    file.read_exact_at(&mut head, 0).map_err(failed(path, "read the header"))?;

    let (end, recovery) = match FORMAT.judge(&head, len <= HEADER_BYTES) {
        Header::Absent => begin(&file, len).map_err(failed(path, "write the header"))?,
        Header::Current => replay(path, &file, len, None)?,
        Header::Other { version } => return Err(unsupported(path, version)),
        Header::Damaged { claims } => {
            let refusal = match claims {
                Some(version) if version != FORMAT_VERSION => unsupported(path, version),
                _ => OpenError::NotAJournal { path: path.into() },
            };
            replay(path, &file, len, Some(refusal))?
        }
    };
    // Records that a killed process left in the page cache were read above and will be acted upon:
    // they have to be on the disk first. The directory is synced each time, for the process may
    // have died between creating the file and syncing the directory.
    file.sync_all().map_err(failed(path, "sync the file"))?;
    sync_directory(path).map_err(failed(path, "sync the directory"))?;
    Ok(Opened { file, end, recovery })
}

/// Writes the header of a new journal over the `len` bytes of a creation cut short.
fn begin(file: &File, len: u64) -> io::Result<(u64, Recovery)> {
    file.set_len(0)?;
    file.write_all_at(&FORMAT.encode(), 0)?;
    let torn_tail = (len > 0).then_some(TornTail { offset: 0, bytes: len });
    Ok((HEADER_BYTES, Recovery { torn_tail, ..Recovery::default() }))
}

/// Reads the records of a file of `len` bytes and cuts what follows the last. With a damaged
/// header, only a record proves that the file is a journal; without one, `refusal` is the answer.
fn replay(
    path: &Path,
    file: &File,
    len: u64,
    refusal: Option<OpenError>,
) -> Result<(u64, Recovery), OpenError> {
    let mut found =
        recovery::scan(file, HEADER_BYTES, len).map_err(failed(path, "read the records"))?;
    if let Some(refusal) = refusal {
        if found.records.is_empty() {
            return Err(refusal);
        }
        match found.damaged.first_mut() {
            Some(first) if first.offset == HEADER_BYTES => {
                *first = Damage { offset: 0, bytes: HEADER_BYTES + first.bytes };
            }
            _ => found.damaged.insert(0, Damage { offset: 0, bytes: HEADER_BYTES }),
        }
    }
    let torn_tail =
        (len > found.end).then_some(TornTail { offset: found.end, bytes: len - found.end });
    if torn_tail.is_some() {
        file.set_len(found.end).map_err(failed(path, "cut the torn tail"))?;
    }
    Ok((found.end, Recovery { records: found.records, torn_tail, damaged: found.damaged }))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

fn unsupported(path: &Path, found: u16) -> OpenError {
    OpenError::UnsupportedVersion { path: path.into(), found, supported: FORMAT_VERSION }
}

/// Names the step that an I/O error ended.
pub(super) fn failed(path: &Path, step: &'static str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { path: path.into(), step, source }
}
