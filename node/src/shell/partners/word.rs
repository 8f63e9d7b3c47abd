//! When somebody who may change the plant was heard last, in a file: a start does not begin a new week.

use std::path::PathBuf;

use gearmesh_protocol::time::UnixMillis;

use super::super::home::write_private;
use crate::core::bridge::Word;
use crate::core::clock::Now;

/// How far the file may be behind, in milliseconds: an hour.
const BEHIND_MS_MAX: u64 = 3_600_000;

/// The file, and what it says.
pub(super) struct WordFile {
    path: PathBuf,
    word: Word,
    written: Option<UnixMillis>,
    was_old: bool,
}

impl WordFile {
    /// What an earlier life heard. A gateway that has no file, or a damaged one, begins now.
    pub(super) fn open(path: PathBuf, now: Now) -> Self {
        let text = std::fs::read_to_string(&path).ok();
        let written = text.and_then(|text| text.trim().parse().ok()).map(UnixMillis);
        Self { path, word: Word::heard(written.unwrap_or(now.wall)), written, was_old: false }
    }

    /// Whether something may cross now; what is heard is written down now and then.
    pub(super) fn is_heard(&mut self, now: Now, speaks: bool) -> bool {
        self.word.listen(now.wall, speaks);
        let last = self.word.last();
        let is_behind =
            |written: UnixMillis| last < written || last.since(written) >= BEHIND_MS_MAX;
        if self.written.is_none_or(is_behind) {
            // Written or not, it is tried again in an hour.
            self.written = Some(last);
            if let Err(error) = write_private(&self.path, last.0.to_string().as_bytes()) {
                tracing::warn!(%error, "when the plant was heard last is not on the disk");
            }
        }
        let is_old = self.word.is_old(now.wall);
        if is_old && !self.was_old {
            tracing::warn!(%last, "no registrar or admin was linked for a week: nothing is shared");
        }
        self.was_old = is_old;
        !is_old
    }

    /// Since when nobody was heard, if nothing crosses because of that.
    pub(super) fn silent_since(&self) -> Option<UnixMillis> {
        self.was_old.then(|| self.word.last())
    }
}
