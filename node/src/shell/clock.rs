//! The only place that reads a clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gearmesh_protocol::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

use crate::core::clock::Now;

/// Both clocks of one run of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub(super) fn start() -> Self {
        Self { start: since_boot() }
    }

    /// This moment by the monotonic clock alone, at half the cost.
    #[must_use]
    pub(super) fn tick(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }

    /// This moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    pub(super) fn now(&self) -> Now {
        Now { tick: self.tick(), wall: wall(SystemTime::now()) }
    }
}

/// When the certificates of libp2p begin, 1975-01-01: before that no peer's is valid.
const CERTIFICATES_BEGIN: UnixMillis = UnixMillis(157_766_400_000);

/// Whether links can be proven at this time. A clock that never was set stands in 1970.
pub(super) fn is_set(wall: UnixMillis) -> bool {
    wall >= CERTIFICATES_BEGIN
}

/// This moment by the wall clock, for what is said to people.
#[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
pub(super) fn wall_now() -> UnixMillis {
    wall(SystemTime::now())
}

/// Time since the machine was switched on, sleep included: a command that a machine slept over is late.
fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// A time of the operating system. What lies before 1970 was never set.
pub(super) fn wall(time: SystemTime) -> UnixMillis {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
