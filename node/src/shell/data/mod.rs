//! Data logs on disk: the groups that this node wrote itself and those it keeps for others.
//!
//! A log may have any number of groups, so it is kept in *segments*, files of at most
//! [`SEGMENT_BYTES_MAX`], and in memory there is only its shape
//! ([`Chain`](crate::core::plant::chain::Chain)), the bounds of every unbroken run of groups and a
//! point for about every [64 KiB](segment::POINT_BYTES) of file.
//!
//! # What is promised
//!
//! - **Acknowledged means durable.** [`Queued::stored`] resolves with `Ok` after `fdatasync`.
//! - **Refused means absent**, unless the store is poisoned: after [`AppendError::Refused`] (a full
//!   disk, mostly) every file is back at its last good length, durably, and the store goes on
//!   working when there is space again.
//! - **A failed sync ends the store's writing**, for the reasons that the
//!   [journal](super::journal) gives; what is there can still be read.
//! - **Damage is never data.** A group is given out only when its checksum holds at its place in
//!   the file. What does not hold is a [`Hole`]: left as it is, reported, counted, and filled when
//!   its groups are appended again.
//! - **What is found at opening is durable too**, as with the journal.
//!
//! # What is not promised
//!
//! What was never acknowledged may be found after a restart in full, in part or not at all, but
//! never with a part missing before what is there. The last group of a branch, when damaged,
//! cannot be told from a torn one: it is cut off, as [`Torn`].
//!
//! Checksums are against accidents. Who wrote a group was checked before it came here, and is
//! checked again by whoever reads it.
//!
//! # The files
//!
//! ```text
//!   <home>/data/                                 0700
//!     <author, 64 hexadecimal digits>/           0700
//!       00000-00000000000000000000.seg           0600   branch 0 from group 0 on
//!       00000-00000000000000004711.seg
//!       00000-00000000000000000815.1.seg                what filled a hole from 815 on
//!       00001-00000000000000004000.seg                  a second child of group 3,999
//! ```
//!
//! A file is a header and then records, as in the journal: first a head ([`segment`]), so that a
//! segment is understood alone, and then groups; zeros may follow, which are [prepared]. A segment is
//! durable, name and head, before the first group goes into it. One thread, named `data`, does all reading and writing with `std::fs`;
//! what queued up meanwhile shares one write and one sync for each file. The home's journal is
//! locked while a node runs, and guards this directory with it.

mod commit;
mod cursor;
mod errors;
mod files;
mod handle;
mod index;
mod logs;
mod open;
mod page;
mod prepared;
mod prune;
mod salvage;
mod scan;
mod scrub;
mod segment;
mod shelf;
mod stats;
mod store;
#[cfg(test)]
mod tests;

pub(in crate::shell) use errors::AppendError;
pub use errors::DataError;
pub(in crate::shell) use errors::ReadError;
pub(in crate::shell) use handle::{DataStore, Queued};
pub(in crate::shell) use open::LogState;
pub(in crate::shell) use page::Page;
pub(in crate::shell) use prune::{Left, Stay};
pub use salvage::{SalvagedLog, salvage};
pub(in crate::shell) use shelf::Shelf;
pub(in crate::shell) use store::Outcome;
#[cfg(test)]
use {
    errors::{Fault, Step},
    handle::APPEND_BYTES_MAX,
    open::{Hole, Opened, Torn},
    segment::SEGMENT_BYTES_MAX,
    stats::DataStats,
    store::Stored,
};
