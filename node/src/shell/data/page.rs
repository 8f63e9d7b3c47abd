//! Reading a log: what a reader lacks, in order, as much as it takes at once.
//!
//! A group's number is higher than those of its parents, so whoever goes through all branches at
//! once by number gives parents before children. Where groups are missing a page ends, and the
//! next one says how many entries that cost.

use std::sync::Arc;

use gearmesh_protocol::log::Tip;

use super::cursor::{Cursor, Trouble};
use super::logs::Log;
use super::segment::Run;
use crate::core::plant::chain::{Chain, Leg, Place};

/// A part of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shell) struct Page {
    /// Groups in their canonical bytes, parents before children.
    pub(in crate::shell) groups: Vec<Vec<u8>>,
    /// Entries that are known to be missing before the first of them: pruned, damaged or never
    /// received.
    pub(in crate::shell) gap: u64,
    /// Whether nothing follows.
    pub(in crate::shell) is_last: bool,
    /// Where the groups lie, in their order.
    pub(in crate::shell) places: Vec<Place>,
    /// The shape of the whole log.
    pub(in crate::shell) chain: Arc<Chain>,
}

/// Of one leg of a branch, what is still to be read.
struct Reader<'a> {
    log: &'a Log,
    leg: Leg,
    runs: &'a [Run],
    /// In the first of the runs, at the group `number`.
    cursor: Cursor<'a>,
    number: u64,
    /// Entries missing before that group.
    gap: u64,
}

impl Log {
    /// What is beyond the groups in `after` and their ancestors: at least one group if there is
    /// any, and no more than `bytes_max`.
    pub(super) fn page(&self, after: &[Tip], bytes_max: usize) -> Result<Page, Trouble> {
        let (mut have, mut told) = (Vec::new(), Vec::new());
        for tip in after {
            let found = match self.chain.known(&tip.group) {
                Some(found) => Some(found),
                None => self.find(tip.number..=tip.number, &tip.group)?,
            };
            have.extend(found.map(|f| Place { branch: f.branch, number: f.tip.number }));
            let leg = found.and_then(|found| self.chain.leg_at(found.place()));
            told.push((*tip, leg.map(|leg| leg.start)));
        }
        let mut readers = Vec::new();
        for (leg, first) in self.chain.beyond(&have) {
            // Who has a group of another branch has nothing of what is missing of this one.
            let told = told.iter().filter(|(_, on)| on.is_none_or(|on| on == leg.start));
            let told: Vec<Tip> = told.map(|(tip, _)| *tip).collect();
            readers.extend(self.reader(leg, first, &told)?);
        }
        let mut page = Page { chain: Arc::new(self.chain.clone()), ..Page::default() };
        let mut bytes = 0;
        while let Some(next) = lowest(&mut readers) {
            let group = next.cursor.group();
            bytes += group.len();
            let is_full = bytes > bytes_max || next.gap > 0;
            if !page.groups.is_empty() && is_full {
                return Ok(page);
            }
            page.groups.push(group.to_vec());
            let (leg, number) = (next.leg.start, next.number);
            page.places.push(Place { number, ..leg });
            page.gap = page.gap.max(next.gap);
            if !next.advance()? {
                readers.retain(|reader| reader.leg.start != leg);
            }
        }
        page.is_last = true;
        Ok(page)
    }

    /// A reader of a leg that stands at the first group from `first` on; none when there is no such
    /// group.
    fn reader(&self, leg: Leg, first: u64, told: &[Tip]) -> Result<Option<Reader<'_>>, Trouble> {
        let runs = self.runs_on(&leg);
        let at = runs.partition_point(|run| run.last.number < first);
        let (read, runs) = runs.split_at(at);
        let Some(run) = runs.first() else { return Ok(None) };
        let mut cursor = Cursor::open(&self.folder, run, run.point_before(first))?;
        while let Some(number) = cursor.next()? {
            if number < first {
                continue;
            }
            let gap = match (number == run.first, read.last()) {
                (false, _) => 0,
                (true, Some(previous)) => missing(previous.last, run, told),
                (true, None) => missing_before(self.stem(&leg)?, run, told),
            };
            return Ok(Some(Reader { log: self, leg, runs, cursor, number, gap }));
        }
        Ok(None)
    }

    /// Entries up to the group of another branch that a leg goes on from. What lies between that and its
    /// first group may have been let go.
    fn stem(&self, leg: &Leg) -> Result<u64, Trouble> {
        match (leg.from, leg.before) {
            (Some(from), Some(before)) if from.number == before.number => Ok(before.entries),
            (Some(from), _) => Ok(self.tip_at(from)?.map_or(0, |tip| tip.entries)),
            (None, _) => Ok(0),
        }
    }
}

/// The reader with the lowest number.
fn lowest<'a, 'b>(readers: &'b mut [Reader<'a>]) -> Option<&'b mut Reader<'a>> {
    readers.iter_mut().min_by_key(|reader| (reader.number, reader.leg.start))
}

/// Entries missing between a group and the run that comes next. Of a reader that says that it has some of
/// them, those do not count.
fn missing(previous: Tip, run: &Run, told: &[Tip]) -> u64 {
    let follows = run.before.is_none_or(|before| before.group == previous.group);
    if follows { 0 } else { missing_before(previous.entries, run, told) }
}

/// The same behind so many entries.
fn missing_before(had: u64, run: &Run, told: &[Tip]) -> u64 {
    let Some(before) = run.before else { return 0 };
    let told = told.iter().filter(|tip| tip.number <= before.number).map(|tip| tip.entries);
    before.entries.saturating_sub(told.max().unwrap_or(0).max(had))
}

impl Reader<'_> {
    /// Goes on to the next group; `false` when there is none.
    fn advance(&mut self) -> Result<bool, Trouble> {
        self.gap = 0;
        if let Some(number) = self.cursor.next()? {
            self.number = number;
            return Ok(true);
        }
        let [read, runs @ ..] = self.runs else { return Ok(false) };
        let Some(run) = runs.first() else { return Ok(false) };
        self.runs = runs;
        self.cursor = Cursor::open(&self.log.folder, run, 0)?;
        self.gap = missing(read.last, run, &[]);
        match self.cursor.next()? {
            Some(number) => self.number = number,
            None => return Ok(false),
        }
        Ok(true)
    }
}
