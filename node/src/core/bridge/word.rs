//! For how long nobody who may change the plant was heard: sharing does not go on without them for ever.
//!
//! A gateway that is cut off does not hear that it, or an admin, was revoked. Work in the plant goes on; what
//! leaves it does not.

use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;

use crate::core::plant::view::View;

/// For how long a gateway shares without a link to a registrar or admin whose ledger equals its own.
pub const WORD_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// When such a link was there last, by this node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    last: UnixMillis,
}

impl Word {
    /// It was there last at this time.
    #[must_use]
    pub const fn heard(last: UnixMillis) -> Self {
        Self { last }
    }

    /// When it was there last.
    #[must_use]
    pub const fn last(&self) -> UnixMillis {
        self.last
    }

    /// Notes whether it is there now, as [`speaks`] says.
    pub fn listen(&mut self, now: UnixMillis, speaks: bool) {
        // Until a clock that was set back is where it was, nothing would count: the week begins anew instead.
        if self.last > now || speaks {
            self.last = now;
        }
    }

    /// Whether nothing may cross any more.
    #[must_use]
    pub fn is_old(&self, now: UnixMillis) -> bool {
        u128::from(now.since(self.last)) >= WORD_WITHIN.as_millis()
    }
}

/// Whether somebody is linked who would know of a revocation. Where no member may sign for the plant nobody
/// could, and where this node may it knows itself.
#[must_use]
pub fn speaks(view: &View) -> bool {
    let Some(roster) = &view.roster else { return false };
    let may_sign = |key: &PublicKey| roster.is_registrar(key) || roster.is_admin(key);
    let is_alone = !roster.authorities().keys().any(|key| roster.member(key).is_some());
    let mut linked = view.links.values();
    may_sign(&view.me) || is_alone || linked.any(|link| link.is_in_step && may_sign(&link.peer))
}
