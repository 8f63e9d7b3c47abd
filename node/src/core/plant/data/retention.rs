//! How much of a log is kept, for how long, and what may not be let go.

use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;

use super::super::commands::{Matter, Note};
use super::super::{Effect, Now, Plant};
use super::commit::ENTRIES_WAITING_MAX;
use super::{DataEffect, replicas_of};

/// How often old groups are let go.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// When they are let go for the first time: the start itself is not held up by it.
const FIRST_AFTER: Duration = Duration::from_secs(5);

/// Records that are said again at once, before more of the log is let go: a quarter of what may wait for
/// the disk.
const SAID_AGAIN_AT_ONCE: usize = ENTRIES_WAITING_MAX / 4;

/// Their bytes.
const SAID_AGAIN_BYTES: usize = 4 * ENTRY_BYTES_MAX;

/// What commands that are over may take of the own log, in its share; the oldest go beyond it.
const ROWS_SHARE: u64 = 8;

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
    /// Records on their way to the disk that are said again.
    saying: usize,
}

impl Retention {
    pub(super) fn of(keep: Keep) -> Self {
        Self { keep, next: FIRST_AFTER, ..Self::default() }
    }
}

impl Plant {
    /// Lets old groups go. What is acknowledged and on no other disk stays, however much it is;
    /// where nobody else keeps copies, this node's disk is all there is, and the newest stay. What the
    /// own log alone knows of commands, leases and work items stays until it was said again.
    pub(super) fn retain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let data = &mut self.data;
        if now.tick < data.retention.next {
            return;
        }
        data.retention.next = now.tick + RETAIN_EVERY;
        let authors = data.copies.authors();
        let keep = data.retention.keep;
        let keep_bytes = keep.share(authors.len());
        let since = keep.age.map(|age| now.wall.minus(age));
        self.items.limit(keep_bytes);
        for author in authors {
            let before = if author == self.me { self.own_needed_from() } else { u64::MAX };
            effects.push(DataEffect::Retain { author, keep_bytes, since, before }.into());
        }
    }

    /// The number from which on the groups of the own log stay.
    fn own_needed_from(&self) -> u64 {
        let data = &self.data;
        // What it says is not known yet.
        if !self.commands.has_recalled() {
            return 0;
        }
        let is_alone = self
            .roster
            .as_ref()
            .is_none_or(|roster| replicas_of(roster, &self.me).next().is_none());
        let (first, gaps) = (data.copies.first(&self.me), data.mending.gaps(&self.me));
        let replicated = if is_alone { u64::MAX } else { data.acks.replicated(first, gaps) };
        // What is written from now on may be needed before it has gone.
        let last = data.ends(&self.me).iter().map(|tip| tip.number).max();
        let next = last.map_or(0, |last| last.saturating_add(1));
        let needed = [
            self.items.offerer().needed_from(),
            self.leases.arbiter().needed_from(),
            self.commands.rows().needed_from(self.rows_bytes_max()),
        ];
        needed.into_iter().flatten().fold(replicated.min(next), u64::min)
    }

    /// What commands that are over may take of the own log.
    fn rows_bytes_max(&self) -> usize {
        let data = &self.data;
        let bytes = data.retention.keep.share(data.copies.authors().len()) / ROWS_SHARE;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// How many bytes a log has after old groups were let go, and up to where more would have gone.
    pub(super) fn on_retained(&mut self, author: &PublicKey, bytes: u64, held: Option<u64>) {
        if *author == self.me {
            let logs = self.data.copies.authors().len();
            let retention = &mut self.data.retention;
            retention.is_own_full = bytes >= retention.keep.own_max(logs);
            // Of a log that got a smaller share than what is open needs, no room is won by writing it
            // again and again: it grows to its bound, until less is open.
            let needed = self.items.offerer().bytes() as u64;
            let is_worth_it = needed <= retention.keep.share(logs) / 2 && retention.saying == 0;
            if let Some(held) = held.filter(|_| is_worth_it) {
                self.say_again(held);
            }
        }
    }

    /// Writes down once more what only groups up to that number say; the rest of what they say may go.
    fn say_again(&mut self, number: u64) {
        let rows = self.commands.rows();
        let (mut records, mut bytes) = (0, 0);
        let fits = |(_, entry): &(Matter, DataEntry)| {
            (records, bytes) = (records + 1, bytes + codec::encode(entry).len());
            records <= SAID_AGAIN_AT_ONCE && bytes <= SAID_AGAIN_BYTES
        };
        let leases = self.leases.arbiter().to_say_again(number).map(|record| {
            let matter = Matter::Lease(record.resource.clone(), record.token);
            (matter, DataEntry::Lease(record))
        });
        let items = self.items.offerer().to_say_again(number);
        let items = items.map(|record| (Matter::Work(record.id), DataEntry::Work(record)));
        let commands = rows.to_say_again(self.rows_bytes_max(), number).map(|record| {
            (Matter::Command(record.caller, record.id), DataEntry::CommandAgain(record))
        });
        let all: Vec<(Matter, DataEntry)> =
            leases.chain(items).chain(commands).take_while(fits).collect();
        for (matter, entry) in all {
            // What finds no place is said in the next round.
            if self.note(Note::Again(matter), &entry).is_ok() {
                self.data.retention.saying += 1;
            }
        }
    }

    /// Something was said again, in the group of that number; or was not, and stays where it was.
    pub(in crate::core::plant) fn on_said_again(&mut self, matter: Matter, number: Option<u64>) {
        let retention = &mut self.data.retention;
        retention.saying = retention.saying.saturating_sub(1);
        let Some(number) = number else { return };
        if retention.saying == 0 {
            // More may go now.
            retention.next = Duration::ZERO;
        }
        match matter {
            Matter::Command(caller, id) => self.commands.said((caller, id), number),
            Matter::Lease(resource, token) => self.leases.said(&resource, token, number),
            Matter::Work(id) => self.items.said_again(id, number),
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
