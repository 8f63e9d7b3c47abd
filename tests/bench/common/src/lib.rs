//! What every measured program shares, so that what is measured differs in the transport alone.
//!
//! A program plays one [`Role`], or has one [`Task`] where something is stored, or does one [`Deed`]
//! where machines ask each other. It says `ready` once it can be reached, the hub (`pub` or `ping`, and
//! whoever asks) waits for `go`, and each ends with one line of JSON: its [`Report`].
//!
//! ```text
//!   bench ──go, stop──▶ pub ═══ the measured transport ═══▶ sub ──report──▶ bench
//! ```

mod acks;
mod calls;
mod durable;
mod load;
mod meter;
mod orders;
mod payload;
mod process;
mod report;
mod roles;
mod times;
mod trips;
mod wait;

pub use acks::{Acks, Span};
pub use calls::{CallWords, Deed, HOLD, keep_in_flight};
pub use durable::{DurableWords, Task};
pub use load::Load;
pub use meter::Meter;
pub use orders::{Orders, ready};
pub use payload::{HEADER, Kind, Message, payload};
pub use process::{
    Memory, Usage, Written, memory, memory_of, settle_disks, usage, usage_of, written_by,
};
pub use report::{Acknowledged, Opened, Published, Received, Report, RoundTrips, Taken};
pub use roles::{Role, Words};
pub use times::Times;
pub use trips::{Echo, Trips};
pub use wait::{pass, within};

/// Where load is published.
pub const LOAD: &str = "bench/load";
/// Where a round trip begins.
pub const PING: &str = "bench/ping";
/// Where a round trip comes back.
pub const PONG: &str = "bench/pong";
