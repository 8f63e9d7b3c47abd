//! One commit: what is to be written, worked out on copies, then written, and only then true.
//!
//! Every file that is touched becomes a [`Piece`]: a copy of the run that grows, and the bytes that
//! come behind it. A failed step takes all pieces back, so that an append is durable as a whole or
//! absent.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey};
use gearmesh_protocol::log::{Tip, VerifiedGroup};
use gearmesh_protocol::time::UnixMillis;

use super::cursor::Trouble;
use super::errors::{Fault, Step};
use super::files::Files;
use super::logs::{Log, Segment, folder};
use super::segment::{FORMAT, GROUP, HEAD, Head, JOIN, Name, Run, join_payload};
use super::store::{Outcome, Stored};
use crate::core::plant::chain::{Chain, Found, Link, Place, Placing, Put};
use crate::shell::frames::{Frame, HEADER_BYTES};

/// What one commit is to write.
pub(super) struct Plan<'a> {
    dir: &'a Path,
    plant: PlantId,
    filling: Filling,
    logs: &'a BTreeMap<PublicKey, Log>,
    drafts: BTreeMap<PublicKey, Draft>,
    /// In the order in which they are to be written.
    pieces: Vec<Piece>,
    groups: u64,
}

/// When a segment has enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling {
    /// Length that no segment exceeds, unless one group does.
    pub(super) bytes_max: u64,
    /// How long groups are added to it: segments go whole, so it must not get too old.
    pub(super) age_max: Option<Duration>,
    /// What the clock says.
    pub(super) now: UnixMillis,
}

impl Filling {
    fn is_over(&self, segment: &Segment) -> bool {
        let age = Duration::from_millis(self.now.since(segment.begun));
        self.age_max.is_some_and(|most| age > most)
    }
}

/// A log as it will be.
#[derive(Default)]
struct Draft {
    chain: Chain,
    /// Groups that are not in the files yet.
    coming: Vec<Found>,
}

/// What is added to one file.
struct Piece {
    author: PublicKey,
    path: PathBuf,
    /// The run as it will be.
    run: Run,
    /// Length of the file; none when it is to be made.
    length: Option<u64>,
    /// What comes behind it; for a new file from its header on.
    bytes: Vec<u8>,
    /// How many of these are a new file's header and head.
    head_bytes: usize,
}

/// A commit that was worked out.
pub(super) struct Planned {
    chains: BTreeMap<PublicKey, Chain>,
    pieces: Vec<Piece>,
    pub(super) groups: u64,
    now: UnixMillis,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        dir: &'a Path,
        plant: PlantId,
        filling: Filling,
        logs: &'a BTreeMap<PublicKey, Log>,
    ) -> Self {
        let (drafts, pieces) = (BTreeMap::new(), Vec::new());
        Self { dir, plant, filling, logs, drafts, pieces, groups: 0 }
    }

    /// Takes one group in; `is_apart` says that a missing parent is not to hinder it.
    pub(super) fn take(
        &mut self,
        group: &VerifiedGroup,
        is_apart: bool,
    ) -> Result<Stored, Trouble> {
        let (header, id) = (group.header(), group.id());
        let author = header.log.author;
        let log = self.logs.get(&author);
        let draft = self.drafts.entry(author).or_insert_with(|| Draft {
            chain: log.map(|log| log.chain.clone()).unwrap_or_default(),
            coming: Vec::new(),
        });
        let mut trouble = None;
        let mut find = |numbers: RangeInclusive<u64>, id: &GroupId| {
            draft.find(log, numbers, id).unwrap_or_else(|met| {
                trouble = Some(met);
                None
            })
        };
        let placing = match draft.chain.place(header, &id, &mut find) {
            Placing::MissingParent if is_apart => draft.chain.place_apart(header, &mut find),
            other => other,
        };
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let fills = matches!(&placing, Placing::Put(put) if put.link.fills());
        let outcome = match placing {
            Placing::Known => Outcome::Known,
            Placing::MissingParent => Outcome::MissingParent,
            Placing::Miscounted => Outcome::Miscounted,
            Placing::Full => Outcome::Full,
            Placing::Put(put) => {
                self.add(group, &put);
                Outcome::New
            }
        };
        let extent = self.drafts.get(&author).map(|draft| draft.chain.extent()).unwrap_or_default();
        Ok(Stored { outcome, fills, extent })
    }

    /// Puts a group into the piece that it belongs to.
    fn add(&mut self, group: &VerifiedGroup, put: &Put) {
        let (author, tip) = (group.header().log.author, group.tip());
        let Some(draft) = self.drafts.get_mut(&author) else { return };
        let payload = codec::encode(group.group());
        let join = (!put.joins.is_empty()).then(|| join_payload(&put.joins));
        let join = join.as_deref().map(|payload| Frame { kind: JOIN, payload });
        let frame = Frame { kind: GROUP, payload: &payload };
        let bytes = frame.bytes() + join.map_or(0, |join| join.bytes());
        let leg = draft.chain.leg_at(Place { branch: put.branch, number: tip.number });
        let (follows, before) = match put.link {
            Link::Append => (true, leg.map(|leg| leg.tip)),
            Link::Fill { after } => (true, after),
            Link::Skip { until } | Link::Lead { until } => (false, Some(until)),
            Link::Turn { before, .. } => (false, Some(before)),
            Link::Fork { before, .. } => (false, before),
        };
        let from = match put.link {
            Link::Fork { from, .. } => from,
            Link::Turn { from, .. } => Some(from),
            Link::Append | Link::Fill { .. } | Link::Lead { .. } | Link::Skip { .. } => {
                leg.and_then(|leg| leg.from)
            }
        };
        // A file of its own comes after all that was to be written before it.
        let settles = |found: &Found| put.joins.contains(&found.place());
        let follows = follows && !draft.coming.iter().any(settles);
        draft.chain.placed(tip, put);
        draft.coming.push(Found { branch: put.branch, tip });
        let place = before
            .filter(|_| follows)
            .and_then(|before| self.growing(author, put.branch, before, bytes));
        let at = place.unwrap_or_else(|| {
            let from = from.map(|at| (at.branch, at.number));
            let head = Head { plant: self.plant, author, branch: put.branch, from, before };
            self.begin(&head, tip, put.link.fills())
        });
        let Some(piece) = self.pieces.get_mut(at) else { return };
        if let Some(join) = join {
            join.encode(piece.end(), &mut piece.bytes);
        }
        let offset = piece.end();
        frame.encode(offset, &mut piece.bytes);
        let end = piece.end();
        if piece.run.groups == 0 {
            piece.run = Run::begun(piece.run.name, before, tip, offset, end);
        } else {
            piece.run.extended(tip, offset, end);
        }
        self.groups += 1;
    }

    /// The piece whose run ends with `before` and whose file has room.
    fn growing(
        &mut self,
        author: PublicKey,
        branch: u16,
        before: Tip,
        bytes: usize,
    ) -> Option<usize> {
        let most = self.filling.bytes_max;
        let fits = |end: u64| end + bytes as u64 <= most;
        let begun = self.pieces.iter().rposition(|piece| {
            piece.author == author
                && piece.run.name.branch == branch
                && piece.run.last.group == before.group
        });
        if let Some(at) = begun {
            return self.pieces.get(at).filter(|piece| fits(piece.end())).map(|_| at);
        }
        let log = self.logs.get(&author)?;
        let files = log.branches.get(&branch)?;
        let run = files.runs.iter().rev().find(|run| run.last.group == before.group)?;
        // Bytes behind the run are damage; they are never written over.
        let segment = files.segments.get(&run.name)?;
        let length = segment.bytes;
        if length != run.end || !fits(length) || self.filling.is_over(segment) {
            return None;
        }
        self.pieces.push(Piece {
            author,
            path: log.path(run.name),
            run: run.clone(),
            length: Some(length),
            bytes: Vec::new(),
            head_bytes: 0,
        });
        Some(self.pieces.len() - 1)
    }

    /// A piece that begins a segment with the group `tip`.
    fn begin(&mut self, head: &Head, tip: Tip, is_fill: bool) -> usize {
        let mut name = Name { branch: head.branch, first: tip.number, fill: u16::from(is_fill) };
        let log = self.logs.get(&head.author);
        let files = log.and_then(|log| log.branches.get(&head.branch));
        while files.is_some_and(|files| files.segments.contains_key(&name)) {
            name.fill = name.fill.saturating_add(1);
        }
        let folder = log.map_or_else(|| folder(self.dir, &head.author), |log| log.folder.clone());
        let mut bytes = FORMAT.encode().to_vec();
        let payload = codec::encode(head);
        Frame { kind: HEAD, payload: &payload }.encode(HEADER_BYTES, &mut bytes);
        let head_bytes = bytes.len();
        let run = Run { groups: 0, ..Run::begun(name, head.before, tip, 0, 0) };
        let path = folder.join(name.to_string());
        self.pieces.push(Piece { author: head.author, path, run, length: None, bytes, head_bytes });
        self.pieces.len() - 1
    }

    /// What is to be carried out.
    pub(super) fn ready(self) -> Planned {
        let drafts = self.drafts.into_iter().filter(|(_, draft)| !draft.coming.is_empty());
        let chains = drafts.map(|(author, draft)| (author, draft.chain)).collect();
        Planned { chains, pieces: self.pieces, groups: self.groups, now: self.filling.now }
    }
}

impl Draft {
    fn find(
        &self,
        log: Option<&Log>,
        numbers: RangeInclusive<u64>,
        id: &GroupId,
    ) -> Result<Option<Found>, Trouble> {
        let coming = self.coming.iter().find(|found| found.tip.group == *id);
        match (coming, log) {
            (Some(found), _) => Ok(Some(*found)),
            (None, Some(log)) => log.find(numbers, id),
            (None, None) => Ok(None),
        }
    }
}

impl Piece {
    /// Where the next record goes.
    fn end(&self) -> u64 {
        self.length.unwrap_or(0) + self.bytes.len() as u64
    }

    /// Whether it begins the next segment of a branch.
    fn is_next(&self) -> bool {
        self.length.is_none() && self.run.name.fill == 0
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// A step that failed.
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// Whether what was written before is gone again for certain.
    pub(super) is_undone: bool,
}

impl Planned {
    /// Bytes to be written.
    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes.len() as u64).sum()
    }

    /// Writes everything and makes it durable, or takes it all back.
    pub(super) fn carry_out(&self, files: &mut impl Files) -> Result<(), Failed> {
        let mut begun = 0;
        let done = self.write(files, &mut begun);
        let Err(fault) = done else { return Ok(()) };
        let undone = self.undo(files, begun);
        // After a failed sync nobody can tell what is durable. What was written is taken back all
        // the same, to keep the next opening from finding it; if that fails too, there is nothing
        // better left to do.
        match (fault.step, undone) {
            (Step::Sync, _) => Err(Failed { fault, is_undone: false }),
            (_, Ok(())) => Err(Failed { fault, is_undone: true }),
            (_, Err(error)) => {
                let fault = Fault::new(Step::Undo, &error);
                Err(Failed { fault, is_undone: false })
            }
        }
    }

    fn write(&self, files: &mut impl Files, begun: &mut usize) -> Result<(), Fault> {
        let failed = |step| move |error: std::io::Error| Fault::new(step, &error);
        let mut synced = 0;
        for (at, piece) in self.pieces.iter().enumerate() {
            *begun = at + 1;
            let (head, groups) = piece.bytes.split_at(piece.head_bytes);
            if piece.length.is_none() {
                // Groups of the new file may follow those of the others: it must not outlive them.
                sync(files, self.pieces.get(synced..at).unwrap_or_default())?;
                synced = at;
                let folder = piece.folder();
                files.make_folder(folder).map_err(failed(Step::Create))?;
                let above = folder.parent().unwrap_or(folder);
                files.sync_folder(above).map_err(failed(Step::Sync))?;
                files.create(&piece.path).map_err(failed(Step::Create))?;
                files.write(&piece.path, head, 0).map_err(failed(Step::Write))?;
                files.sync(&piece.path).map_err(failed(Step::Sync))?;
                files.sync_folder(folder).map_err(failed(Step::Sync))?;
            }
            let offset = piece.length.unwrap_or(0) + head.len() as u64;
            files.write(&piece.path, groups, offset).map_err(failed(Step::Write))?;
        }
        sync(files, self.pieces.get(synced..).unwrap_or_default())
    }

    /// Takes back what the first `begun` pieces may have written.
    fn undo(&self, files: &mut impl Files, begun: usize) -> std::io::Result<()> {
        let mut result = Ok(());
        for piece in self.pieces.iter().take(begun).rev() {
            let undone = match piece.length {
                Some(length) => files.cut(&piece.path, length),
                None => match files.remove(&piece.path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                    Err(error) => Err(error),
                    Ok(()) => files.sync_folder(piece.folder()),
                },
            };
            result = result.and(undone);
        }
        result
    }

    /// Makes it what the store knows. Which segments were closed by it.
    pub(super) fn apply(
        self,
        dir: &Path,
        logs: &mut BTreeMap<PublicKey, Log>,
    ) -> Vec<(PublicKey, Name)> {
        let mut closed = Vec::new();
        for (author, chain) in self.chains {
            let log = logs.entry(author).or_insert_with(|| Log::new(author, folder(dir, &author)));
            log.chain = chain;
        }
        for piece in self.pieces {
            let Some(log) = logs.get_mut(&piece.author) else { continue };
            let files = log.branches.entry(piece.run.name.branch).or_default();
            let last = files.runs.last().map(|run| run.name);
            closed.extend(last.filter(|_| piece.is_next()).map(|name| (piece.author, name)));
            let (bytes, grown) = (piece.end(), self.now);
            let known = files.segments.get(&piece.run.name);
            let begun = known.map_or(grown, |segment| segment.begun);
            files.segments.insert(piece.run.name, Segment { bytes, begun, grown });
            let first = piece.run.first;
            match files.runs.binary_search_by_key(&first, |run| run.first) {
                Ok(at) => files.runs[at] = piece.run,
                Err(at) => files.runs.insert(at, piece.run),
            }
        }
        closed
    }
}

fn sync(files: &mut impl Files, pieces: &[Piece]) -> Result<(), Fault> {
    for piece in pieces {
        files.sync(&piece.path).map_err(|error| Fault::new(Step::Sync, &error))?;
    }
    Ok(())
}
