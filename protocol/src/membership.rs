//! What tools that change memberships, or who may sign for them, ask a node, as JSON over its socket.

use serde::{Deserialize, Serialize};

use crate::grant::Terms;
use crate::ids::{PublicKey, RecordId};
use crate::topic::Name;
use crate::trust::Authority;

/// One of the answers to `GET /v1/trust/terms?key=…`: a record that makes the key a member and was
/// not replaced by another. Of a member without trouble there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingTerms {
    /// The record, which an amendment names as the one it replaces.
    pub record: RecordId,
    /// What it says.
    pub terms: Terms,
}

/// One of the answers to `GET /v1/trust/authorities`: a key that may sign for the plant, besides the
/// root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityStatus {
    /// What people call it.
    pub name: Name,
    /// What it may do.
    pub authority: Authority,
    /// The key; a registrar's is a member's.
    pub key: PublicKey,
    /// Its check words.
    pub key_words: String,
}

/// Answer to `POST /v1/trust/acts`: the act is on this node's disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAct {
    /// Which act.
    pub act: RecordId,
}

/// `POST /v1/leave`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveRequest {
    /// Whether durable values may be lost that no other member has.
    #[serde(default)]
    pub lose_values: bool,
}

/// Answer to it: this node is a member no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// What it was called.
    pub name: String,
    /// Members that know.
    pub told: Vec<String>,
}
