//! Leases: who may use a resource, for how long, and who comes next.
//!
//! ```text
//!   Wish ──► holder ── Ask ──────────────► arbiter ── note(granted) ─► on disk
//!              │ ▲                           │  ▲                         │
//!    Told ◄────┘ └── Granted ◄───────────────┘  └─────────────────────────┘
//!
//!   a command with a token ──► commands ── check ──► arbiter        before it is taken, and before it runs
//! ```
//!
//! The machine that a resource is wired to arbitrates it alone, and executes what is asked for under its
//! leases: so there is nobody whom it has to ask whether a token is good.
//!
//! ```text
//!   arbiter  what this machine gives away
//!   shelf    one resource: its leases and its queue
//!   holder   what programs of this machine hold and wait for
//!   room     both in a plant: links, members, the own log
//! ```

use std::time::Duration;

pub mod arbiter;
mod contract;
pub mod holder;
mod room;
mod shelf;
#[cfg(test)]
mod tests;

pub use contract::{LeaseEffect, LeaseInput};
pub use room::LOOKS_MAX;
pub(super) use room::Leases;

/// The shortest lease: its holder must have time to renew it.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// How often whoever waits says so.
const REPEAT_EVERY: Duration = Duration::from_secs(1);

/// How many repetitions a waiter may leave out.
const SILENCES: u32 = 3;

/// How often an ask or renewal for so long is repeated: a grant that comes after a long wait has lost no
/// more of its time than this.
fn repeat_every(ttl_ms: u32) -> Duration {
    REPEAT_EVERY.min(Duration::from_millis(u64::from(ttl_ms) / 4))
}

/// How long a waiter may be silent.
fn patience(ttl_ms: u32) -> Duration {
    repeat_every(ttl_ms) * SILENCES + REPEAT_EVERY
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
