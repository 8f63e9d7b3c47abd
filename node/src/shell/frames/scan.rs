//! Finding the records of a file, whatever happened to it.
//!
//! Valid frames are followed one after the other; the search for a frame's magic runs only from a
//! place that holds none, so that bytes inside a valid record are never taken for a record. The
//! file is read forwards through a window, and each candidate costs one checksum over at most
//! [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX), so that time grows with the file and memory does
//! not.

use std::borrow::Borrow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::record::{FRAME_HEAD_BYTES, FRAME_MAGIC, Frame, claimed_bytes};

/// A record in its file; [`Scanner::payload`] has what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell) struct Mark {
    /// Where its frame starts.
    pub(in crate::shell) offset: u64,
    /// How many bytes before it are no record; they follow the record before, or the start.
    pub(in crate::shell) skipped: u64,
    /// As [`Record::kind`](super::Record::kind).
    pub(in crate::shell) kind: u8,
    /// Length of its frame.
    pub(in crate::shell) bytes: usize,
}

/// Goes through the records of a file, forwards. Changes nothing.
#[derive(Debug)]
pub(in crate::shell) struct Scanner<F> {
    window: Window<F>,
    /// The record that was found last.
    at: Option<Mark>,
    end: u64,
}

impl<F: Borrow<File>> Scanner<F> {
    /// Begins at `start` of a `file` of `len` bytes, which is read `at_once` bytes at a time, or a
    /// frame at a time where one is longer.
    pub(in crate::shell) const fn new(file: F, start: u64, len: u64, at_once: usize) -> Self {
        let window = Window { file, len, base: start, held: Vec::new(), at_once };
        Self { window, at: None, end: start }
    }

    /// Where the last record ended; the start when there was none.
    pub(in crate::shell) const fn end(&self) -> u64 {
        self.end
    }

    /// The next intact record, wherever it is.
    pub(in crate::shell) fn next(&mut self) -> io::Result<Option<Mark>> {
        let mut at = self.end;
        while at < self.window.len {
            if let Some(mark) = self.intact(at)? {
                return Ok(Some(mark));
            }
            at = self.window.next_candidate(at + 1)?;
        }
        Ok(None)
    }

    /// The record that follows without a break; `None` at the end, and where there is damage.
    pub(in crate::shell) fn follow(&mut self) -> io::Result<Option<Mark>> {
        self.intact(self.end)
    }

    /// The payload of the record that was found last.
    pub(in crate::shell) fn payload(&self) -> &[u8] {
        let found = self.at.and_then(|mark| {
            let start = (mark.offset - self.window.base) as usize;
            self.window.held.get(start + FRAME_HEAD_BYTES..start + mark.bytes)
        });
        found.unwrap_or_default()
    }

    /// Goes on to the frame at `at`, if it is intact.
    fn intact(&mut self, at: u64) -> io::Result<Option<Mark>> {
        let Some(bytes) = claimed_bytes(self.window.view(at, FRAME_HEAD_BYTES)?) else {
            return Ok(None);
        };
        let Some(frame) = Frame::decode(at, self.window.view(at, bytes)?) else { return Ok(None) };
        let mark = Mark { offset: at, skipped: at - self.end, kind: frame.kind, bytes };
        (self.at, self.end) = (Some(mark), at + bytes as u64);
        Ok(self.at)
    }
}

/// A part of the file in memory, moved forwards only.
#[derive(Debug)]
struct Window<F> {
    file: F,
    len: u64,
    base: u64,
    held: Vec<u8>,
    at_once: usize,
}

impl<F: Borrow<File>> Window<F> {
    /// The bytes from `at` on: at least `wanted`, or all that is left. `at` is never before an
    /// earlier one.
    fn view(&mut self, at: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = self.len.saturating_sub(at);
        if at + left.min(wanted as u64) > self.base + self.held.len() as u64 {
            let read = left.min(self.at_once.max(wanted) as u64);
            self.held.resize(read as usize, 0);
            self.file.borrow().read_exact_at(&mut self.held, at)?;
            self.base = at;
        }
        Ok(self.held.get((at - self.base) as usize..).unwrap_or_default())
    }

    /// The first place from `at` on where a frame may start; the file's length when there is none.
    fn next_candidate(&mut self, mut at: u64) -> io::Result<u64> {
        while at < self.len {
            let view = self.view(at, 1)?;
            if let Some(ahead) = view.iter().position(|&byte| byte == FRAME_MAGIC[0]) {
                return Ok(at + ahead as u64);
            }
            at += view.len() as u64;
        }
        Ok(self.len)
    }
}
