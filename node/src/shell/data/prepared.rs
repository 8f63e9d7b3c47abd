//! Room ahead of a log that grows a little at a time.
//!
//! Making an append durable that lengthens its file makes the file system write down the new length
//! as well: on ext4 a second, larger write and another flush of the device. So behind a small append
//! zeros are written, ever more of them, and the next ones overwrite these. For a value at a time
//! that saves the flash more than the zeros cost. Large appends pay for their length by themselves.
//!
//! On a disk without room for the zeros they are taken back, so that values find what there is.
//!
//! A frame never begins with a zero, so that prepared room is told from data, and from damage.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::files::{Files, OPEN_FILES_MAX};

/// The longest append that is worth preparing for (32 KiB).
const SMALL_BYTES_MAX: usize = 32 << 10;

/// Room that is prepared at once: as much as the file holds already, within these bounds.
const ROOM_BYTES_MIN: u64 = 4 << 10;
const ROOM_BYTES_MAX: u64 = 256 << 10;

static ZEROS: [u8; ROOM_BYTES_MAX as usize] = [0; ROOM_BYTES_MAX as usize];

/// Files in which small appends find room prepared.
#[derive(Debug, Default)]
pub(super) struct Prepared<F> {
    files: F,
    /// Length above which no file is prepared.
    file_bytes: u64,
    /// Files in use.
    known: BTreeMap<PathBuf, Known>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Its length, prepared room included.
    length: u64,
    /// Whether the disk had no room to prepare; it is not tried again.
    is_short: bool,
}

impl<F: Files> Prepared<F> {
    /// `files`, of which none is to be longer than `file_bytes`.
    pub(super) const fn new(files: F, file_bytes: u64) -> Self {
        Self { files, file_bytes, known: BTreeMap::new() }
    }

    /// How far a file is to be prepared that ends at `end`.
    fn room(&self, end: u64) -> u64 {
        let room = end.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX);
        room.min(self.file_bytes.saturating_sub(end))
    }
}

impl<F: Files> Files for Prepared<F> {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.files.make_folder(folder)
    }

    fn create(&mut self, file: &Path) -> io::Result<()> {
        self.known.insert(file.to_owned(), Known::default());
        self.files.create(file)
    }

    fn length(&mut self, file: &Path) -> io::Result<u64> {
        self.files.length(file)
    }

    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Known { length, mut is_short } = match self.known.get(file) {
            Some(known) => *known,
            None => Known { length: self.files.length(file)?, ..Known::default() },
        };
        self.files.write(file, bytes, offset)?;
        let end = offset + bytes.len() as u64;
        let mut prepared = length.max(end);
        if end > length && bytes.len() <= SMALL_BYTES_MAX && !is_short {
            let room = self.room(end);
            let zeros = ZEROS.get(..room as usize).unwrap_or_default();
            is_short = self.files.write(file, zeros, end).is_err();
            match is_short {
                // A sync is part of it, and what fails there need not fail again in the next one.
                true => self.files.cut(file, end)?,
                false => prepared = end + room,
            }
        }
        self.known.insert(file.to_owned(), Known { length: prepared, is_short });
        Ok(())
    }

    fn sync(&mut self, file: &Path) -> io::Result<()> {
        self.files.sync(file)
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        self.files.sync_folder(folder)
    }

    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()> {
        self.known.remove(file);
        self.files.cut(file, len)
    }

    fn remove(&mut self, file: &Path) -> io::Result<()> {
        self.known.remove(file);
        self.files.remove(file)
    }

    fn rest(&mut self) {
        if self.known.len() > OPEN_FILES_MAX {
            self.known.clear();
        }
        self.files.rest();
    }
}

/// Where a file of `len` bytes ends without the room prepared behind `end`: at `end`, or at `len`
/// when there is anything but zeros.
pub(super) fn without_room(file: &File, end: u64, len: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut at = end;
    while at < len {
        let wanted = (len - at).min(buffer.len() as u64) as usize;
        let Some(part) = buffer.get_mut(..wanted) else { break };
        file.read_exact_at(part, at)?;
        if part.iter().any(|byte| *byte != 0) {
            return Ok(len);
        }
        at += wanted as u64;
    }
    Ok(end.min(len))
}
