//! Leases: who may use a resource, for how long, and who comes next.
//!
//! The machine that a resource is wired to is its *arbiter*: it alone gives leases of it, and executes
//! what is asked for under them. The frames go over the command lane and are not signed: the link says
//! who speaks, and the arbiter's own log, which is signed, says what was given.
//!
//! ```text
//!   asker                                  arbiter
//!          ◀── Resources ──                what it gives away
//!   Ask(1) ──▶
//!          ◀── Waits(1st) ──               somebody else holds it
//!   Ask(2), Ask(3), … ──▶                  it still waits
//!                                          the grant is on the arbiter's disk
//!          ◀── Granted(3, token) ──        good for its time since Ask(3) was sent
//!   Renew(4) ──▶   ◀── Granted(4, token) ──
//!   Release ──▶    ◀── Ended(released) ──
//! ```
//!
//! **Time.** Asks and renewals of one id are numbered, and a grant names the number that it answers. The
//! asker counts from the moment at which it sent that, the arbiter from the moment at which it answers:
//! so the arbiter always holds a lease for longer than its holder believes to have it, without a common
//! clock.

use serde::{Deserialize, Serialize};

use crate::bounded::Bounded;
use crate::entry::{FencingToken, LeaseEvent, OnLoss};
use crate::ids::{LeaseId, PublicKey};
use crate::limits::{LEASES_WAITING_MAX, PLACES_MAX, RESOURCES_MAX};
use crate::refusal::Refusal;
use crate::topic::Name;

/// What is said about leases on the command lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaseFrame {
    /// The resources that I give away. Replaces what was said before.
    Resources(Bounded<Resource, RESOURCES_MAX>),
    /// I want to have this, or wait for it still.
    Ask(LeaseAsk),
    /// You have it.
    Granted {
        /// Which wish.
        id: LeaseId,
        /// The ask or renewal from which its time counts.
        number: u32,
        /// What the equipment knows it by.
        token: FencingToken,
        /// How long it lasts, in milliseconds.
        ttl_ms: u32,
    },
    /// You will have it in your turn.
    Waits {
        /// Which wish.
        id: LeaseId,
        /// The ask that is answered.
        number: u32,
        /// How many come before, and one.
        place: u16,
    },
    /// I want to have it for longer.
    Renew {
        /// Which lease.
        id: LeaseId,
        /// Counts what is asked for under the id.
        number: u32,
        /// Of what.
        resource: Name,
        /// What it was given as: it may be of an earlier life of yours.
        token: FencingToken,
    },
    /// I do not want it any more; whether I have it or wait for it.
    Release {
        /// Which.
        id: LeaseId,
    },
    /// You do not have it any more.
    Ended {
        /// Which.
        id: LeaseId,
        /// Released, expired or revoked.
        why: LeaseEvent,
    },
    /// You will not have it.
    Refused {
        /// Which wish.
        id: LeaseId,
        /// Why.
        refusal: Refusal,
    },
    /// Who holds a resource?
    Look {
        /// Counts the questions of one node.
        number: u64,
        /// Which.
        resource: Name,
    },
    /// They do.
    Shown {
        /// The question.
        number: u64,
        /// The answer; none if there is no such resource.
        usage: Option<Usage>,
    },
}

impl LeaseFrame {
    /// The frame's name for logs and counters.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Resources(_) => "resources",
            Self::Ask(_) => "lease_ask",
            Self::Granted { .. } => "lease_granted",
            Self::Waits { .. } => "lease_waits",
            Self::Renew { .. } => "lease_renew",
            Self::Release { .. } => "lease_release",
            Self::Ended { .. } => "lease_ended",
            Self::Refused { .. } => "lease_refused",
            Self::Look { .. } => "lease_look",
            Self::Shown { .. } => "lease_shown",
        }
    }
}

/// Something that a machine gives away for a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    /// What it is called.
    pub name: Name,
    /// How many may hold it at once.
    pub places: u16,
    /// For how long it is given away at most, in milliseconds; it may be renewed.
    pub longest_ms: u32,
}

/// A wish for a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseAsk {
    /// Chosen by the asker; who asks again under it is answered as before.
    pub id: LeaseId,
    /// Counts what is asked for under the id.
    pub number: u32,
    /// What it wants.
    pub resource: Name,
    /// For how long, in milliseconds.
    pub ttl_ms: u32,
    /// What it will do if it loses the lease.
    pub on_loss: OnLoss,
    /// Whether it waits for its turn. It asks again while it does.
    pub waits: bool,
}

/// Who holds a resource, and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The leases that last.
    pub held: Bounded<Holding, PLACES_MAX>,
    /// Who waits, in the order of their turns.
    pub waiting: Bounded<PublicKey, LEASES_WAITING_MAX>,
    /// How long the arbiter still gives nothing away since it was started, in milliseconds.
    pub closed_ms: u32,
}

/// A lease that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Who holds it.
    pub holder: PublicKey,
    /// What the equipment knows it by.
    pub token: FencingToken,
    /// Since when, in milliseconds before the answer; unknown for one of an earlier life.
    pub since_ms: Option<u64>,
    /// How much longer, in milliseconds.
    pub left_ms: u32,
    /// What its holder does if it loses it.
    pub on_loss: OnLoss,
}
