//! The journal: the node's fsynced file of record.
//!
//! A batch is acknowledged only once it would survive a power cut, so everything that leaves the
//! node (an answer, a vote, a delivery receipt) may rest on an acknowledgement from here. Views
//! kept elsewhere are rebuilt from it.
//!
//! # What is promised
//!
//! - **Acknowledged means durable.** [`Journal::append`] resolves with `Ok` after `fdatasync`. A
//!   batch is acknowledged as a whole or refused as a whole.
//! - **Refused means absent**, unless the journal is poisoned: after [`AppendError::Refused`] (a
//!   full disk, mostly) the file is back at its last good length, durably, and the journal goes on
//!   working when there is space again.
//! - **A failed sync ends the journal.** The kernel may have dropped the pages and would report the
//!   next sync as good, so nothing is acknowledged after it: [`AppendError::Poisoned`] from then
//!   on, until the process opens the file anew.
//! - **What is replayed is durable too.** Opening syncs before it returns, so that a record left in
//!   the page cache by a killed process is not acted upon and then lost.
//! - **Damage is never data.** A record is returned only when its checksum holds at its place in
//!   the file. A torn tail is cut; damage with valid records after it is skipped, reported, and
//!   left alone as evidence.
//!
//! # What is not promised
//!
//! A batch whose append was never acknowledged (the process died, the caller's future was dropped,
//! the journal was poisoned) may be found after a restart in full, in part or not at all. A damaged
//! *last* record cannot be told from a torn one and is cut: both are reported as [`TornTail`], for
//! the caller to refill from its peers.
//!
//! The checksum is against accidents; it does not say who wrote a record. A payload made for the
//! exact offset at which its record comes to lie, and then torn or damaged there, could be replayed
//! as a record of its maker's choosing. Whatever must not be forged is signed, and checked again
//! when it is replayed.
//!
//! # The file
//!
//! One file, mode 0600, locked against a second process: a header and then records, back
//! to back. One thread, named `journal`, does all writing with `std::fs`;
//! it commits everything that queued up during the previous sync with one write and one sync.

mod handle;
mod open;
mod recovery;
mod stats;
#[cfg(test)]
mod tests;
mod writer;

pub use super::frames::{RECORD_BYTES_MAX, Record};
pub use handle::{AppendError, BATCH_BYTES_MAX, Journal, QUEUE_BATCHES_MAX};
pub use open::{FORMAT_VERSION, OpenError};
pub(super) use recovery::look;
pub use recovery::{Damage, Recovery, TornTail};
pub use stats::JournalStats;
pub use writer::{Fault, Step};
