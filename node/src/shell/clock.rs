//! The only place that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gearmesh_protocol::time::UnixMillis;

use crate::core::clock::Now;

/// Both clocks of one run of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// This moment by the monotonic clock alone, at half the cost.
    #[must_use]
    pub(super) fn tick(&self) -> Duration {
        self.start.elapsed()
    }

    /// This moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub(super) fn now(&self) -> Now {
        Now { tick: self.start.elapsed(), wall: wall(SystemTime::now()) }
    }
}

/// A time of the operating system. What lies before 1970 was never set.
pub(super) fn wall(time: SystemTime) -> UnixMillis {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
