//! How much of a log is kept, and what may not be let go.

use std::time::Duration;

use super::super::{Effect, Now, Plant};
use super::{DataEffect, replicas_of};

/// Bytes kept of each log; older groups go when there are more.
pub const LOG_BYTES_KEPT: u64 = 256 << 20;

/// Bytes of the own log beyond which nothing more is taken: so much of it is on no other disk that
/// nothing may be let go.
pub const OWN_BYTES_MAX: u64 = 2 * LOG_BYTES_KEPT;

/// How often old groups are let go.
const RETAIN_EVERY: Duration = Duration::from_secs(60);

/// What is remembered between two rounds.
#[derive(Debug, Default)]
pub(super) struct Retention {
    last: Duration,
    /// Whether the own log is as large as it may become.
    pub(super) is_own_full: bool,
}

impl Plant {
    /// Lets old groups go. What is acknowledged and on no other disk stays, however much it is;
    /// where nobody else keeps copies, this node's disk is all there is, and the newest stay.
    pub(super) fn retain(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let data = &mut self.data;
        if now.tick.saturating_sub(data.retention.last) < RETAIN_EVERY {
            return;
        }
        data.retention.last = now.tick;
        let is_alone = self
            .roster
            .as_ref()
            .is_none_or(|roster| replicas_of(roster, &self.me).next().is_none());
        for author in data.copies.authors() {
            let before = match author == self.me && !is_alone {
                true => data.acks.replicated(),
                false => u64::MAX,
            };
            let keep_bytes = LOG_BYTES_KEPT;
            effects.push(DataEffect::Retain { author, keep_bytes, before }.into());
        }
    }

    /// How many bytes a log has after old groups were let go.
    pub(super) fn on_retained(&mut self, author: &gearmesh_protocol::ids::PublicKey, bytes: u64) {
        if *author == self.me {
            self.data.retention.is_own_full = bytes >= OWN_BYTES_MAX;
        }
    }
}
