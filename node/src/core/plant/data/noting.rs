//! Entries that the core itself writes to the own log, and who hears that entries will not be durable.

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::refusal::Refusal;

use super::super::commands::Note;
use super::super::roster::Roster;
use super::super::{Answer, Effect, Now, Plant, standing};
use super::Data;
use super::commit::{Asked, Asker, By};

impl Data {
    /// As [`Plant::note`].
    pub(in crate::core::plant) fn note(
        &mut self,
        note: Note,
        entry: &DataEntry,
    ) -> Result<(), Refusal> {
        let (by, entries) = (By::Note(note), vec![codec::encode(entry)]);
        self.commit.take(Asked { by, entries, ack: AckLevel::Local })
    }
}

impl Plant {
    /// Tells all who wait for entries that these will not be durable.
    pub(super) fn refuse_entries(
        &mut self,
        now: Now,
        asked: Vec<Asker>,
        notes: Vec<Note>,
        refusal: Refusal,
        effects: &mut Vec<Effect>,
    ) {
        effects.extend(asked.into_iter().map(|(ticket, ..)| {
            let answer = Answer::Refused(refusal);
            Effect::Answer { ticket, answer }
        }));
        for note in notes {
            self.on_not_noted(now, note, refusal, effects);
        }
    }

    /// Has an entry of the core's own made durable; [`Plant::on_noted`] or
    /// [`Plant::on_not_noted`] hears what became of it. It is taken even if the log has reached its
    /// bound: what was begun is written down to its end.
    ///
    /// # Errors
    /// Too much waits for the disk already.
    pub(in crate::core::plant) fn note(
        &mut self,
        note: Note,
        entry: &DataEntry,
    ) -> Result<(), Refusal> {
        self.data.note(note, entry)
    }

    /// Whether anything new may be written to the own log.
    ///
    /// # Errors
    /// This node is no member now, or its log has reached its bound.
    pub(in crate::core::plant) fn may_write_more(&self, now: Now) -> Result<&Roster, Refusal> {
        let roster = self.roster.as_ref().ok_or(Refusal::NotAMember)?;
        standing(roster, &self.me, now)?;
        match self.data.retention.is_own_full {
            true => Err(Refusal::NotReplicated),
            false => Ok(roster),
        }
    }
}
