//! The rows of earlier lives.
//!
//! The log is what is left of a life that ended. Until all that it says of commands was read, calls
//! are held back: one of them may be among what was done before. What was accepted and has no outcome
//! is written down as indeterminate, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::command::Call;
use gearmesh_protocol::entry::{CommandRecord, CommandState, DataEntry};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::VerifiedGroup;

use super::super::{Effect, Now, Plant};
use super::Key;
use super::contract::{CommandEffect, Ended, Fit, Recalled, Recorded};
use super::rows::{Row, Standing};
use super::serving::WAITING_MAX;

/// How far the own log was read.
#[derive(Debug, Default)]
pub(super) struct Recall {
    standing: Progress,
    /// Commands that were accepted, of which no outcome was read yet.
    open: BTreeSet<Key>,
    /// Calls that came meanwhile.
    held: BTreeMap<Key, (Call, Fit)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Progress {
    Due,
    UnderWay,
    #[default]
    Over,
}

impl Recall {
    /// Of a log that never began, there is nothing to recall.
    pub(super) fn of(has_own_log: bool) -> Self {
        let standing = if has_own_log { Progress::Due } else { Progress::Over };
        Self { standing, ..Self::default() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.standing == Progress::Over
    }

    /// Holds a call until the log was read. Whether there is a place for it.
    pub(super) fn hold(&mut self, caller: PublicKey, call: Call, fit: Fit) -> bool {
        let key = (caller, call.id);
        let has_place = self.held.len() < WAITING_MAX || self.held.contains_key(&key);
        if has_place {
            self.held.insert(key, (call, fit));
        }
        has_place
    }
}

impl Plant {
    /// Asks for what the own log says, once.
    pub(super) fn begin_recall(&mut self, effects: &mut Vec<Effect>) {
        let recall = &mut self.commands.recall;
        if recall.standing == Progress::Due {
            recall.standing = Progress::UnderWay;
            effects.push(CommandEffect::Recall.into());
        }
    }

    /// A part of the own log was read.
    pub(super) fn on_recalled(&mut self, now: Now, recalled: Recalled, effects: &mut Vec<Effect>) {
        recalled.records.into_iter().for_each(|recorded| self.recall_entry(recorded));
        if !recalled.is_last || self.commands.recall.standing != Progress::UnderWay {
            return;
        }
        self.commands.recall.standing = Progress::Over;
        self.leases.recalled();
        for key in std::mem::take(&mut self.commands.recall.open) {
            self.finish(now, key, Ended::plainly(CommandState::Indeterminate));
        }
        self.items_recalled(now, effects);
        for ((caller, _), (call, fit)) in std::mem::take(&mut self.commands.recall.held) {
            self.arrive(now, caller, call, fit, effects);
        }
    }

    /// Groups of the own log that its disk lost came back from a member.
    pub(in crate::core::plant) fn recall_pulled(
        &mut self,
        now: Now,
        groups: &[Arc<VerifiedGroup>],
        effects: &mut Vec<Effect>,
    ) {
        for group in groups {
            let (life, number) = (group.header().incarnation, group.header().number);
            for entry in group.entries() {
                if let Ok(entry) = codec::decode(entry, ENTRY_BYTES_MAX) {
                    self.recall_entry(Recorded { life, number, entry });
                }
            }
        }
        if self.commands.recall.is_over() {
            self.items_recalled(now, effects);
        }
    }

    /// Work items and commands of this life are no news.
    fn recall_entry(&mut self, recorded: Recorded) {
        let Recorded { life, number, entry } = recorded;
        let is_news = life != self.lives.current();
        match entry {
            DataEntry::Command(record) | DataEntry::CommandAgain(record) if is_news => {
                self.recall_record(number, record);
            }
            DataEntry::Lease(record) => self.leases.recall(number, record),
            DataEntry::Work(record) if is_news => self.items.recall(number, record),
            _ => {}
        }
    }

    fn recall_record(&mut self, number: u64, record: CommandRecord) {
        let key = (record.caller, record.id);
        let is_open = !record.state.is_final();
        let state = if is_open { CommandState::Indeterminate } else { record.state };
        let standing = Standing::Over(Ended::plainly(state));
        let (verb, arguments, until, at) =
            (record.verb, record.arguments, Duration::ZERO, record.at);
        let row = Row { verb, arguments, until, work: None, at, from: Some(number), standing };
        self.commands.rows.recall(key, row);
        let recall = &mut self.commands.recall;
        match is_open && recall.standing == Progress::UnderWay {
            true => recall.open.insert(key),
            false => recall.open.remove(&key),
        };
    }
}
