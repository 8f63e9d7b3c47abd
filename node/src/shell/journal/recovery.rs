//! What opening a journal found, and the records of its file.

use std::fs::File;
use std::io;

use crate::shell::frames::{FRAME_BYTES_MAX, HEADER_BYTES, Record, Scanner};

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

/// The intact records of a journal that a node may have open, and the damaged places between them.
/// Changes nothing.
pub(in crate::shell) fn look(file: &File) -> io::Result<(Vec<Record>, Vec<Damage>)> {
    let Scan { records, damaged, .. } = scan(file, HEADER_BYTES, file.metadata()?.len())?;
    Ok((records, damaged))
}

/// Finds the records of `file` from `start` to `len`, its length. Changes nothing.
pub(super) fn scan(file: &File, start: u64, len: u64) -> io::Result<Scan> {
    let mut scanner = Scanner::new(file, start, len, WINDOW_BYTES);
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    while let Some(found) = scanner.next()? {
        if found.skipped > 0 {
            let offset = found.offset - found.skipped;
            damaged.push(Damage { offset, bytes: found.skipped });
        }
        records.push(Record { kind: found.kind, payload: scanner.payload().to_vec() });
    }
    Ok(Scan { records, damaged, end: scanner.end() })
}
