//! Five nodes on hosts of their own, and the programs that publish at them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::checker::{Shown, wrong};
use super::publishers::Publishers;
use super::speaking;
use crate::daemon::{Daemon, Plant};
use crate::netns::Network;
use crate::wait::throughout;

/// Node and host of each member; the first founds the plant.
pub(super) const NODES: [(&str, &str); 5] =
    [("gateway-1", "a"), ("press-1", "b"), ("press-2", "c"), ("robot-1", "d"), ("robot-2", "e")];

/// How long a node may take to show all its past.
const SHOW_MAX: Duration = Duration::from_secs(30);

/// The same during a fault: who does not answer is not judged then.
const GLANCE_MAX: Duration = Duration::from_secs(2);

/// Looks of [`throughout`] between two glances at a history.
const LOOKS_BETWEEN: usize = 40;

/// The plant under test.
pub struct Works {
    /// Dropped first: publishers complain about nodes that went.
    pub(super) publishers: Publishers,
    nodes: BTreeMap<&'static str, Daemon>,
    pub(super) plant: Plant,
    /// The number of the first value that was handed out after a disk was wiped last.
    pub(super) wiped_at: usize,
    /// Dropped last: the nodes live on it.
    pub(super) network: Network,
}

/// The host of a node.
pub(super) fn host_of(node: &str) -> &'static str {
    let found = NODES.iter().find(|(name, _)| *name == node);
    found.map_or("a", |(_, host)| host)
}

impl Works {
    /// Five nodes that have joined one plant, and their publishers, at rest.
    #[must_use]
    pub fn founded(seed: u64) -> Self {
        let network = Network::of(&NODES.map(|(_, host)| host));
        let mut plant = Plant::empty();
        let mut nodes = BTreeMap::new();
        for (name, host) in NODES {
            network.place(&mut plant, name, host);
            if nodes.is_empty() {
                let words = ["init", "Test plant", "--node-name", name];
                let _ = plant.gearmesh(name, &words).ok();
            } else {
                plant.join(name);
            }
            nodes.insert(name, plant.up_with(name, &[]));
        }
        let homes = NODES.map(|(name, _)| (name, plant.home(name)));
        let publishers = Publishers::at(&homes, seed);
        Self { publishers, nodes, plant, wiped_at: 0, network }
    }

    pub(super) fn home(&self, node: &str) -> PathBuf {
        self.plant.home(node)
    }

    /// Kills a node without warning.
    pub(super) fn kill(&mut self, node: &str) {
        if let Some(daemon) = self.nodes.remove(node) {
            daemon.kill();
            self.note_log(node);
        }
    }

    /// Keeps what a node said in the life that ended: its log begins anew with the next one.
    fn note_log(&self, node: &str) {
        let past = self.home(node).with_extension("past");
        let file = OpenOptions::new().append(true).create(true).open(past);
        // Only who looks for the cause of a failure misses it.
        _ = file.and_then(|mut file| file.write_all(self.plant.log(node).as_bytes()));
    }

    /// Leaves homes and logs where they are, for whoever looks for a cause. Where that is.
    #[must_use]
    pub fn keep(mut self) -> PathBuf {
        self.plant.keep()
    }

    /// Starts a node that was killed.
    pub(super) fn start(&mut self, node: &'static str) {
        let daemon = self.plant.up_with(node, &[]);
        self.nodes.insert(node, daemon);
    }

    /// Sends a signal to a node.
    pub(super) fn signal(&self, node: &str, signal: &str) {
        let id = self.nodes.get(node).map(Daemon::id).expect("a node that runs");
        let sent = Command::new("kill").args([signal, &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal} {id}");
    }

    /// Lets time pass in which a fault lasts and everybody publishes. What nodes show meanwhile is
    /// incomplete, never wrong; `silent` are not asked.
    pub(super) fn hold(&self, span: Duration, silent: &[&str]) {
        let asked: Vec<&str> = self.running().filter(|node| !silent.contains(node)).collect();
        let mut looks = 0;
        throughout("the publishers publish, and nothing wrong is shown", span, || {
            looks += 1;
            if looks % LOOKS_BETWEEN == 0 && !asked.is_empty() {
                self.glance(asked[looks / LOOKS_BETWEEN % asked.len()]);
            }
            self.publishers.are_alive()
        });
    }

    fn glance(&self, node: &str) {
        let round = self.publishers.book().round;
        let Ok(events) = speaking::history(&self.home(node), round, GLANCE_MAX) else { return };
        let found = wrong(&self.publishers.book(), node, &Shown::of(events));
        assert!(found.is_empty(), "while the fault lasts: {found:?}");
    }

    /// What a node shows of values of a round and later.
    pub(super) fn shown(&self, node: &str, since: u64) -> Result<Shown, String> {
        let events = speaking::history(&self.home(node), since, SHOW_MAX);
        events.map(Shown::of).map_err(|error| format!("{node}: {error}"))
    }

    /// What a node warns of.
    pub(super) fn alarms(&self, node: &str) -> Vec<String> {
        let status = speaking::status(&self.home(node), GLANCE_MAX);
        status.map(|status| status.alarms).unwrap_or_default()
    }

    fn running(&self) -> impl Iterator<Item = &'static str> {
        self.nodes.keys().copied()
    }
}
