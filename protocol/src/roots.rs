//! How the root stands, as JSON over the local socket.

use serde::{Deserialize, Serialize};

use crate::ids::{PublicKey, RecordId};
use crate::time::UnixMillis;
use crate::trust::Root;

/// Answer to `GET /v1/trust/root`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootStatus {
    /// What made the root that acts, or that is frozen: a rotation, or the genesis.
    pub made_by: RecordId,
    /// Its check words.
    pub words: String,
    /// Its keys, and how many of them act together.
    pub root: Root,
    /// Keys of roots that others replaced.
    pub past_keys: Vec<PublicKey>,
    /// Whether several rotations want to follow it, so that it signs nothing.
    pub is_frozen: bool,
    /// The admins who decide then, by their keys: more than half of them.
    pub voters: Vec<PublicKey>,
    /// All rotations, the oldest first, whether they stand or not.
    pub rotations: Vec<RotationStatus>,
    /// What roots signed, the oldest first; what the logs of root keys say is not among it.
    pub acts: Vec<RootAct>,
}

/// One rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationStatus {
    /// Its id.
    pub id: RecordId,
    /// Its check words.
    pub words: String,
    /// When it was signed.
    pub at: UnixMillis,
    /// What made the root that it follows.
    pub after: RecordId,
    /// The root that it follows.
    pub before: Root,
    /// The root that takes over.
    pub root: Root,
    /// Whether it does.
    pub stands: bool,
    /// The admins who are for it, while the root is frozen.
    pub votes: Vec<PublicKey>,
}

/// One record that keys of a root signed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootAct {
    /// Its id.
    pub id: RecordId,
    /// What made the root: a rotation, or the genesis.
    pub root: RecordId,
    /// When it was signed.
    pub at: UnixMillis,
    /// What it says, in words.
    pub text: String,
    /// Whether it counts.
    pub counts: bool,
}
