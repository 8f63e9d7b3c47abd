//! Finding the records of a file, whatever happened to it.
//!
//! Valid frames are followed one after the other; the search for a frame's magic runs only from a
//! place that holds none, so that bytes inside a valid record are never taken for a record. The
//! file is read forwards through a window of fixed size, and each candidate costs one checksum
//! over at most [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX), so that time grows with the file
//! and memory with its records alone.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::record::{FRAME_BYTES_MAX, FRAME_MAGIC, Record};

/// Read at once. Several times the longest frame, because a window is read again from the first
/// frame that does not fit into it.
const WINDOW_BYTES: usize = 8 * FRAME_BYTES_MAX;

/// What opening a journal found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Every intact record, in the order of appending. All are durable.
    pub records: Vec<Record>,
    /// What was cut off the end, if anything.
    pub torn_tail: Option<TornTail>,
    /// Damaged places before the last intact record, in the order of the file. They stay as they
    /// are, and are reported at each opening.
    pub damaged: Vec<Damage>,
}

/// Bytes after the last intact record: an append cut short, zero-filled space, or damage there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where the file now ends (or, for a torn header, began anew), in bytes from its start.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// Bytes that are not a record although records follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// In bytes from the start of the file.
    pub offset: u64,
    /// Up to the next intact record.
    pub bytes: u64,
}

/// The records between two offsets of a file.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) records: Vec<Record>,
    pub(super) damaged: Vec<Damage>,
    /// Where the last intact record ends; the start of the scan when there is none.
    pub(super) end: u64,
}

/// Finds the records of `file` from `start` to `len`, its length. Changes nothing.
pub(super) fn scan(file: &File, start: u64, len: u64) -> io::Result<Scan> {
    let mut window = Window { file, len, base: start, held: Vec::new() };
    let mut found = Scan { records: Vec::new(), damaged: Vec::new(), end: start };
    let mut at = start;
    while at < len {
        let Some(record) = Record::decode(at, window.view(at)?) else {
            at = window.next_candidate(at + 1)?;
            continue;
        };
        if at > found.end {
            found.damaged.push(Damage { offset: found.end, bytes: at - found.end });
        }
        at += record.frame_bytes() as u64;
        found.end = at;
        found.records.push(record);
    }
    Ok(found)
}

/// A part of the file in memory, moved forwards only.
struct Window<'a> {
    file: &'a File,
    len: u64,
    base: u64,
    held: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `at` on: at least a longest frame, or all that is left. `at` is within the
    /// file and never before an earlier one.
    fn view(&mut self, at: u64) -> io::Result<&[u8]> {
        let left = self.len - at;
        let needed = left.min(FRAME_BYTES_MAX as u64);
        if at + needed > self.base + self.held.len() as u64 {
            self.held.resize(left.min(WINDOW_BYTES as u64) as usize, 0);
            self.file.read_exact_at(&mut self.held, at)?;
            self.base = at;
        }
        Ok(&self.held[(at - self.base) as usize..])
    }

    /// The first place from `at` on where a frame may start; the file's length when there is none.
    fn next_candidate(&mut self, mut at: u64) -> io::Result<u64> {
        while at < self.len {
            let view = self.view(at)?;
            if let Some(ahead) = view.iter().position(|&byte| byte == FRAME_MAGIC[0]) {
                return Ok(at + ahead as u64);
            }
            at += view.len() as u64;
        }
        Ok(self.len)
    }
}
