//! Looking through closed segments, one after the other, for damage that nobody has met yet.
//!
//! A disk loses what nobody reads. One segment is read every minute, so that gigabytes are looked
//! through in a day or two, and what is damaged comes again from members while they still have it.

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;

use super::files::Files;
use super::scan::{self, Scanned};
use super::segment::Name;
use super::store::Store;
use crate::shell::frames::Header;

/// How often a segment is looked through, in milliseconds.
const SCRUB_EVERY_MS: u64 = 60_000;

/// How far that has come.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    last: Option<(PublicKey, Name)>,
    at: UnixMillis,
}

impl<F: Files> Store<F> {
    /// Looks through the next closed segment, if it is time.
    pub(super) fn scrub(&mut self) {
        let now = self.clock.now().wall;
        // A clock that was put back is no reason to wait for years.
        if now >= self.scrub.at && now.since(self.scrub.at) < SCRUB_EVERY_MS {
            return;
        }
        self.scrub.at = now;
        self.scrub.last = self.next_closed();
        let Some((author, name)) = self.scrub.last else { return };
        match self.look_through(&author, name) {
            Some(scanned) if self.is_as_known(&author, name, &scanned) => {}
            _ => self.met_damage_in(&author, name),
        }
    }

    /// The segment after the last one looked through, or the first again.
    fn next_closed(&self) -> Option<(PublicKey, Name)> {
        let all = || {
            self.logs.iter().flat_map(|(author, log)| {
                let closed = log.branches.values().flat_map(|files| {
                    let open = files.runs.last().map(|run| run.name);
                    files.segments.keys().copied().filter(move |name| Some(*name) != open)
                });
                closed.map(|name| (*author, name))
            })
        };
        let after = self.scrub.last;
        all().filter(|one| after.is_none_or(|after| *one > after)).min().or_else(|| all().min())
    }

    fn look_through(&self, author: &PublicKey, name: Name) -> Option<Scanned> {
        let log = self.logs.get(author)?;
        let length = log.branches.get(&name.branch)?.length(&name)?;
        scan::scan(&std::fs::File::open(log.path(name)).ok()?, name, length).ok()
    }

    fn is_as_known(&self, author: &PublicKey, name: Name, scanned: &Scanned) -> bool {
        let files = self.logs.get(author).and_then(|log| log.branches.get(&name.branch));
        let known = files.into_iter().flat_map(|files| &files.runs).filter(|run| run.name == name);
        let groups = |runs: &mut dyn Iterator<Item = (u64, u64)>| runs.collect::<Vec<_>>();
        let found = groups(&mut scanned.runs.iter().map(|run| (run.first, run.groups)));
        scanned.header == Header::Current
            && groups(&mut known.map(|run| (run.first, run.groups))) == found
    }

    fn met_damage_in(&mut self, author: &PublicKey, name: Name) {
        let trouble = super::cursor::Trouble::Damaged(name);
        if let Err(fault) = self.overcome(author, trouble) {
            tracing::warn!(%fault, "a segment cannot be looked through");
        }
    }
}
