//! Letting old groups go: whole segments, oldest first, never a branch's last one; but with the group
//! that settled a fork, all of the branch that it ended.

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;

use super::errors::{AppendError, Fault, Step};
use super::files::Files;
use super::logs::Log;
use super::open::LogState;
use super::segment::Name;
use super::store::Store;
use crate::core::plant::chain::{Leg, Place};

/// What stays of a log.
#[derive(Clone, Copy, Debug)]
pub(in crate::shell) struct Stay {
    /// It stays at so many bytes or more.
    pub(in crate::shell) bytes: u64,
    /// But what came before then goes all the same.
    pub(in crate::shell) since: Option<UnixMillis>,
    /// Groups from this number on stay in any case.
    pub(in crate::shell) from: u64,
}

/// What is left of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) struct Left {
    pub(in crate::shell) log: LogState,
    /// The last group of what was to go as well, had it not been needed.
    pub(in crate::shell) held: Option<u64>,
}

impl<F: Files> Store<F> {
    /// Lets segments go that are not to stay.
    pub(super) fn prune(&mut self, author: &PublicKey, stay: Stay) -> Result<Left, AppendError> {
        if let Some(cause) = self.poison {
            return Err(AppendError::Poisoned { cause });
        }
        loop {
            let Some(log) = self.logs.get_mut(author) else {
                return Ok(Left { log: LogState::default(), held: None });
            };
            let state = log.state();
            let Some(oldest) = log.oldest() else { return Ok(Left { log: state, held: None }) };
            let last = oldest.names.iter().filter_map(|name| log.end_of(*name)).max();
            let is_needed = last >= Some(stay.from);
            let is_spare = state.bytes.saturating_sub(oldest.bytes) >= stay.bytes;
            let is_old = stay.since.is_some_and(|since| oldest.grown < since);
            let is_to_go = is_spare || is_old;
            if is_needed || !is_to_go {
                return Ok(Left { log: state, held: last.filter(|_| is_to_go) });
            }
            for name in oldest.names {
                self.forget(author, name)?;
            }
        }
    }

    /// Lets one segment go, durably: a crash leaves no gap behind what is left.
    fn forget(&mut self, author: &PublicKey, name: Name) -> Result<(), AppendError> {
        let Some(log) = self.logs.get_mut(author) else { return Ok(()) };
        let gone = self.files.remove(&log.path(name));
        gone.map_err(|error| AppendError::Refused { fault: Fault::new(Step::Remove, &error) })?;
        log.forget(name);
        self.index.forget(author, name);
        match self.files.sync_folder(&log.folder) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.poisoned_by(Fault::new(Step::Sync, &error))),
        }
    }
}

/// The segment with the lowest numbers that its leg of a branch can do without, behind those that fill
/// its holes; before them legs that ended in a group that goes with it.
struct Oldest {
    names: Vec<Name>,
    /// Of all these.
    bytes: u64,
    /// When a group came last to any of them.
    grown: UnixMillis,
}

impl Log {
    fn oldest(&self) -> Option<Oldest> {
        let spare = self.chain.legs().filter_map(|leg| {
            let last = self.runs_on(&leg).last()?.name;
            let first = self.names_on(&leg).next()?;
            (first != last).then_some((first, leg))
        });
        let (first, leg) = spare.min_by_key(|(name, _)| (name.first, name.branch))?;
        let fills = |name: &Name| *name != first && self.end_of(*name) < self.end_of(first);
        let mut going: Vec<Name> = self.names_on(&leg).filter(fills).collect();
        going.push(first);
        let left = self.runs_on(&leg).iter().find(|run| !going.contains(&run.name));
        let before = left.and_then(|run| run.before).map_or(0, |before| before.number);
        let ended = self.chain.joined_before(leg.start, before);
        let ended = ended.iter().filter_map(|start| self.chain.leg_at(*start));
        let mut names: Vec<Name> =
            ended.flat_map(|leg| self.names_on(&leg).collect::<Vec<_>>()).collect();
        names.extend(going);
        let segment = |name: &Name| self.branches.get(&name.branch)?.segments.get(name);
        let segments = || names.iter().filter_map(segment);
        let bytes = segments().map(|segment| segment.bytes).sum();
        let grown = segments().map(|segment| segment.grown).max()?;
        Some(Oldest { names, bytes, grown })
    }

    /// The segments of a leg, in order.
    fn names_on(&self, leg: &Leg) -> impl Iterator<Item = Name> + '_ {
        let start = leg.start;
        let files = self.branches.get(&start.branch);
        let names = files.into_iter().flat_map(|files| files.segments.keys().copied());
        names.filter(move |name| {
            let on = self.chain.leg_at(Place { number: name.first, ..start });
            on.is_some_and(|leg| leg.start == start)
        })
    }

    /// The highest number of a group in a segment.
    fn end_of(&self, name: Name) -> Option<u64> {
        let runs = self.branches.get(&name.branch).into_iter().flat_map(|files| &files.runs);
        runs.filter(|run| run.name == name).map(|run| run.last.number).max()
    }

    /// Takes a segment out of what is known.
    fn forget(&mut self, name: Name) {
        let leg = self.chain.leg_at(Place { branch: name.branch, number: name.first });
        let Some(files) = self.branches.get_mut(&name.branch) else { return };
        files.segments.remove(&name);
        files.runs.retain(|run| run.name != name);
        if files.segments.is_empty() {
            self.branches.remove(&name.branch);
        }
        let Some(leg) = leg else { return };
        if self.names_on(&leg).next().is_none() {
            self.chain.forget(leg.start);
        } else if let Some(before) = self.runs_on(&leg).first().and_then(|run| run.before) {
            self.chain.pruned(leg.start, before);
        }
        self.relink(name.branch);
    }
}
