//! How much of a log is kept, for how long, and what may not be let go.

use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;

use super::super::{Effect, Now, Plant};
use super::{DataEffect, replicas_of};

/// How often old groups are let go.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// When they are let go for the first time: the start itself is not held up by it.
const FIRST_AFTER: Duration = Duration::from_secs(5);

/// What a node keeps of data logs. An author can push out only what it wrote itself: all logs have
/// the same share of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Bytes of each log; older groups go when there are more.
    pub log_bytes: u64,
    /// Bytes of all logs together: what each may have if they are many.
    pub all_bytes: u64,
    /// How long a group is kept after this node got it; for ever if none.
    pub age: Option<Duration>,
}

impl Default for Keep {
    /// 256 MiB of each log, 4 GiB in all, however old.
    fn default() -> Self {
        Self { log_bytes: 256 << 20, all_bytes: 4 << 30, age: None }
    }
}

impl Keep {
    /// Bytes of one log, where there are so many.
    #[must_use]
    pub fn share(&self, logs: usize) -> u64 {
        self.log_bytes.min(self.all_bytes / logs.max(1) as u64)
    }

    /// Bytes of the own log beyond which nothing more is taken: so much of it is on no other disk
    /// that nothing may be let go.
    #[must_use]
    pub fn own_max(&self, logs: usize) -> u64 {
        self.share(logs).saturating_mul(2)
    }
}

/// What is remembered between two rounds.
#[derive(Debug, Default)]
pub(super) struct Retention {
    keep: Keep,
    next: Duration,
    /// Whether the own log is as large as it may become.
    pub(super) is_own_full: bool,
}

impl Retention {
    pub(super) fn of(keep: Keep) -> Self {
        Self { keep, next: FIRST_AFTER, is_own_full: false }
    }
}

impl Plant {
    /// Lets old groups go. What is acknowledged and on no other disk stays, however much it is;
    /// where nobody else keeps copies, this node's disk is all there is, and the newest stay.
    pub(super) fn retain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let data = &mut self.data;
        if now.tick < data.retention.next {
            return;
        }
        data.retention.next = now.tick + RETAIN_EVERY;
        let (first, gaps) = (data.copies.first(&self.me), data.mending.gaps(&self.me));
        let replicated = data.acks.replicated(first, gaps);
        let is_alone = self
            .roster
            .as_ref()
            .is_none_or(|roster| replicas_of(roster, &self.me).next().is_none());
        let authors = data.copies.authors();
        let keep = data.retention.keep;
        let keep_bytes = keep.share(authors.len());
        let since = keep.age.map(|age| now.wall.minus(age));
        for author in authors {
            let before = match author == self.me && !is_alone {
                true => replicated,
                false => u64::MAX,
            };
            effects.push(DataEffect::Retain { author, keep_bytes, since, before }.into());
        }
    }

    /// How many bytes a log has after old groups were let go.
    pub(super) fn on_retained(&mut self, author: &PublicKey, bytes: u64) {
        if *author == self.me {
            let retention = &mut self.data.retention;
            let most = retention.keep.own_max(self.data.copies.authors().len());
            retention.is_own_full = bytes >= most;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_logs_have_what_is_meant_for_each_and_many_share() {
        let keep = Keep { log_bytes: 100, all_bytes: 1000, age: None };
        assert_eq!((keep.share(0), keep.share(1), keep.share(10)), (100, 100, 100));
        assert_eq!((keep.share(40), keep.own_max(40)), (25, 50));
    }
}
