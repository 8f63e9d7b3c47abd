//! Looking through closed segments, a little at a time, for damage that nobody has met yet.
//!
//! A disk loses what nobody reads. At every survey of the store one stretch between two points of
//! the index is read, about [64 KiB](super::segment::POINT_BYTES): commits hardly wait for that,
//! and a gigabyte takes a day. What is damaged comes again from members while they still have it.

use gearmesh_protocol::ids::PublicKey;

use super::cursor::{Cursor, Trouble};
use super::files::Files;
use super::logs::Log;
use super::segment::{Name, Run};
use super::store::Store;

/// How far that has come.
#[derive(Debug, Default)]
pub(super) struct Scrub {
    /// The stretch that was looked through last, by the number of the group at its point.
    last: Option<(PublicKey, Name, u64)>,
}

impl<F: Files> Store<F> {
    /// Looks through the next stretch.
    pub(super) fn scrub(&mut self) {
        let next = self.stretch_after(self.scrub.last).or_else(|| self.stretch_after(None));
        let Some((log, run, point)) = next else {
            self.scrub = Scrub::default();
            return;
        };
        let (author, name) = (log.author, run.name);
        let looked = look_through(log, run, point);
        self.scrub.last = run.points.get(point).map(|point| (author, name, point.number));
        if let Err(trouble) = looked
            && let Err(fault) = self.overcome(&author, trouble)
        {
            tracing::warn!(%author, segment = %name, %fault, "a segment cannot be looked through");
        }
    }

    /// The first point of a closed segment that is after this one.
    fn stretch_after(&self, last: Option<(PublicKey, Name, u64)>) -> Option<(&Log, &Run, usize)> {
        let in_run = |log: &Log, run: &Run| {
            let is_done = |number| Some((log.author, run.name, number)) <= last;
            let next = run.points.partition_point(|point| is_done(point.number));
            (next < run.points.len()).then_some(next)
        };
        let in_log = |log| {
            let runs = closed_runs(log).filter_map(|run| Some((log, run, in_run(log, run)?)));
            runs.min_by_key(|(_, run, _)| (run.name, run.first))
        };
        self.logs.values().find_map(in_log)
    }
}

/// The runs of segments that do not grow any more.
fn closed_runs(log: &Log) -> impl Iterator<Item = &Run> {
    log.branches.values().flat_map(|files| {
        let open = files.runs.last().map(|run| run.name);
        files.runs.iter().filter(move |run| Some(run.name) != open)
    })
}

fn look_through(log: &Log, run: &Run, point: usize) -> Result<(), Trouble> {
    let mut cursor = Cursor::between(&log.folder, run, point)?;
    while cursor.next()?.is_some() {}
    Ok(())
}
