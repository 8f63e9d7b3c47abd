//! What time it is at other members, in their own ticks: what deadlines of commands count from.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_protocol::command::{CommandFrame, Moment};
use gearmesh_protocol::ids::PublicKey;

use super::super::{Effect, LinkId, Now, Plant};
use super::contract::CommandEffect;

/// How often a moment is issued over a link: two clocks part by a millisecond in this time at most.
const ISSUE_EVERY: Duration = Duration::from_secs(10);

/// The last moments that members issued, and when they came.
#[derive(Debug, Default)]
pub(super) struct Moments {
    heard: BTreeMap<PublicKey, (Moment, Duration)>,
    issued_at: Duration,
}

impl Moments {
    /// A member says what time it is there.
    pub(super) fn heard(&mut self, peer: PublicKey, moment: Moment, now: Duration) {
        self.heard.insert(peer, (moment, now));
    }

    /// The last moment that a member issued, and when it came.
    pub(super) fn of(&self, peer: &PublicKey) -> Option<(Moment, Duration)> {
        self.heard.get(peer).copied()
    }

    /// A member without a link issues nothing; the next link begins with a moment.
    pub(super) fn forget(&mut self, peer: &PublicKey) {
        self.heard.remove(peer);
    }
}

impl Plant {
    /// What time it is here.
    pub(super) fn moment(&self, now: Now) -> Moment {
        let tick_ms = u64::try_from(now.tick.as_millis()).unwrap_or(u64::MAX);
        Moment { incarnation: self.lives.current(), tick_ms }
    }

    pub(super) fn send_moment(&self, now: Now, link: LinkId, effects: &mut Vec<Effect>) {
        let frame = CommandFrame::Clock(self.moment(now));
        effects.push(CommandEffect::Send { link, frame }.into());
    }

    pub(super) fn issue_moments(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let moments = &mut self.commands.moments;
        if now.tick < moments.issued_at + ISSUE_EVERY {
            return;
        }
        moments.issued_at = now.tick;
        for (link, _) in self.links.in_use() {
            self.send_moment(now, link, effects);
        }
    }
}
