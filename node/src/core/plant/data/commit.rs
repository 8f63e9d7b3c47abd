//! The group commit: what is asked for while a group is on its way to the disk goes into the next
//! one. So one caller waits for one sync, and many share it. Where much is asked for, a second group
//! is signed while the first is synced.
//!
//! What nobody waits for begins no group of its own: it goes with the next one that somebody does wait
//! for, or with the next tick. Its place in the log stays the one in which it was asked for.

use std::collections::VecDeque;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_BYTES_MAX, GROUP_ENTRIES_MAX};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;

use super::super::Ticket;
use super::super::commands::Note;

/// Entries that may wait for the disk. Whoever asks beyond it hears that the node is busy.
pub const ENTRIES_WAITING_MAX: usize = 16 * GROUP_ENTRIES_MAX;

/// Groups on their way to the disk at once.
const WRITES_MAX: usize = 2;

/// Entries for which a second group is begun while one is on its way. Fewer go faster together: a
/// sync more costs more time than the second group wins.
const ENTRIES_AHEAD_MIN: usize = GROUP_ENTRIES_MAX / 2;

/// Bytes of entries that may wait.
const BYTES_WAITING_MAX: usize = 16 * GROUP_BYTES_MAX;

/// Bytes of the entries of one request, and of one group; what a group has around them fits beside.
pub const REQUEST_BYTES_MAX: usize = GROUP_BYTES_MAX - 8 * 1024;

const _: () = assert!(ENTRY_BYTES_MAX < REQUEST_BYTES_MAX, "every entry can be asked for");

/// What somebody wants to be made durable.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) by: By,
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) ack: AckLevel,
}

/// Who waits for entries to be durable.
#[derive(Clone, Debug)]
pub(super) enum By {
    /// Somebody outside, who is answered.
    Ticket(Ticket),
    /// The part of the core that deals with commands.
    Note(Note),
}

/// Who asked, how safe it is to be, and the place of the first entry in the group.
pub(super) type Asker = (Ticket, AckLevel, u64);

/// What goes into one group.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) asked: Vec<Asker>,
    pub(super) notes: Vec<Note>,
    /// The ends that a person saw, if the group is to join all branches.
    pub(super) settles: Option<Vec<GroupId>>,
}

impl Asked {
    /// Whether nobody waits for it.
    const fn can_wait(&self) -> bool {
        match &self.by {
            By::Ticket(_) => false,
            By::Note(note) => note.can_wait(),
        }
    }
}

impl Batch {
    const fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.notes.is_empty()
    }
}

/// A group of this node that is durable here, or on its way.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) tip: Tip,
    /// Entries in the log before it.
    pub(super) before: u64,
    pub(super) asked: Vec<Asker>,
    pub(super) notes: Vec<Note>,
    /// Whether a person had it join all branches.
    pub(super) is_settlement: bool,
}

/// Entries on their way to the disk.
#[derive(Debug, Default)]
pub(super) struct Commit {
    waiting: VecDeque<Asked>,
    entries: usize,
    bytes: usize,
    /// Requests among these for which somebody waits.
    awaited: usize,
    /// Whether the others have waited long enough.
    is_due: bool,
    /// In their order.
    writing: VecDeque<(u64, Written)>,
    /// Whether one that is on its way has to fail, since the one before it did.
    is_doomed: bool,
    /// Who wants the branches joined, and the ends that the person saw.
    settling: Option<(Ticket, Vec<GroupId>)>,
    /// What this life of the node wrote last.
    last: Option<Tip>,
}

impl Commit {
    /// Whether something waits and may be written now.
    pub(super) fn is_ready(&self) -> bool {
        match self.writing.back() {
            None => {
                let is_much = self.entries >= ENTRIES_AHEAD_MIN;
                self.awaited > 0 || self.is_due || is_much || self.settling.is_some()
            }
            Some((_, before)) => {
                let is_alone = self.settling.is_some() || before.is_settlement || self.is_doomed;
                !is_alone && self.writing.len() < WRITES_MAX && self.entries >= ENTRIES_AHEAD_MIN
            }
        }
    }

    /// The last group that is on its way.
    pub(super) fn under_way(&self) -> Option<Tip> {
        self.writing.back().map(|(_, written)| written.tip)
    }

    /// Whether this life of the node has extended its own log: then it knows where it ends.
    pub(super) const fn has_written(&self) -> bool {
        self.last.is_some()
    }

    /// What this life of the node wrote last.
    pub(super) const fn last(&self) -> Option<Tip> {
        self.last
    }

    /// Has the next group join all branches, if none is on its way that does.
    ///
    /// # Errors
    /// Another person wants the same.
    pub(super) fn settle(&mut self, ticket: Ticket, ends: Vec<GroupId>) -> Result<(), Refusal> {
        if self.settling.is_some() {
            return Err(Refusal::Busy);
        }
        self.settling = Some((ticket, ends));
        Ok(())
    }

    /// Queues what is asked for.
    ///
    /// # Errors
    /// More than fits one group, or too much waits already.
    pub(super) fn take(&mut self, asked: Asked) -> Result<(), Refusal> {
        let (entries, bytes) = (asked.entries.len(), bytes_of(&asked));
        if entries > GROUP_ENTRIES_MAX || bytes > REQUEST_BYTES_MAX {
            return Err(Refusal::ValueTooLarge);
        }
        if self.entries + entries > ENTRIES_WAITING_MAX || self.bytes + bytes > BYTES_WAITING_MAX {
            return Err(Refusal::Busy);
        }
        self.entries += entries;
        self.bytes += bytes;
        self.awaited += usize::from(!asked.can_wait());
        self.waiting.push_back(asked);
        Ok(())
    }

    /// Has the next group begin with whatever waits, although nobody waits for it.
    pub(super) fn is_time(&mut self) {
        self.is_due = !self.waiting.is_empty();
    }

    /// Takes as much as fits one group.
    pub(super) fn begin(&mut self) -> Option<Batch> {
        if let Some((ticket, ends)) = self.settling.take() {
            let asked = vec![(ticket, AckLevel::Local, 0)];
            let settles = Some(ends);
            return Some(Batch { entries: Vec::new(), asked, notes: Vec::new(), settles });
        }
        let (asked, notes) = (Vec::new(), Vec::new());
        let mut batch = Batch { entries: Vec::new(), asked, notes, settles: None };
        let (mut bytes, enough) = (0, self.enough());
        while let Some(next) = self.waiting.front() {
            let more = bytes_of(next);
            let is_full = batch.entries.len() + next.entries.len() > enough
                || bytes + more > REQUEST_BYTES_MAX;
            if is_full && !batch.is_empty() {
                break;
            }
            let asked = self.waiting.pop_front()?;
            self.entries -= asked.entries.len();
            self.bytes -= more;
            self.awaited -= usize::from(!asked.can_wait());
            bytes += more;
            match asked.by {
                By::Ticket(ticket) => {
                    batch.asked.push((ticket, asked.ack, batch.entries.len() as u64));
                }
                By::Note(note) => batch.notes.push(note),
            }
            batch.entries.extend(asked.entries);
        }
        self.is_due &= !self.waiting.is_empty();
        (!batch.is_empty()).then_some(batch)
    }

    /// How many entries go into the next group: of many the half, so that the other half is signed
    /// while the first is written.
    fn enough(&self) -> usize {
        let part = if self.writing.is_empty() { 2 } else { 1 };
        (self.entries / part).clamp(ENTRIES_AHEAD_MIN, GROUP_ENTRIES_MAX)
    }

    /// A group goes to the disk.
    pub(super) fn write(&mut self, write: u64, written: Written) {
        self.is_doomed &= !self.writing.is_empty();
        self.writing.push_back((write, written));
    }

    /// Whether this is the write of an own group that is under way.
    pub(super) fn is_writing(&self, write: u64) -> bool {
        self.writing.iter().any(|(id, _)| *id == write)
    }

    /// It is there.
    pub(super) fn written(&mut self, write: u64) -> Option<Written> {
        let written = self.take_write(write)?;
        self.last = Some(written.tip);
        Some(written)
    }

    /// It is not, if it was one of these.
    pub(super) fn failed(&mut self, write: u64) -> Option<Written> {
        let failed = self.take_write(write)?;
        self.is_doomed = true;
        Some(failed)
    }

    /// Takes a write that ended; the store tells of them in their order.
    fn take_write(&mut self, write: u64) -> Option<Written> {
        let at = self.writing.iter().position(|(id, _)| *id == write)?;
        self.writing.remove(at).map(|(_, written)| written)
    }
}

fn bytes_of(asked: &Asked) -> usize {
    // A length in front of each, at most three bytes.
    asked.entries.iter().map(|entry| entry.len() + 3).sum()
}
