//! Exports: durable values with all that it takes to check them without a node.
//!
//! An export is a text of lines, each a JSON document of [`ExportLine`]: first of what plant it is,
//! then the plant's ledger, then for each author the signed headers of its groups, each with the
//! wanted values that the group holds, and at last an end, so that a file that is cut off shows. An
//! entry comes with a proof that leads to the root in its group's header; what else stands in that
//! group stays unknown.

use serde::{Deserialize, Serialize};

use crate::durable::HistoryEntry;
use crate::hex::HexBytes;
use crate::ids::{PlantId, PublicKey};
use crate::time::UnixMillis;

/// The form of exports that this release writes and reads.
pub const EXPORT_FORMAT: u16 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportLine {
    /// The first line.
    Export {
        /// [`EXPORT_FORMAT`] of who wrote it.
        format: u16,
        /// Of what plant.
        plant: PlantId,
        /// The node that wrote it; nothing rests on its word but that no more was there.
        by: PublicKey,
        /// When, by its clock.
        at: UnixMillis,
    },
    /// A [`LedgerPage`](crate::plant::LedgerPage), encoded.
    Ledger(HexBytes),
    /// The signed header of a group, encoded, after those of its parents. Of an author the first
    /// that holds a wanted value and all that follow it stand here, so that each value's place
    /// within cuts and branches can be told.
    Group(HexBytes),
    /// A value of the group whose header stands above it.
    Entry(Box<ExportedEntry>),
    /// Entries that the exporting node did not have.
    Gap {
        /// Whose.
        author: String,
        /// The author's key.
        author_key: PublicKey,
        /// How many entries, whatever their topics.
        count: u64,
    },
    /// The last line.
    End {
        /// How many values stand above.
        entries: u64,
        /// Entries that match and are not believed, and so left out.
        withheld: u64,
    },
}

/// A value and what proves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportedEntry {
    /// What it says.
    pub value: HistoryEntry,
    /// The entry as its author signed it.
    pub bytes: HexBytes,
    /// A [`Proof`](crate::merkle::Proof), encoded.
    pub proof: HexBytes,
}
