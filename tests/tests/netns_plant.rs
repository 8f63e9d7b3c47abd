//! Nodes on hosts of their own: discovery, partitions, loss, a stranger, changing addresses.
//!
//! Every test has its own network (`gearmesh_tests::netns`). They run side by side, except the one
//! that measures: it waits until it is alone.
#![expect(clippy::expect_used, reason = "a suite has one way to fail a test")]

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::netns::{self, Network};
use gearmesh_tests::skip::skip;

#[path = "netns_plant/addresses.rs"]
mod addresses;
#[path = "netns_plant/discovery.rs"]
mod discovery;
#[path = "netns_plant/loss.rs"]
mod loss;
#[path = "netns_plant/partitions.rs"]
mod partitions;
#[path = "netns_plant/stranger.rs"]
mod stranger;
#[path = "netns_plant/times.rs"]
mod times;

/// Held by reading while a test runs, and by writing while one measures.
static MACHINE: RwLock<()> = RwLock::new(());

/// Whether networks can be made here; says aloud if not. A test that runs holds the machine.
fn able(test: &str) -> Option<RwLockReadGuard<'static, ()>> {
    said_if_unable(test).then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner))
}

/// Like [`able`], for a test that measures.
fn able_alone(test: &str) -> Option<RwLockWriteGuard<'static, ()>> {
    said_if_unable(test).then(|| MACHINE.write().unwrap_or_else(PoisonError::into_inner))
}

fn said_if_unable(test: &str) -> bool {
    let missing = netns::missing();
    if let Some(reason) = &missing {
        skip(test, reason);
    }
    missing.is_none()
}

/// A plant of `gateway-1` on host `a` and of machines on the hosts after it, all running and
/// joined through the codes alone.
struct Cell {
    nodes: Vec<Daemon>,
    plant: Plant,
    /// Dropped last: the nodes live on it.
    network: Network,
}

impl Cell {
    /// The hosts are called `a`, `b`, `c`, … and hold `gateway-1` and then these machines.
    fn new(machines: &[&str]) -> Self {
        Self::with_hosts(machines, &["a", "b", "c"][..=machines.len()])
    }

    /// The same with these hosts, of which the last ones may stay empty.
    fn with_hosts(machines: &[&str], hosts: &[&'static str]) -> Self {
        let network = Network::of(hosts);
        let mut plant = Plant::empty();
        network.place(&mut plant, "gateway-1", "a");
        let words = ["init", "Test plant", "--node-name", "gateway-1"];
        let _ = plant.gearmesh("gateway-1", &words).ok();
        let mut nodes = vec![plant.up_with("gateway-1", &[])];
        for (machine, host) in machines.iter().zip(&hosts[1..]) {
            network.place(&mut plant, machine, host);
            plant.join(machine);
            nodes.push(plant.up_with(machine, &[]));
        }
        Self { nodes, plant, network }
    }
}
