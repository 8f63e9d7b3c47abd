//! What the shell and the core say to each other about leases.

use gearmesh_protocol::ids::{LeaseId, PublicKey};
use gearmesh_protocol::topic::Name;

use super::super::Ticket;
use super::holder::{Told, Wish};

/// What programs want of resources.
#[derive(Debug)]
pub enum LeaseInput {
    /// A program wants a lease. It hears at once whether it is asked for, and what becomes of it by
    /// [`LeaseEffect`].
    Ask {
        /// Where the answer goes.
        ticket: Ticket,
        /// What it wants.
        wish: Wish,
    },
    /// A program wants to hold one for longer; answered with what the arbiter says.
    Renew {
        /// Where the answer goes.
        ticket: Ticket,
        /// Which.
        id: LeaseId,
    },
    /// A program does not want one any more; answered when it is over.
    Release {
        /// Where the answer goes, if anybody waits for it.
        ticket: Option<Ticket>,
        /// Which.
        id: LeaseId,
    },
    /// A program wants to know who holds a resource.
    Look {
        /// Where the answer goes.
        ticket: Ticket,
        /// Whose.
        arbiter: PublicKey,
        /// Which.
        resource: Name,
    },
}

/// What happened to a lease of a program's, for whoever watches it.
#[derive(Clone, Debug)]
pub struct LeaseEffect {
    /// Which.
    pub id: LeaseId,
    /// What.
    pub told: Told,
}
