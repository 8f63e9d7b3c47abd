//! Time as the core sees it.

use std::time::Duration;

use gearmesh_protocol::time::UnixMillis;

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the node started; never goes back. Deadlines and liveness use only this.
    pub tick: Duration,
    /// Wall clock; may jump. Only shown, signed, and compared with ends of memberships and
    /// invitations.
    pub wall: UnixMillis,
}
