//! One author's log as the storage thread knows it: its shape, its files and where groups lie.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::time::UnixMillis;

use super::cursor::{Cursor, Trouble};
use super::open::{Hole, LogState};
use super::scan;
use super::segment::{Name, Run, header_of};
use super::store::Written;
use crate::core::plant::chain::{Chain, Found, Gap, Leg, Place, Row};
use crate::core::plant::data::GAPS_MAX;

/// Groups that are looked at to find one of which only the id is known. Only a group that settles
/// a fork names such parents, and it names what were the ends of branches when it was written.
pub(super) const SEARCH_GROUPS_MAX: u64 = 16_384;

/// Numbers of a log among which groups are looked for at once by their ids.
const LOCATED_AT_ONCE: u64 = 1024;

/// The files of one log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) author: PublicKey,
    pub(super) folder: PathBuf,
    pub(super) chain: Chain,
    pub(super) branches: BTreeMap<u16, Files>,
}

/// The files of one branch.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// In the order of their groups; no two hold the same.
    pub(super) runs: Vec<Run>,
    /// All of them.
    pub(super) segments: BTreeMap<Name, Segment>,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) bytes: u64,
    /// When it was made, as far as the file system knows after a start.
    pub(super) begun: UnixMillis,
    /// When a group came last.
    pub(super) grown: UnixMillis,
}

/// What came of looking for groups by their ids.
#[derive(Debug, Default)]
pub(super) struct Located {
    pub(super) found: BTreeMap<GroupId, Found>,
    /// Numbers of groups that were not looked at yet.
    pub(super) rest: Range<u64>,
}

impl Files {
    /// How long a file is, prepared room left out.
    pub(super) fn length(&self, name: &Name) -> Option<u64> {
        self.segments.get(name).map(|segment| segment.bytes)
    }
}

impl Log {
    /// A log without groups, for `folder`.
    pub(super) fn new(author: PublicKey, folder: PathBuf) -> Self {
        Self { author, folder, chain: Chain::default(), branches: BTreeMap::new() }
    }

    /// The runs of a leg, in order.
    pub(super) fn runs_on(&self, leg: &Leg) -> &[Run] {
        let files = self.branches.get(&leg.start.branch);
        let runs = files.map_or(&[][..], |files| &files.runs);
        let start = runs.partition_point(|run| run.first < leg.start.number);
        let end = runs.partition_point(|run| run.first <= leg.tip.number);
        runs.get(start..end).unwrap_or_default()
    }

    pub(super) fn path(&self, name: Name) -> PathBuf {
        self.folder.join(name.to_string())
    }

    /// Bytes of all its files.
    pub(super) fn bytes(&self) -> u64 {
        let segments = self.branches.values().flat_map(|files| files.segments.values());
        segments.map(|segment| segment.bytes).sum()
    }

    pub(super) fn state(&self) -> LogState {
        let runs = || self.branches.values().flat_map(|files| &files.runs);
        let root = self.branches.values().filter_map(|files| files.runs.first());
        let first = root.min_by_key(|run| run.first);
        LogState {
            extent: self.chain.extent(),
            first: first.map_or(0, |run| run.first),
            entries_pruned: first.and_then(|run| run.before).map_or(0, |before| before.entries),
            bytes: self.bytes(),
            groups: runs().map(|run| run.groups).sum(),
        }
    }

    /// Its first gaps, as many as are worked on at a time.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let branches = self.chain.branches().values();
        branches.flat_map(|branch| &branch.gaps).take(GAPS_MAX).copied().collect()
    }

    /// What is missing in the log.
    pub(super) fn holes(&self) -> Vec<Hole> {
        let branches = self.chain.branches().iter();
        let gaps =
            branches.flat_map(|(number, branch)| branch.gaps.iter().map(|gap| (*number, gap)));
        gaps.map(|(branch, gap)| {
            let missing = gap.numbers();
            Hole { author: self.author, branch, numbers: missing.first..=missing.last }
        })
        .collect()
    }

    /// Looks up a group by its id, among those with these numbers.
    pub(super) fn find(
        &self,
        numbers: RangeInclusive<u64>,
        id: &GroupId,
    ) -> Result<Option<Found>, Trouble> {
        let mut left = SEARCH_GROUPS_MAX;
        for (branch, files) in &self.branches {
            let inside =
                files.runs.iter().rev().filter(|run| {
                    run.first <= *numbers.end() && run.last.number >= *numbers.start()
                });
            for run in inside {
                if let Some(tip) = self.find_in(run, &numbers, id, &mut left)? {
                    return Ok(Some(Found { branch: *branch, tip }));
                }
            }
        }
        Ok(None)
    }

    /// The group at a place.
    pub(super) fn tip_at(&self, place: Place) -> Result<Option<Tip>, Trouble> {
        let runs = self.branches.get(&place.branch).map_or(&[][..], |files| &files.runs);
        let mut runs = runs.iter().filter(|run| run.first <= place.number);
        let Some(run) = runs.find(|run| run.last.number >= place.number) else { return Ok(None) };
        if run.last.number == place.number {
            return Ok(Some(run.last));
        }
        let mut cursor = Cursor::open(&self.folder, run, run.point_before(place.number))?;
        while let Some(number) = cursor.next()? {
            if number == place.number {
                return Ok(header_of(cursor.group()).map(|header| Tip::of(header.id(), &header)));
            }
        }
        Ok(None)
    }

    /// Looks for groups by their ids alone among the last of those with these numbers.
    pub(super) fn locate(&self, ids: &[GroupId], numbers: Range<u64>) -> Result<Located, Trouble> {
        let mut found = BTreeMap::new();
        let runs = || self.branches.values().flat_map(|files| &files.runs);
        let lasts = runs().filter(|run| run.first < numbers.end);
        let last = lasts.map(|run| run.last.number.saturating_add(1).min(numbers.end)).max();
        let end = last.unwrap_or(0);
        let start = end.saturating_sub(LOCATED_AT_ONCE).max(numbers.start);
        for run in runs().filter(|run| run.first < end && run.last.number >= start) {
            let mut cursor = Cursor::open(&self.folder, run, run.point_before(start))?;
            while let Some(number) = cursor.next()?
                && number < end
            {
                let Some(header) = header_of(cursor.group()) else { continue };
                let id = header.id();
                if ids.contains(&id) {
                    let (branch, tip) = (run.name.branch, Tip::of(id, &header));
                    found.insert(id, Found { branch, tip });
                }
            }
        }
        Ok(Located { found, rest: numbers.start..start.min(end) })
    }

    /// Whether some of these groups are not in the log; what lies before all that is kept is not lacking.
    pub(super) fn lacks(&self, tips: &[Tip]) -> Result<bool, Trouble> {
        for tip in tips {
            let is_known = self.chain.known(&tip.group).is_some()
                || tip.number < self.chain.floor()
                || self.find(tip.number..=tip.number, &tip.group)?.is_some();
            if !is_known {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last group of each leg and the life that wrote it, the oldest branch first.
    pub(super) fn written_by(&self) -> Result<Written, Trouble> {
        let mut written = Vec::new();
        for run in self.chain.legs().filter_map(|leg| self.runs_on(&leg).last()) {
            let last = run.points.len().saturating_sub(1);
            let mut cursor = Cursor::open(&self.folder, run, last)?;
            let mut header = None;
            while cursor.next()?.is_some() {
                header = header_of(cursor.group());
            }
            written.extend(header.map(|header| (header.id(), header.incarnation)));
        }
        Ok(written)
    }

    /// Looks from the highest number downwards, one stretch between points after the other.
    fn find_in(
        &self,
        run: &Run,
        numbers: &RangeInclusive<u64>,
        id: &GroupId,
        left: &mut u64,
    ) -> Result<Option<Tip>, Trouble> {
        if run.last.group == *id {
            return Ok(Some(run.last));
        }
        let (lowest, highest) =
            (run.point_before(*numbers.start()), run.point_before(*numbers.end()));
        for point in (lowest..=highest).rev() {
            let mut cursor = Cursor::between(&self.folder, run, point)?;
            while let Some(number) = cursor.next()?
                && number <= *numbers.end()
            {
                if number < *numbers.start() {
                    continue;
                }
                if *left == 0 {
                    return Ok(None);
                }
                *left -= 1;
                let header = header_of(cursor.group());
                if let Some(header) = header
                    && header.id() == *id
                {
                    return Ok(Some(Tip::of(header.id(), &header)));
                }
            }
        }
        Ok(None)
    }

    /// Reads a file again in which damage was met, so that it becomes a hole. Where that fails, what
    /// was known of it stays.
    pub(super) fn rescan(&mut self, name: Name) -> io::Result<()> {
        let path = self.path(name);
        let Some(files) = self.branches.get_mut(&name.branch) else { return Ok(()) };
        let Some(length) = files.length(&name) else { return Ok(()) };
        let found = match File::open(path) {
            Ok(file) => {
                // Somebody may have shortened it.
                let length = length.min(file.metadata()?.len());
                scan::scan(&file, name, length)?.runs
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        files.runs.retain(|run| run.name != name);
        files.runs.extend(found);
        files.runs.sort_unstable_by_key(|run| run.first);
        self.relink(name.branch);
        Ok(())
    }

    /// Takes what the files of a branch hold into its shape.
    pub(super) fn relink(&mut self, branch: u16) {
        let Some(shape) = self.chain.branches().get(&branch) else { return };
        let runs = self.branches.get(&branch).map_or(&[][..], |files| &files.runs);
        let gaps = shape.gaps_between(&rows(runs));
        self.chain.set_gaps(branch, gaps);
    }
}

/// What runs hold of a branch.
pub(super) fn rows(runs: &[Run]) -> Vec<Row> {
    let row = |run: &Run| Row { first: run.first, before: run.before, last: run.last };
    runs.iter().map(row).collect()
}

/// The directory of an author's log.
pub(super) fn folder(data: &Path, author: &PublicKey) -> PathBuf {
    data.join(author.to_string())
}
