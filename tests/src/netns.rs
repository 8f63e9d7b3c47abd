//! Networks of a test's own: hosts as network namespaces on a bridge that has a namespace too, so
//! that nothing outside is touched. All of it goes away with its owner, panics included; what an
//! earlier run left behind because it was killed goes away before the first network is made.

use std::cell::Cell;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::daemon::Plant;

mod namespace;
mod tools;

use namespace::Namespace;

/// What every namespace of the suites is called first; the id of its process follows.
const PREFIX: &str = "gmtest";

/// The interface of a host.
const INTERFACE: &str = "eth0";

/// The subnet of the addresses of [`Network::spread`].
const SPREAD_SUBNET: u8 = 200;

/// The table that holds the rules of a test, in each host that has some.
const TABLE: &str = "inet gearmesh";

/// Why networks cannot be made on this machine; none if they can.
#[must_use]
pub fn missing() -> Option<String> {
    namespace::sweep();
    let probe = || {
        tools::run("id", &["-u"], "")
            .and_then(|id| if id.trim() == "0" { Ok(()) } else { Err("not root".to_owned()) })?;
        tools::run("nft", &["--version"], "")?;
        let namespace = Namespace::make(&unique("probe"))?;
        namespace.try_ip(&["link", "add", "br0", "type", "bridge"])?;
        namespace.try_nft(&format!("add table {TABLE}"))
    };
    probe().err()
}

/// Hosts on one bridge.
pub struct Network {
    hosts: Vec<Host>,
    /// Dropped last: its end takes the cables with it.
    _switch: Namespace,
}

/// A machine on the network.
struct Host {
    name: &'static str,
    namespace: Namespace,
    /// The address is `10.77.SUBNET.NUMBER`; all subnets are on one link.
    number: usize,
    subnet: Cell<u8>,
}

impl Host {
    fn address(&self) -> String {
        format!("10.77.{}.{}", self.subnet.get(), self.number)
    }

    fn with_mask(&self) -> String {
        format!("{}/16", self.address())
    }

    fn plug_in(&self, switch: &Namespace) {
        let port = format!("port{}", self.number);
        let ends = ["link", "add", INTERFACE, "type", "veth", "peer", "name", &port];
        self.namespace.ip(&[&ends[..], &["netns", switch.name()]].concat());
        switch.ip(&["link", "set", &port, "master", "br0", "up"]);
        // Without link-local addresses of IPv6 there is no second path around the rules below.
        self.namespace.ip(&["link", "set", INTERFACE, "addrgenmode", "none"]);
        self.namespace.ip(&["link", "set", INTERFACE, "up"]);
        self.add_address();
    }

    fn add_address(&self) {
        self.namespace.ip(&["addr", "add", &self.with_mask(), "dev", INTERFACE]);
    }

    fn delete_address(&self) {
        self.namespace.ip(&["addr", "del", &self.with_mask(), "dev", INTERFACE]);
    }

    fn drop_incoming(&self, which: &str) {
        self.namespace.nft(&format!(
            "add table {TABLE}\n\
             add chain {TABLE} incoming {{ type filter hook input priority 0; }}\n\
             add rule {TABLE} incoming {which} drop\n"
        ));
    }
}

impl Network {
    /// A network of hosts with these names.
    ///
    /// # Panics
    /// It cannot be made; [`missing`] says whether it could.
    #[must_use]
    pub fn of(names: &[&'static str]) -> Self {
        let make = |name: &str| Namespace::make(&unique(name)).expect("a namespace");
        let switch = make("switch");
        switch.ip(&["link", "add", "br0", "type", "bridge", "mcast_snooping", "0"]);
        switch.ip(&["link", "set", "br0", "up"]);
        let host = |(at, name): (usize, &&'static str)| {
            let (namespace, subnet) = (make(name), Cell::new(0));
            let host = Host { name, namespace, number: at + 1, subnet };
            host.plug_in(&switch);
            host
        };
        let hosts = names.iter().enumerate().map(host).collect();
        Self { hosts, _switch: switch }
    }

    fn host(&self, name: &str) -> &Host {
        self.hosts.iter().find(|host| host.name == name).expect("a host of this network")
    }

    /// The address of a host.
    #[must_use]
    pub fn address(&self, host: &str) -> String {
        self.host(host).address()
    }

    /// Lets a node of a plant live on a host.
    pub fn place(&self, plant: &mut Plant, node: &str, host: &str) {
        self.place_behind(plant, node, host, &[]);
    }

    /// The same, with these words in front of the program on that host.
    pub fn place_behind(&self, plant: &mut Plant, node: &str, host: &str, words: &[&str]) {
        let namespace = self.host(host).namespace.name();
        plant.run_behind(node, &[&["ip", "netns", "exec", namespace], words].concat());
    }

    /// A program that will run on a host.
    #[must_use]
    pub fn command(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.host(host).namespace.name(), program]);
        command
    }

    /// Nothing that `from` sends reaches `to` any more, multicast included; the other way stays.
    pub fn block(&self, from: &str, to: &str) {
        self.host(to).drop_incoming(&format!("ip saddr {}", self.address(from)));
    }

    /// A host hears nothing that comes over TCP any more.
    pub fn drop_tcp(&self, host: &str) {
        self.host(host).drop_incoming("meta l4proto tcp");
    }

    /// Two hosts do not hear each other any more.
    pub fn partition(&self, one: &str, other: &str) {
        self.block(one, other);
        self.block(other, one);
    }

    /// So many of a hundred packets get lost between two hosts, in each direction.
    pub fn lose(&self, percent: u8, one: &str, other: &str) {
        for (from, to) in [(one, other), (other, one)] {
            let from = self.address(from);
            let which = format!("ip saddr {from} numgen random mod 100 < {percent}");
            self.host(to).drop_incoming(&which);
        }
    }

    /// Ends all partitions and losses.
    pub fn heal(&self) {
        for host in &self.hosts {
            // Adding first makes deleting succeed where there was no rule.
            host.namespace.nft(&format!("add table {TABLE}\ndelete table {TABLE}\n"));
        }
    }

    /// Lets the TCP connections that a host opens come from so many other addresses in turn.
    pub fn spread(&self, host: &str, addresses: u8) {
        let namespace = &self.host(host).namespace;
        let others: Vec<String> =
            (1..=addresses).map(|number| format!("10.77.{SPREAD_SUBNET}.{number}")).collect();
        for address in &others {
            namespace.ip(&["addr", "add", &format!("{address}/16"), "dev", INTERFACE]);
        }
        let map: Vec<String> =
            (0..).zip(&others).map(|(at, address): (u8, _)| format!("{at} : {address}")).collect();
        namespace.nft(&format!(
            "add table ip spread\n\
             add chain ip spread leaving {{ type nat hook postrouting priority 100; }}\n\
             add rule ip spread leaving meta l4proto tcp \
             snat to numgen inc mod {addresses} map {{ {} }}\n",
            map.join(", ")
        ));
    }

    /// Takes a host's address away; the link stays up.
    pub fn take_address(&self, host: &str) {
        self.host(host).delete_address();
    }

    /// Gives a host the address `10.77.SUBNET.…` after [`Self::take_address`].
    pub fn give_address(&self, host: &str, subnet: u8) {
        let host = self.host(host);
        host.subnet.set(subnet);
        host.add_address();
    }
}

/// A name that no other network of this machine has.
fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}-{}-{number}-{what}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::{Network, missing, namespace};
    use crate::skip::skip;

    #[test]
    fn a_network_goes_away_with_its_owner_even_in_a_panic() {
        if let Some(reason) = missing() {
            return skip("a_network_goes_away_with_its_owner_even_in_a_panic", &reason);
        }
        let network = Network::of(&["a"]);
        let name = network.host("a").namespace.name().to_owned();
        assert!(namespace::all().contains(&name));
        let panicked = std::thread::spawn(move || {
            let _owned = network;
            panic!("a test that fails");
        });
        assert!(panicked.join().is_err());
        assert!(!namespace::all().contains(&name));
    }

    #[test]
    fn what_a_killed_run_left_behind_is_swept_away() {
        if let Some(reason) = missing() {
            return skip("what_a_killed_run_left_behind_is_swept_away", &reason);
        }
        // No process has this id: Linux stops at 2^22.
        let left = format!("{}-9999999-0-a", super::PREFIX);
        let made = namespace::Namespace::make(&left).expect("a namespace");
        std::mem::forget(made);
        namespace::sweep_now();
        assert!(!namespace::all().contains(&left));
    }
}
