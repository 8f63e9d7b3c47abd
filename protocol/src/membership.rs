//! What tools that change memberships ask a node, as JSON over its socket.

use serde::{Deserialize, Serialize};

use crate::grant::Terms;
use crate::ids::RecordId;

/// One of the answers to `GET /v1/trust/terms?key=…`: a record that makes the key a member and was
/// not replaced by another. Of a member without trouble there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingTerms {
    /// The record, which an amendment names as the one it replaces.
    pub record: RecordId,
    /// What it says.
    pub terms: Terms,
}
