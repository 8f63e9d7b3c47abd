//! The audit trail: who did what, and when, as a node answers it on its local API.

use serde::{Deserialize, Serialize};

use crate::ids::PublicKey;
use crate::time::UnixMillis;

/// Lines of one answer if nobody says how many.
pub const AUDIT_LINES_USUAL: usize = 100;

/// Lines of one answer at most.
pub const AUDIT_LINES_MAX: usize = 10_000;

/// `GET /v1/log`: what happened, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditLog {
    /// The newest lines of those that were asked for.
    pub lines: Vec<AuditLine>,
    /// How many older ones were left out.
    pub earlier: u64,
    /// Whether commands and leases are among them. An observer keeps no data logs, so it knows of none.
    pub has_commands: bool,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When, by the clock of the machine that wrote it down.
    pub at: UnixMillis,
    /// Where it stands.
    pub kind: AuditKind,
    /// Who did it.
    pub who: String,
    /// Its key; none of what the root's keys signed together.
    pub who_key: Option<PublicKey>,
    /// To whom, or with whom; none if it is about the plant.
    pub whom: Option<String>,
    /// What, as the rest of a sentence that begins with who.
    pub text: String,
}

/// Where a line of the audit trail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditKind {
    /// A record of the ledger, signed by an authority.
    Trust,
    /// A command's record in its target's data log.
    Command,
    /// A lease's record in its arbiter's data log. It has no time of its own: it was written at or after
    /// that of the record before it.
    Lease,
    /// What a gateway decided about a partner, in its data log.
    Partner,
    /// An admin that came to a member over the network, in that member's data log.
    Visit,
}
