//! What a consumer was given, and how much of it was confirmed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;

/// Events that a program may have got and not confirmed; it gets no more before it does.
pub(in crate::shell) const UNCONFIRMED_MAX: u64 = 16 * 1024;

/// How far one consumer has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    marks: Mutex<Marks>,
    confirmed: tokio::sync::Notify,
    /// One writes it down at a time.
    pub(super) writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Marks {
    /// The last event given out, and the last confirmed.
    given: u64,
    confirmed: u64,
    /// Where readers stood after a group, in their order.
    waiting: VecDeque<Mark>,
    /// What is confirmed and not written down yet.
    due: BTreeMap<PublicKey, Vec<Tip>>,
    /// What held nothing for the program. It is written down with something that is due, never by
    /// itself: what is written down is a group of a log too.
    passed: BTreeMap<PublicKey, Vec<Tip>>,
}

/// Where the reader of a log stood when an event had been given out.
#[derive(Debug)]
struct Mark {
    event: u64,
    author: PublicKey,
    leaves: Vec<Tip>,
    /// Whether the event came from there.
    has_events: bool,
}

impl Marks {
    fn settle(&mut self) {
        while self.waiting.front().is_some_and(|mark| mark.event <= self.confirmed) {
            let Some(mark) = self.waiting.pop_front() else { break };
            if mark.has_events {
                self.passed.remove(&mark.author);
                self.due.insert(mark.author, mark.leaves);
            } else {
                self.passed.insert(mark.author, mark.leaves);
            }
        }
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many events of a log were given out, after which its reader stands here. The number of
    /// the first.
    pub(super) fn gave(&self, author: PublicKey, events: usize, leaves: Vec<Tip>) -> u64 {
        let mut marks = self.lock();
        let first = marks.given + 1;
        marks.given += events as u64;
        let (event, has_events) = (marks.given, events > 0);
        marks.waiting.push_back(Mark { event, author, leaves, has_events });
        // What held nothing is confirmed with what came before it.
        marks.settle();
        first
    }

    /// What is in a log up to here counts as confirmed.
    pub(super) fn skip(&self, author: PublicKey, leaves: Vec<Tip>) {
        self.lock().due.insert(author, leaves);
    }

    /// A program confirms all events up to one. Numbers that were not given out count for nothing.
    pub(super) fn confirm(&self, event: u64) {
        let mut marks = self.lock();
        marks.confirmed = marks.confirmed.max(event.min(marks.given));
        marks.settle();
        drop(marks);
        self.confirmed.notify_waiters();
    }

    /// Waits while the program has as much as it may have without confirming it.
    pub(super) async fn wait_for_room(&self) {
        loop {
            let confirmed = self.confirmed.notified();
            let unconfirmed = {
                let marks = self.lock();
                marks.given - marks.confirmed
            };
            if unconfirmed < UNCONFIRMED_MAX {
                return;
            }
            confirmed.await;
        }
    }

    /// What is to be written down now.
    pub(super) fn take_due(&self) -> BTreeMap<PublicKey, Vec<Tip>> {
        let mut marks = self.lock();
        let mut due = std::mem::take(&mut marks.due);
        if !due.is_empty() {
            due.extend(std::mem::take(&mut marks.passed));
        }
        due
    }

    /// It could not be: what has been confirmed since is newer.
    pub(super) fn give_back(&self, due: BTreeMap<PublicKey, Vec<Tip>>) {
        let mut marks = self.lock();
        for (author, leaves) in due {
            marks.due.entry(author).or_insert(leaves);
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::GroupId;

    use super::*;

    fn key(seed: u8) -> PublicKey {
        PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
    }

    fn leaf(number: u8) -> Vec<Tip> {
        vec![Tip { group: GroupId([number; 32]), number: number.into(), entries: number.into() }]
    }

    #[test]
    fn what_is_confirmed_is_due_and_nothing_else() {
        let progress = Progress::default();
        assert_eq!(progress.gave(key(1), 2, leaf(1)), 1);
        assert_eq!(progress.gave(key(1), 1, leaf(2)), 3);
        progress.confirm(1);
        assert!(progress.take_due().is_empty(), "half of a group is confirmed");
        progress.confirm(2);
        assert_eq!(progress.take_due(), BTreeMap::from([(key(1), leaf(1))]));
        progress.confirm(9);
        assert_eq!(progress.take_due(), BTreeMap::from([(key(1), leaf(2))]));
    }

    #[test]
    fn what_held_nothing_is_written_down_with_something_else() {
        let progress = Progress::default();
        progress.gave(key(2), 0, leaf(1));
        assert!(progress.take_due().is_empty());
        progress.gave(key(1), 1, leaf(2));
        progress.gave(key(2), 0, leaf(3));
        progress.confirm(1);
        let due = BTreeMap::from([(key(1), leaf(2)), (key(2), leaf(3))]);
        assert_eq!(progress.take_due(), due);
    }

    #[test]
    fn what_could_not_be_written_down_does_not_undo_what_came_later() {
        let progress = Progress::default();
        progress.gave(key(1), 1, leaf(1));
        progress.gave(key(2), 1, leaf(2));
        progress.confirm(2);
        let due = progress.take_due();
        progress.gave(key(1), 1, leaf(3));
        progress.confirm(3);
        progress.give_back(due);
        let due = BTreeMap::from([(key(1), leaf(3)), (key(2), leaf(2))]);
        assert_eq!(progress.take_due(), due);
    }
}
