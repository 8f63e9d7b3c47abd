//! Backups: all that a node and a keyring need to be put back, in one file behind a passphrase.
//!
//! ```text
//! gearmesh-backup 1
//! argon2id <KiB> <passes> <salt>
//! <pieces>
//! ```
//!
//! The [pieces](seal) hold a line of JSON that says [what is in it](About), and then each file: a line
//! of JSON with its [path and length](Entry), and its bytes. Paths begin with `home/` or `keyring/`.
//!
//! A backup of a node that runs is as good as one of a node that was killed at that moment, which
//! every node can be: the journal is read before the data logs, so that it never speaks of more than
//! they hold; files only grow at their ends, and what is torn there is cut at the next start.

mod files;
mod pack;
mod seal;
mod unpack;

use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::keyring::Holder;

pub(crate) use files::Source;
pub(crate) use pack::pack;
pub(crate) use seal::is_backup;
pub(crate) use unpack::{Backup, Only};

/// Bytes of a line of JSON at most.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where a file of the home, or of the keyring, stands in a backup.
const HOME: &str = "home";
const KEYRING: &str = "keyring";

/// What a backup holds, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The release that made it.
    pub(crate) release: String,
    /// When, by the clock of the machine.
    pub(crate) at: UnixMillis,
    /// The node, if it holds one.
    pub(crate) node: Option<AboutNode>,
    /// The keyring, if it holds one.
    pub(crate) keyring: Option<AboutKeyring>,
}

/// A node in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboutNode {
    /// Its key.
    pub(crate) key: PublicKey,
    /// What it is called, if it is a member.
    pub(crate) name: Option<String>,
    /// Its plant, if it belongs to one.
    pub(crate) plant: Option<PlantId>,
    /// What people call the plant.
    pub(crate) plant_name: Option<String>,
}

/// A keyring in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AboutKeyring {
    /// Whose key it holds.
    pub(crate) holder: Holder,
    /// The plant it signs for, if it has signed.
    pub(crate) plant: Option<PlantId>,
    /// Whether its key has a passphrase of its own, which it keeps.
    pub(crate) passphrase: bool,
}

/// A file in a backup; its bytes follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: String,
    bytes: u64,
}
