//! What the journal remembers of the own data log.
//!
//! The logs lie beside the journal, and may go without it: a folder that somebody cleared, a disk
//! that was put back in part. What no other member has is gone then, and a node that did not notice
//! would begin its log anew beside the old one. So the journal holds how many groups there were, at
//! every doubling of their number.

use std::time::Duration;

use super::super::{Effect, Plant};
use super::Data;
use crate::core::record::Record;

/// How long a node that lost its own log waits for a member that has it, before it goes on from what
/// it has.
pub(super) const LOST_LOG_WAIT: Duration = Duration::from_secs(30);

/// How many groups of the own log there were at least.
#[derive(Debug, Default)]
pub(super) struct Remembered(u64);

impl Data {
    /// The journal says so.
    pub(in crate::core::plant) fn had_written(&mut self, groups: u64) {
        self.remembered.0 = self.remembered.0.max(groups);
    }
}

impl Plant {
    /// Groups of the own log that were written and are not here, at least; those that went since they
    /// are old do not count.
    pub(in crate::core::plant) fn lost_own_data(&self) -> u64 {
        self.data.remembered.0.saturating_sub(self.own_groups())
    }

    /// Has the journal remember how long the own log is, when it has doubled.
    pub(super) fn remember_own_data(&mut self, effects: &mut Vec<Effect>) {
        let groups = self.own_groups();
        if groups >= self.data.remembered.0.saturating_mul(2).max(1) {
            self.data.remembered.0 = groups;
            effects.push(Effect::Note { records: vec![Record::OwnData { groups }] });
        }
    }

    /// How many groups the own log has, with those that went since they are old.
    fn own_groups(&self) -> u64 {
        let ends = self.data.ends(&self.me);
        ends.iter().map(|tip| tip.number.saturating_add(1)).max().unwrap_or(0)
    }
}
