//! The network: connections with two ends, delays, and directions that are cut.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_node::core::plant::LinkId;
use gearmesh_protocol::plant::{Address, Greeting};

use super::lane::Inbox;

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The end that dialled.
    Dialer,
    /// The end that was dialled.
    Listener,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }
}

/// How far an end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The exchange of the admission goes on.
    Opening,
    /// The node was told that it has a link.
    Up,
    /// It is over.
    Down,
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct End {
    /// The machine.
    pub node: usize,
    /// The life of the machine to which the end belongs.
    pub life: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Whether its node asked to close it.
    pub is_closing: bool,
    /// What it said.
    pub greeting: Greeting,
    /// Whether what it sends is lost, since something was lost on the way.
    pub is_stalled: bool,
    /// What is on its way to it.
    pub inbox: Inbox,
}

/// What a connection was dialled for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To link up with the member at the other end.
    Link,
    /// To link up with whoever answers at this address.
    Seed(Address),
    /// To redeem the code.
    Join,
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What for.
    pub purpose: Purpose,
    dialer: End,
    listener: End,
}

impl Connection {
    /// A connection that is being opened.
    #[must_use]
    pub const fn new(purpose: Purpose, dialer: End, listener: End) -> Self {
        Self { purpose, dialer, listener }
    }

    /// One end.
    #[must_use]
    pub const fn end(&self, side: Side) -> &End {
        match side {
            Side::Dialer => &self.dialer,
            Side::Listener => &self.listener,
        }
    }

    /// One end, to change.
    pub const fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialer => &mut self.dialer,
            Side::Listener => &mut self.listener,
        }
    }

    /// Whether both ends are over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.dialer.stage == Stage::Down && self.listener.stage == Stage::Down
    }
}

/// All connections, and which directions are cut.
#[derive(Clone, Debug, Default)]
pub struct Network {
    connections: BTreeMap<u64, Connection>,
    cut: BTreeSet<(usize, usize)>,
    opened: u64,
}

impl Network {
    /// Adds a connection; its name.
    pub fn open(&mut self, connection: Connection) -> u64 {
        self.opened += 1;
        self.connections.insert(self.opened, connection);
        self.opened
    }

    /// A connection.
    #[must_use]
    pub fn get(&self, name: u64) -> Option<&Connection> {
        self.connections.get(&name)
    }

    /// A connection, to change.
    pub fn get_mut(&mut self, name: u64) -> Option<&mut Connection> {
        self.connections.get_mut(&name)
    }

    /// All connections, by name.
    pub fn connections(&self) -> impl Iterator<Item = (u64, &Connection)> {
        self.connections.iter().map(|(name, connection)| (*name, connection))
    }

    /// Forgets connections that are over at both ends.
    pub fn forget_old(&mut self) {
        self.connections.retain(|_, connection| !connection.is_over());
    }

    /// Whether anything gets from one machine to another.
    #[must_use]
    pub fn passes(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// Cuts one direction.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cut.insert((from, to));
    }

    /// Mends everything.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// The name that a node knows an end of a connection by.
    #[must_use]
    pub fn link(name: u64, side: Side) -> LinkId {
        LinkId(name * 2 + u64::from(side == Side::Listener))
    }

    /// The connection and the end that a node means.
    #[must_use]
    pub const fn named(link: LinkId) -> (u64, Side) {
        let side = if link.0.is_multiple_of(2) { Side::Dialer } else { Side::Listener };
        (link.0 / 2, side)
    }
}
