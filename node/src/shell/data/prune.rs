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

impl<F: Files> Store<F> {
    /// Lets segments go that are not to stay.
    pub(super) fn prune(
        &mut self,
        author: &PublicKey,
        stay: Stay,
    ) -> Result<LogState, AppendError> {
        if let Some(cause) = self.poison {
            return Err(AppendError::Poisoned { cause });
        }
        loop {
            let Some(log) = self.logs.get_mut(author) else { return Ok(LogState::default()) };
            let state = log.state();
            let Some(oldest) = log.oldest() else { return Ok(state) };
            let is_needed = oldest.names.iter().any(|name| log.end_of(*name) >= Some(stay.from));
            let is_spare = state.bytes.saturating_sub(oldest.bytes) >= stay.bytes;
            let is_old = stay.since.is_some_and(|since| oldest.grown < since);
            if is_needed || !(is_spare || is_old) {
                return Ok(state);
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

/// The segment with the lowest numbers that its branch can do without, behind those that fill its
/// holes; before them branches that ended in a group that goes with it.
struct Oldest {
    names: Vec<Name>,
    /// Of all these.
    bytes: u64,
    /// When a group came last to any of them.
    grown: UnixMillis,
}

impl Log {
    fn oldest(&self) -> Option<Oldest> {
        let spare = self.branches.values().filter_map(|files| {
            let last = files.runs.last()?.name;
            let first = *files.segments.first_key_value()?.0;
            (first != last).then_some((first, files))
        });
        let (first, files) = spare.min_by_key(|(name, _)| (name.first, name.branch))?;
        let fills = |name: &Name| *name != first && self.end_of(*name) < self.end_of(first);
        let mut going: Vec<Name> = files.segments.keys().copied().filter(fills).collect();
        going.push(first);
        let left = files.runs.iter().find(|run| !going.contains(&run.name));
        let before = left.and_then(|run| run.before).map_or(0, |before| before.number);
        let ended = self.chain.joined_before(first.branch, before);
        let ended = ended.iter().filter_map(|branch| self.branches.get(branch));
        let mut names: Vec<Name> = ended.flat_map(|files| files.segments.keys().copied()).collect();
        names.extend(going);
        let segment = |name: &Name| self.branches.get(&name.branch)?.segments.get(name);
        let segments = || names.iter().filter_map(segment);
        let bytes = segments().map(|segment| segment.bytes).sum();
        let grown = segments().map(|segment| segment.grown).max()?;
        Some(Oldest { names, bytes, grown })
    }

    /// The highest number of a group in a segment.
    fn end_of(&self, name: Name) -> Option<u64> {
        let runs = self.branches.get(&name.branch).into_iter().flat_map(|files| &files.runs);
        runs.filter(|run| run.name == name).map(|run| run.last.number).max()
    }

    /// Takes a segment out of what is known.
    fn forget(&mut self, name: Name) {
        let Some(files) = self.branches.get_mut(&name.branch) else { return };
        files.segments.remove(&name);
        files.runs.retain(|run| run.name != name);
        if files.segments.is_empty() {
            self.branches.remove(&name.branch);
            self.chain.forget(name.branch);
            return;
        }
        let before = files.runs.first().and_then(|run| run.before);
        if let Some(before) = before {
            self.chain.pruned(name.branch, before);
        }
        self.relink(name.branch);
    }
}
