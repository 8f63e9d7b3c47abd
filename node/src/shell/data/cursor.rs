//! Going through the groups of one run, from a point on.

use std::fs::File;
use std::io;
use std::path::Path;

use super::errors::{Fault, Step};
use super::segment::{GROUP, Name, Point, Run};
use crate::shell::frames::Scanner;

/// Read at once (128 KiB): what is looked for lies within one distance between points.
const WINDOW_BYTES: usize = 128 << 10;

/// Why a group that should be there was not read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The operating system refused it.
    Failed(Fault),
    /// The bytes in this file are not those that were written.
    Damaged(Name),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Failed(Fault::new(Step::Read, &error))
    }
}

/// A place in a run, at one of its groups.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    scanner: Scanner<File>,
    name: Name,
    end: u64,
    /// Points that lie ahead.
    points: &'a [Point],
    /// The number that follows if no point says otherwise.
    number: u64,
}

impl<'a> Cursor<'a> {
    /// Stands before the group at a point of the run; at its end, if there is no such point.
    pub(super) fn open(folder: &Path, run: &'a Run, point: usize) -> Result<Self, Trouble> {
        Self::open_until(folder, run, point, run.end)
    }

    /// As [`Cursor::open`], for what lies before the next point.
    pub(super) fn between(folder: &Path, run: &'a Run, point: usize) -> Result<Self, Trouble> {
        let next = run.points.get(point + 1);
        let end = next.map_or(run.end, |next| u64::from(next.offset));
        Self::open_until(folder, run, point, end)
    }

    fn open_until(folder: &Path, run: &'a Run, point: usize, end: u64) -> Result<Self, Trouble> {
        let points = run.points.get(point..).unwrap_or_default();
        let start = points.first().map_or(end, |point| u64::from(point.offset));
        let file = match File::open(folder.join(run.name.to_string())) {
            // Taken away by somebody: as good as damaged from end to end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Trouble::Damaged(run.name));
            }
            other => other?,
        };
        let scanner = Scanner::new(file, start, end, WINDOW_BYTES);
        Ok(Self { scanner, name: run.name, end, points, number: 0 })
    }

    /// Goes on to the next group and gives its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<u64>, Trouble> {
        while self.scanner.end() < self.end {
            let mark = match self.scanner.follow() {
                // Somebody shortened the file.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
                other => other?,
            };
            let Some(mark) = mark else { return Err(Trouble::Damaged(self.name)) };
            if mark.kind != GROUP {
                continue;
            }
            if let [point, rest @ ..] = self.points
                && u64::from(point.offset) == mark.offset
            {
                (self.number, self.points) = (point.number, rest);
            }
            let number = self.number;
            self.number = number.saturating_add(1);
            return Ok(Some(number));
        }
        Ok(None)
    }

    /// The bytes of the group it stands at.
    pub(super) fn group(&self) -> &[u8] {
        self.scanner.payload()
    }
}
