//! What is done to a plant in one round, drawn from a seed.

use std::fmt;
use std::time::Duration;

use super::works::NODES;
use crate::world::dice::Dice;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One node is killed without warning, and again.
    Killed,
    /// Two are, each at a moment of its own.
    TwoKilled,
    /// One or two hosts and the others do not hear each other.
    Partition,
    /// What one host sends does not arrive, or what others send to it.
    OneWay,
    /// 1, 5 or 20 of a hundred packets are lost.
    Loss,
    /// A node stands still, for longer than others believe that it is there.
    Stopped,
    /// The disk of a node fills up.
    FullDisk,
    /// The clock of a node is ten years off from a restart on.
    Clock,
    /// Bytes of a closed segment are overwritten while the node is down.
    OverwrittenDown,
    /// The same while it runs.
    OverwrittenUp,
    /// The data logs of a node are gone.
    Wiped,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Killed,
        Self::TwoKilled,
        Self::Partition,
        Self::OneWay,
        Self::Loss,
        Self::Stopped,
        Self::FullDisk,
        Self::Clock,
        Self::OverwrittenDown,
        Self::OverwrittenUp,
        Self::Wiped,
    ];
}

/// How long faults last.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    /// Milliseconds, at least and at most.
    pub fault: (usize, usize),
    /// How long a node stands still.
    pub stop: Duration,
}

impl Spans {
    /// For the ordinary run.
    pub const SHORT: Self = Self { fault: (3_000, 4_000), stop: Duration::from_secs(5) };

    /// For the long run.
    pub const LONG: Self = Self { fault: (4_000, 12_000), stop: Duration::from_secs(60) };
}

/// One fault.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Killed { nodes: Vec<&'static str>, times: usize },
    Partition { apart: Vec<&'static str> },
    OneWay { from: Vec<&'static str>, to: Vec<&'static str> },
    Loss { percent: u8 },
    Stopped { node: &'static str },
    FullDisk { node: &'static str },
    Clock { node: &'static str, years: i8 },
    Overwritten { node: &'static str, author: &'static str, places: usize, is_up: bool },
    Wiped { node: &'static str },
}

impl Fault {
    /// A fault of this kind.
    pub(super) fn draw(kind: Kind, dice: &mut Dice) -> Self {
        let mut nodes = drawn(dice);
        let node = nodes.pop().unwrap_or(NODES[0].0);
        match kind {
            Kind::Killed => Self::Killed { nodes: vec![node], times: 2 },
            Kind::TwoKilled => {
                let other = nodes.pop().unwrap_or(node);
                Self::Killed { nodes: vec![node, other], times: 1 }
            }
            Kind::Partition => {
                let other = nodes.pop().filter(|_| dice.percent(50));
                Self::Partition { apart: std::iter::once(node).chain(other).collect() }
            }
            Kind::OneWay => {
                nodes.truncate(1 + dice.below(nodes.len()));
                match dice.percent(50) {
                    true => Self::OneWay { from: vec![node], to: nodes },
                    false => Self::OneWay { from: nodes, to: vec![node] },
                }
            }
            Kind::Loss => Self::Loss { percent: dice.pick(&[1, 5, 20]).copied().unwrap_or(20) },
            Kind::Stopped => Self::Stopped { node },
            Kind::FullDisk => Self::FullDisk { node },
            Kind::Clock => Self::Clock { node, years: if dice.percent(50) { 10 } else { -10 } },
            Kind::OverwrittenDown | Kind::OverwrittenUp => {
                // Its own log as often as that of another.
                let author = nodes.pop().filter(|_| dice.percent(75)).unwrap_or(node);
                let (places, is_up) = (1 + dice.below(3), kind == Kind::OverwrittenUp);
                Self::Overwritten { node, author, places, is_up }
            }
            Kind::Wiped => Self::Wiped { node },
        }
    }
}

/// All nodes in an order of chance.
fn drawn(dice: &mut Dice) -> Vec<&'static str> {
    let mut nodes: Vec<&str> = NODES.iter().map(|(name, _)| *name).collect();
    for at in (1..nodes.len()).rev() {
        nodes.swap(at, dice.below(at + 1));
    }
    nodes
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed { nodes, times } => write!(f, "kill -9 of {nodes:?}, {times} each"),
            Self::Partition { apart } => write!(f, "a partition, {apart:?} apart"),
            Self::OneWay { from, to } => write!(f, "nothing from {from:?} reaches {to:?}"),
            Self::Loss { percent } => write!(f, "{percent} % of all packets lost"),
            Self::Stopped { node } => write!(f, "SIGSTOP of {node}"),
            Self::FullDisk { node } => write!(f, "the disk of {node} full"),
            Self::Clock { node, years } => write!(f, "the clock of {node} off by {years} years"),
            Self::Overwritten { node, author, places, is_up } => {
                let state = if *is_up { "runs" } else { "is down" };
                write!(f, "{places} places of {author}'s log overwritten at {node}, which {state}")
            }
            Self::Wiped { node } => write!(f, "the data logs of {node} wiped"),
        }
    }
}
