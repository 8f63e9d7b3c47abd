//! Opening the store: every file is read once, unless it is known already; torn ends are cut, what is
//! missing is noted.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey};
use gearmesh_protocol::log::Tip;

use super::errors::DataError;
use super::index::Index;
use super::logs::{Files, Log, Segment, rows};
use super::prepared::without_room;
use super::scan::{self, Scanned};
use super::segment::{BEGUN_BYTES_MAX, FORMAT_VERSION, Name};
use crate::core::plant::chain::{Branch, Chain, Extent, Place};
use crate::shell::clock::wall;
use crate::shell::frames::{HEADER_BYTES, Header};

/// What opening the store found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shell) struct Opened {
    /// Every log of which a group is here.
    pub(in crate::shell) logs: BTreeMap<PublicKey, LogState>,
    /// What was cut off.
    pub(in crate::shell) torn: Vec<Torn>,
    /// What is missing.
    pub(in crate::shell) holes: Vec<Hole>,
}

impl Opened {
    /// Says what was cut off and what is missing.
    pub(in crate::shell) fn tell(&self) {
        for Torn { path, offset, bytes } in &self.torn {
            let segment = path.display();
            tracing::warn!(%segment, offset, bytes, "cut off what was not whole");
        }
        for Hole { author, numbers, .. } in &self.holes {
            let (first, last) = (numbers.start(), numbers.end());
            tracing::warn!(%author, first, last, "groups of a data log are missing or damaged");
        }
    }

    /// What there is of all logs.
    pub(in crate::shell) fn extents(&self) -> BTreeMap<PublicKey, Extent> {
        self.logs.iter().map(|(author, state)| (*author, state.extent.clone())).collect()
    }
}

/// One log as it is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shell) struct LogState {
    /// What there is of it.
    pub(in crate::shell) extent: Extent,
    /// The lowest number of a group that is here, on whatever branch.
    pub(in crate::shell) first: u64,
    /// Entries before that group: pruned, or never received.
    pub(in crate::shell) entries_pruned: u64,
    /// Bytes of its files.
    pub(in crate::shell) bytes: u64,
    /// Groups that are here.
    pub(in crate::shell) groups: u64,
}

/// Bytes after the last intact group of a branch: an append cut short, or damage there. They were
/// cut off; or, where not even the head of a segment was readable, it was set aside as `.bad`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Torn {
    /// The segment.
    pub(in crate::shell) path: PathBuf,
    /// Where its last intact group ends.
    pub(in crate::shell) offset: u64,
    /// How many bytes came after it.
    pub(in crate::shell) bytes: u64,
}

/// Groups that are missing although later ones are here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Hole {
    /// Whose log.
    pub(in crate::shell) author: PublicKey,
    /// On which branch.
    pub(in crate::shell) branch: u16,
    /// The numbers that the missing groups may have.
    pub(in crate::shell) numbers: RangeInclusive<u64>,
}

/// A branch while its files are gathered.
#[derive(Default)]
struct Gathered {
    files: Files,
    /// The group that it goes on from and the one before the first, by the head of the first file.
    begin: Option<(Name, Option<Place>, Option<Tip>)>,
    /// Files without any group, and where their last record ends.
    barren: BTreeMap<Name, u64>,
}

/// Opens the logs below `dir`, which is created when there is none.
pub(super) fn open(
    dir: &Path,
    plant: Option<PlantId>,
    index: &mut Index,
) -> Result<(BTreeMap<PublicKey, Log>, Opened), DataError> {
    let was_empty = index.is_empty();
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_parent(dir).map_err(DataError::io(dir, "sync the directory of"))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(DataError::io(dir, "create")(error)),
    }
    let (mut logs, mut opened) = (BTreeMap::new(), Opened::default());
    for name in names(dir)? {
        let Ok(author) = name.parse::<PublicKey>() else {
            tracing::warn!(%name, "left alone: no log of a member");
            continue;
        };
        let log = open_log(author, dir.join(&name), plant, index, &mut opened.torn)?;
        if !log.chain.branches().is_empty() {
            opened.logs.insert(author, log.state());
            opened.holes.extend(log.holes());
        }
        logs.insert(author, log);
    }
    index.opened(was_empty);
    Ok((logs, opened))
}

fn open_log(
    author: PublicKey,
    folder: PathBuf,
    plant: Option<PlantId>,
    index: &mut Index,
    torn: &mut Vec<Torn>,
) -> Result<Log, DataError> {
    let mut log = Log::new(author, folder);
    let mut gathered: BTreeMap<u16, Gathered> = BTreeMap::new();
    let mut joins: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
    let mut lost_joins = Vec::new();
    let mut segments = Vec::new();
    for name in names(&log.folder)? {
        match name.parse::<Name>() {
            Ok(name) => segments.push(name),
            Err(_) => {
                let path = log.folder.join(&name);
                tracing::warn!(path = %path.display(), "left alone: no segment");
            }
        }
    }
    for name in segments.iter().copied() {
        let path = log.folder.join(name.to_string());
        let place = (author, name);
        let (scanned, segment) = match is_settled(name, &segments) && !has_fills(name, &segments) {
            true => read_settled(&path, place, index)?,
            false => read(&path, name)?,
        };
        check(&path, author, name, plant, &scanned)?;
        joins.extend(scanned.joins.iter().cloned());
        lost_joins.extend(scanned.lost_joins.iter().cloned());
        gathered.entry(name.branch).or_default().take(name, scanned, segment);
    }
    let mut begins = BTreeMap::new();
    for (number, mut of) in gathered {
        of.settle(&log, torn)?;
        of.cut(&log, torn)?;
        let Gathered { mut files, begin, .. } = of;
        drop_doubles(&mut files);
        begins.insert(number, begin);
        log.branches.insert(number, files);
    }
    let branches = begins.into_iter().filter_map(|(number, begin)| {
        Some((number, branch_of(&log, log.branches.get(&number)?, begin)?))
    });
    let branches: BTreeMap<u16, Branch> = branches.collect();
    for (place, parents) in lost_joins {
        let below = 0..=place.number.saturating_sub(1);
        let found = parents.iter().filter_map(|id| found_again(&log, below.clone(), id));
        joins.entry(place).or_default().extend(found);
    }
    sync_folder(&log.folder).map_err(DataError::io(&log.folder, "sync"))?;
    log.chain = Chain::restored(branches, joins);
    Ok(log)
}

/// The branch that these files hold, if they hold a group.
fn branch_of(
    log: &Log,
    files: &Files,
    begin: Option<(Name, Option<Place>, Option<Tip>)>,
) -> Option<Branch> {
    let (first, last) = (files.runs.first()?, files.runs.last()?);
    let find = |tip: &Tip| found_again(log, tip.number..=tip.number, &tip.group);
    let told = begin.filter(|(name, ..)| *name == first.name);
    let before = told.map_or(first.before, |(.., before)| before);
    let from = begin.and_then(|(_, from, _)| from).or_else(|| find(&before?));
    Some(Branch::restored((from, before), &rows(&files.runs), last.last, find))
}

/// Whether all of a segment is durable: before the next one of its branch was begun, it was synced.
fn is_settled(name: Name, all: &[Name]) -> bool {
    let follows = |other: &Name| other.branch == name.branch && other.first > name.first;
    name.fill == 0 && all.iter().any(|other| other.fill == 0 && follows(other))
}

/// Whether something fills a hole of its branch. That counts only where the hole is seen, so such a
/// branch is always read.
fn has_fills(name: Name, all: &[Name]) -> bool {
    all.iter().any(|other| other.branch == name.branch && other.fill > 0)
}

/// What one file holds of which all is durable: known, or read.
fn read_settled(
    path: &Path,
    (author, name): (PublicKey, Name),
    index: &mut Index,
) -> Result<(Scanned, Segment), DataError> {
    let told = fs::metadata(path).map_err(DataError::io(path, "read the length of"))?;
    if let Some(known) = index.take(&author, name, &told) {
        return Ok((known.scanned, segment(&told, known.bytes)));
    }
    let file = File::open(path).map_err(DataError::io(path, "open"))?;
    let (scanned, bytes) = read_through(&file, name, &told).map_err(DataError::io(path, "read"))?;
    index.note(&author, name, &scanned, (&told, bytes));
    Ok((scanned, segment(&told, bytes)))
}

/// Reads one file, and makes durable what was read: a killed process may have left it in the page
/// cache, and it will be acted upon.
fn read(path: &Path, name: Name) -> Result<(Scanned, Segment), DataError> {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.map_err(DataError::io(path, "open"))?;
    let told = file.metadata().map_err(DataError::io(path, "read the length of"))?;
    let (scanned, bytes) = read_through(&file, name, &told).map_err(DataError::io(path, "read"))?;
    file.sync_all().map_err(DataError::io(path, "sync"))?;
    Ok((scanned, segment(&told, bytes)))
}

/// Reads a file from end to end: what it holds, and its length without prepared room.
pub(super) fn read_through(file: &File, name: Name, told: &Metadata) -> io::Result<(Scanned, u64)> {
    let scanned = scan::scan(file, name, told.len())?;
    let bytes = without_room(file, scanned.end, told.len())?;
    Ok((scanned, bytes))
}

fn segment(told: &Metadata, bytes: u64) -> Segment {
    let grown = wall(told.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    let begun = told.created().map_or(grown, |created| wall(created).min(grown));
    Segment { bytes, begun, grown }
}

/// Whether the file is a segment of this log.
fn check(
    path: &Path,
    author: PublicKey,
    name: Name,
    plant: Option<PlantId>,
    scanned: &Scanned,
) -> Result<(), DataError> {
    let newer = match scanned.header {
        Header::Other { version } => Some(version),
        Header::Damaged { claims: Some(version) } if scanned.runs.is_empty() => {
            Some(version).filter(|version| *version != FORMAT_VERSION)
        }
        Header::Absent | Header::Current | Header::Damaged { .. } => None,
    };
    if let Some(found) = newer {
        let path = path.to_owned();
        return Err(DataError::UnsupportedVersion { path, found, supported: FORMAT_VERSION });
    }
    let Some(head) = scanned.head else { return Ok(()) };
    if (head.author, head.branch) != (author, name.branch) {
        return Err(DataError::Misplaced { path: path.to_owned() });
    }
    match plant.filter(|wanted| *wanted != head.plant) {
        Some(wanted) => {
            Err(DataError::OtherPlant { path: path.to_owned(), found: head.plant, wanted })
        }
        None => Ok(()),
    }
}

impl Gathered {
    fn take(&mut self, name: Name, scanned: Scanned, segment: Segment) {
        if let Some(head) = scanned.head {
            // A group that fills a hole has others before it.
            if name.fill == 0 && self.begin.is_none_or(|(first, ..)| name < first) {
                self.begin = Some((name, head.from(), head.before));
            }
        }
        if scanned.runs.is_empty() {
            self.barren.insert(name, scanned.end);
        }
        self.files.runs.extend(scanned.runs);
        self.files.runs.sort_unstable_by_key(|run| (run.first, run.last.number));
        self.files.segments.insert(name, segment);
    }

    /// Judges the files without a group: segments that were begun and hold nothing yet go, an
    /// unreadable last one is set aside so that its name is free, others stay as evidence of a
    /// hole.
    fn settle(&mut self, log: &Log, torn: &mut Vec<Torn>) -> Result<(), DataError> {
        let last = self.files.runs.last().map(|run| run.last.number);
        for (name, end) in &self.barren {
            let length = self.files.length(name).unwrap_or(0);
            let path = log.path(*name);
            let has_head = *end > HEADER_BYTES;
            let is_last = last.is_none_or(|last| last < name.first);
            if length <= BEGUN_BYTES_MAX || (is_last && has_head) {
                fs::remove_file(&path).map_err(DataError::io(&path, "remove"))?;
            } else if is_last {
                let aside = path.with_extension("seg.bad");
                fs::rename(&path, aside).map_err(DataError::io(&path, "set aside"))?;
            } else {
                continue;
            }
            self.files.segments.remove(name);
            let is_begun = length <= BEGUN_BYTES_MAX && !has_head;
            if length > *end && !is_begun {
                torn.push(Torn { path, offset: *end, bytes: length - *end });
            }
        }
        Ok(())
    }

    /// Cuts what follows the branch's last group, so that the next one can be put there.
    fn cut(&mut self, log: &Log, torn: &mut Vec<Torn>) -> Result<(), DataError> {
        let Some(run) = self.files.runs.last() else { return Ok(()) };
        let Some(segment) = self.files.segments.get_mut(&run.name) else { return Ok(()) };
        // A file that fills a hole may end with a group before the branch's last one.
        if run.end >= segment.bytes {
            return Ok(());
        }
        let path = log.path(run.name);
        let file = OpenOptions::new().write(true).open(&path);
        let cut = file.and_then(|file| {
            file.set_len(run.end)?;
            file.sync_all()
        });
        cut.map_err(DataError::io(&path, "cut the torn end of"))?;
        torn.push(Torn { path, offset: run.end, bytes: segment.bytes - run.end });
        segment.bytes = run.end;
        Ok(())
    }
}

/// Where a group lies that a lost record told of.
fn found_again(log: &Log, numbers: RangeInclusive<u64>, id: &GroupId) -> Option<Place> {
    let found = log.find(numbers, id).ok().flatten()?;
    Some(found.place())
}

/// Leaves out what another run holds too, which only happens when somebody put files back.
fn drop_doubles(files: &mut Files) {
    let mut last: Option<u64> = None;
    files.runs.retain(|run| {
        let is_new = last.is_none_or(|last| run.first > last);
        if is_new {
            last = Some(run.last.number);
        } else {
            tracing::error!(segment = %run.name, "left out: its groups are in another segment");
        }
        is_new
    });
}

/// The names in a directory, in order.
fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let listed = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    };
    listed().map_err(DataError::io(folder, "list"))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        Some(_) | None => sync_folder(Path::new(".")),
    }
}
