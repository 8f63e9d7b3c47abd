//! Leases on the local API, as JSON.
//!
//! Field names are stable: scripts read them.

use gearmesh_protocol::entry::{FencingToken, LeaseEvent, OnLoss};
use gearmesh_protocol::ids::{LeaseId, PublicKey};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};

/// `POST /v1/lease`: something that this machine wants to use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// The resource, or `MACHINE/RESOURCE` where several machines have one of the name.
    pub resource: String,
    /// For how long, in milliseconds: 10,000 if nothing is said.
    #[serde(default)]
    pub ttl_ms: Option<u32>,
    /// How long to wait for it, in milliseconds; not at all if nothing is said.
    #[serde(default)]
    pub wait_ms: Option<u32>,
    /// What is done if it is lost: `stop` if nothing is said.
    #[serde(default)]
    pub on_loss: Option<OnLoss>,
    /// The id of the lease, 32 hexadecimal digits; a new one if there is none.
    #[serde(default)]
    pub id: Option<LeaseId>,
    /// Whether the lease is given back when the program stops reading the events; else they end with
    /// the grant.
    #[serde(default)]
    pub hold: bool,
}

/// One event of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseNews {
    /// Which.
    pub id: LeaseId,
    /// How it stands.
    #[serde(flatten)]
    pub state: LeaseState,
}

/// How a lease stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum LeaseState {
    /// Others come first.
    Waiting {
        /// How many, and one.
        place: u16,
    },
    /// This machine has it.
    Held {
        /// What the equipment knows it by.
        token: FencingToken,
        /// For how much longer, in milliseconds, if it is not renewed.
        left_ms: u32,
    },
    /// This machine does not have it any more.
    Ended {
        /// Why.
        why: LeaseEvent,
    },
    /// It will not have it.
    Refused(ErrorBody),
}

impl LeaseState {
    /// Whether nothing more becomes of the lease.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Refused(_))
    }
}

/// `POST /v1/lease/renew` and `/v1/lease/release`: which lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseKey {
    /// Which.
    pub id: LeaseId,
}

/// `GET /v1/leases`: a resource, who holds it, and who waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResourceStatus {
    /// What it is called.
    pub resource: Name,
    /// The machine that it is wired to.
    pub machine: Name,
    /// Its key.
    pub machine_key: PublicKey,
    /// How many may hold it at once.
    pub places: u16,
    /// For how long it is given away at most, in milliseconds.
    pub longest_ms: u32,
    /// How much longer the machine gives nothing away since it was started, in milliseconds.
    pub closed_ms: u32,
    /// The leases of it.
    pub held: Vec<HeldStatus>,
    /// Who waits, in the order of their turns.
    pub waiting: Vec<String>,
    /// Why nobody knows who holds it, if nobody does.
    pub unknown: Option<ErrorBody>,
}

/// A lease that lasts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldStatus {
    /// What people call its holder, or its key if it is no member any more.
    pub holder: String,
    /// Its key.
    pub holder_key: PublicKey,
    /// The lease's id, if it is this machine's own.
    pub id: Option<LeaseId>,
    /// What the equipment knows it by.
    pub token: FencingToken,
    /// Since when, in milliseconds before now; not known of one that a machine gave before it was started
    /// anew.
    pub since_ms: Option<u64>,
    /// How much longer, in milliseconds, if it is not renewed.
    pub left_ms: u32,
    /// What its holder does if it loses it.
    pub on_loss: OnLoss,
}
