//! Letting old groups go: whole segments, oldest first, never a branch's last one.

use gearmesh_protocol::ids::PublicKey;

use super::errors::{AppendError, Fault, Step};
use super::files::Files;
use super::logs::Log;
use super::open::LogState;
use super::segment::Name;
use super::store::Store;

impl<F: Files> Store<F> {
    /// Lets segments go while the log stays at `keep_bytes` or more without them.
    pub(super) fn prune(
        &mut self,
        author: &PublicKey,
        keep_bytes: u64,
        before: u64,
    ) -> Result<LogState, AppendError> {
        if let Some(cause) = self.poison {
            return Err(AppendError::Poisoned { cause });
        }
        loop {
            let Some(log) = self.logs.get_mut(author) else { return Ok(LogState::default()) };
            let state = log.state();
            let (oldest, bytes) = log.oldest();
            let is_needed = oldest.iter().any(|name| log.end_of(*name) >= Some(before));
            if oldest.is_empty() || is_needed || state.bytes.saturating_sub(bytes) < keep_bytes {
                return Ok(state);
            }
            for name in oldest {
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
        match self.files.sync_folder(&log.folder) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.poisoned_by(Fault::new(Step::Sync, &error))),
        }
    }
}

impl Log {
    /// The segment with the lowest numbers that its branch can do without, behind those that fill
    /// its holes; and the bytes of all these.
    fn oldest(&self) -> (Vec<Name>, u64) {
        let spare = self.branches.values().filter_map(|files| {
            let last = files.runs.last()?.name;
            let first = *files.lengths.first_key_value()?.0;
            (first != last).then_some((first, files))
        });
        let Some((first, files)) = spare.min_by_key(|(name, _)| (name.first, name.branch)) else {
            return (Vec::new(), 0);
        };
        let fills = |name: &Name| *name != first && self.end_of(*name) < self.end_of(first);
        let mut names: Vec<Name> = files.lengths.keys().copied().filter(fills).collect();
        names.push(first);
        let bytes = names.iter().filter_map(|name| files.lengths.get(name)).sum();
        (names, bytes)
    }

    /// The highest number of a group in a segment.
    fn end_of(&self, name: Name) -> Option<u64> {
        let runs = self.branches.get(&name.branch).into_iter().flat_map(|files| &files.runs);
        runs.filter(|run| run.name == name).map(|run| run.last.number).max()
    }

    /// Takes a segment out of what is known.
    fn forget(&mut self, name: Name) {
        let Some(files) = self.branches.get_mut(&name.branch) else { return };
        files.lengths.remove(&name);
        files.runs.retain(|run| run.name != name);
        let before = files.runs.first().and_then(|run| run.before);
        if let Some(before) = before {
            self.chain.pruned(name.branch, before);
        }
        self.relink(name.branch);
    }
}
