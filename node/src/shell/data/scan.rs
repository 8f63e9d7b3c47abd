//! What one segment's file holds: read once from end to end, every checksum with it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Header, Tip};

use super::segment::{
    FORMAT, GROUP, HEAD, Head, JOIN, Name, Point, Run, before_of, header_of, note_point, read_join,
};
use crate::core::plant::chain::Place;
use crate::shell::frames::{self, HEADER_BYTES, Scanner};

/// Read at once (1 MiB).
const WINDOW_BYTES: usize = 1 << 20;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Scanned {
    /// What its first bytes say.
    pub(super) header: frames::Header,
    /// What it says of itself, when that is intact.
    pub(super) head: Option<Head>,
    /// Its groups, in order.
    pub(super) runs: Vec<Run>,
    /// Parents beyond the first, by the place of the group that names them.
    pub(super) joins: Vec<(Place, Vec<Place>)>,
    /// The same, where the record that says so is lost.
    pub(super) lost_joins: Vec<(Place, Vec<GroupId>)>,
    /// Where its last record ends.
    pub(super) end: u64,
}

/// Reads the first `len` bytes of a segment. Changes nothing.
pub(super) fn scan(file: &File, name: Name, len: u64) -> io::Result<Scanned> {
    let mut first = vec![0; len.min(HEADER_BYTES) as usize];
    file.read_exact_at(&mut first, 0)?;
    let header = FORMAT.judge(&first, len <= HEADER_BYTES);
    let mut reading = Reading::new(file, name, len);
    let mut runs = Vec::new();
    let mut scanner = Scanner::new(file, HEADER_BYTES.min(len), len, WINDOW_BYTES);
    while let Some(mark) = scanner.next()? {
        if mark.skipped > 0 {
            reading.join = None;
            runs.extend(reading.closed()?);
        }
        match mark.kind {
            HEAD if mark.offset == HEADER_BYTES => reading.head = Head::read(scanner.payload()),
            JOIN => reading.join = read_join(scanner.payload()),
            GROUP if !reading.group(mark.offset, scanner.end(), scanner.payload()) => {
                runs.extend(reading.closed()?);
            }
            _ => {}
        }
    }
    runs.extend(reading.closed()?);
    let Reading { head, joins, lost_joins, .. } = reading;
    if let (Some(run), Some(head)) = (runs.first_mut(), head)
        && run.first == name.first
    {
        run.before = head.before;
    }
    Ok(Scanned { header, head, runs, joins, lost_joins, end: scanner.end() })
}

/// A run while it is read. Of most groups only the record is looked at: what a header says is
/// needed where a run begins and ends.
struct Open {
    before: Option<Tip>,
    first: u64,
    number: u64,
    groups: u64,
    /// Where its last group's frame starts, and where that ends.
    last: u64,
    end: u64,
    points: Vec<Point>,
}

struct Reading<'a> {
    file: &'a File,
    name: Name,
    len: u64,
    run: Option<Open>,
    /// Read just before the group that it is about.
    join: Option<Vec<Place>>,
    head: Option<Head>,
    joins: Vec<(Place, Vec<Place>)>,
    lost_joins: Vec<(Place, Vec<GroupId>)>,
}

impl<'a> Reading<'a> {
    fn new(file: &'a File, name: Name, len: u64) -> Self {
        let (joins, lost_joins) = (Vec::new(), Vec::new());
        Self { file, name, len, run: None, join: None, head: None, joins, lost_joins }
    }

    /// Takes the next group; `false` when it is none, whatever its checksum says.
    fn group(&mut self, offset: u64, end: u64, payload: &[u8]) -> bool {
        let join = self.join.take();
        let Some(run) = &mut self.run else {
            let Some(header) = header_of(payload) else { return false };
            self.run = Some(Open::begun(&header, offset, end));
            if join.is_none() && header.parents.len() > 1 {
                let place = Place { branch: self.name.branch, number: header.number };
                self.lost_joins.push((place, header.parents.iter().skip(1).copied().collect()));
            }
            self.note(header.number, join);
            return true;
        };
        let mut number = run.number.saturating_add(1);
        if join.is_some() {
            let Some(header) = header_of(payload) else { return false };
            number = header.number;
        }
        run.extended(number, offset, end);
        self.note(number, join);
        true
    }

    fn note(&mut self, number: u64, join: Option<Vec<Place>>) {
        if let Some(parents) = join {
            self.joins.push((Place { branch: self.name.branch, number }, parents));
        }
    }

    /// The run so far, if there is one.
    fn closed(&mut self) -> io::Result<Option<Run>> {
        let Some(open) = self.run.take() else { return Ok(None) };
        let mut scanner = Scanner::new(self.file, open.last, self.len, 0);
        if scanner.follow()?.is_none() {
            return Ok(None);
        }
        Ok(header_of(scanner.payload()).map(|header| Run {
            name: self.name,
            before: open.before,
            first: open.first,
            last: Tip::of(header.id(), &header),
            groups: open.groups,
            end: open.end,
            points: open.points,
        }))
    }
}

impl Open {
    fn begun(header: &Header, offset: u64, end: u64) -> Self {
        let number = header.number;
        let points = vec![Point { number, offset: offset as u32 }];
        let before = before_of(header);
        Self { before, first: number, number, groups: 1, last: offset, end, points }
    }

    fn extended(&mut self, number: u64, offset: u64, end: u64) {
        note_point(&mut self.points, self.number, number, offset);
        (self.number, self.last, self.end) = (number, offset, end);
        self.groups += 1;
    }
}
