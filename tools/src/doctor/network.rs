//! Ports, the lines that open them in a firewall, and multicast.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use gearmesh_node::listen::{DEFAULT_PORT, Endpoint, plain};

use super::finding::Finding;
use super::{Facts, Running};

/// The port and group of multicast DNS (RFC 6762).
const MDNS_PORT: u16 = 5353;
const MDNS_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

pub(super) fn checks(facts: &Facts) -> Vec<Finding> {
    match &facts.node {
        Some(node) => vec![listening(node), multicast(facts, node)],
        None => vec![free(facts)],
    }
}

/// Where the node listens, and what to paste where a firewall is on.
fn listening(node: &Running) -> Finding {
    let check = "ports";
    let tcp = node.status.listen.iter().filter(|address| !address.ends_with("/quic-v1"));
    let addresses: Vec<SocketAddr> =
        tcp.filter_map(|address| plain(address).parse().ok()).collect();
    if addresses.is_empty() {
        return Finding::wrong(check, "the node listens nowhere")
            .mended_by("connect this machine to the network; the node notices by itself");
    }
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let said = format!("TCP and UDP on {}", shown.join(", "));
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        return Finding::look(check, format!("{said}: nobody but this machine can reach it"))
            .mended_by("start the node without --listen, or with an address of the network");
    }
    let ports: BTreeSet<u16> = addresses.iter().map(SocketAddr::port).collect();
    let firewall = Firewall::here();
    let lines = ports.iter().flat_map(|port| firewall.lines(*port));
    let fine = Finding::fine(check, said)
        .mended_by(format!("if members cannot reach it ({}):", firewall.name()));
    lines.fold(fine, Finding::mended_by)
}

/// Whether the ports can be had that the node would take.
fn free(facts: &Facts) -> Finding {
    let check = "ports";
    let wanted = facts.config.as_ref().map(|config| config.listen.as_slice()).unwrap_or_default();
    let any = [Endpoint::of(SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)))];
    let wanted = if wanted.is_empty() { &any[..] } else { wanted };
    let sockets: Vec<SocketAddr> = wanted.iter().filter_map(Endpoint::socket).collect();
    let shown = |sockets: &[SocketAddr]| {
        sockets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    match sockets
        .iter()
        .find_map(|socket| TcpListener::bind(socket).err().map(|error| (socket, error)))
    {
        Some((socket, error)) => Finding::look(check, format!("{socket}: {error}"))
            .mended_by(format!("see who has it: ss -lntp 'sport = :{}'", socket.port()))
            .mended_by("choose another: --listen IP:PORT, or listen in gearmesh.toml"),
        None => Finding::fine(check, format!("{} is free", shown(&sockets))),
    }
}

/// Whether the node hears what others announce.
fn multicast(facts: &Facts, node: &Running) -> Finding {
    let check = "multicast";
    let name = "name a member to dial: connect = [\"IP\"] under [network], or up --connect IP";
    if facts.config.as_ref().is_some_and(|config| !config.mdns) {
        return Finding::fine(check, "off by the settings; members are found by their addresses")
            .mended_by(name);
    }
    let Some(process) = node.process else {
        return Finding::unknown(check, "the system does not say which process the node is");
    };
    let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/net/igmp")) else {
        return Finding::unknown(check, "the system does not say who listens to which group");
    };
    let interfaces = joined(&text, MDNS_GROUP);
    if interfaces.is_empty() {
        return Finding::look(
            check,
            format!("nobody here listens to {MDNS_GROUP}: up --no-mdns, or no network"),
        )
        .mended_by(name);
    }
    Finding::fine(check, format!("{MDNS_GROUP} is heard on {}", interfaces.join(", ")))
        .mended_by("where Wi-Fi or a switch keeps multicast back:")
        .mended_by(name)
}

/// Interfaces that joined a group, from the text of `/proc/net/igmp`.
fn joined(text: &str, group: Ipv4Addr) -> Vec<String> {
    // The kernel prints the address as the number that lies in its memory.
    let wanted = format!("{:08X}", u32::from_ne_bytes(group.octets()));
    let (mut interface, mut found) = ("", Vec::new());
    for line in text.lines().skip(1) {
        let mut words = line.split_whitespace();
        match line.starts_with(char::is_whitespace) {
            false => interface = words.nth(1).unwrap_or_default().trim_end_matches(':'),
            true if words.next() == Some(&wanted) => found.push(interface.to_owned()),
            true => {}
        }
    }
    found
}

/// What filters packets on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Firewall {
    Ufw,
    Firewalld,
    Nftables,
}

impl Firewall {
    fn here() -> Self {
        let ufw = std::fs::read_to_string("/etc/ufw/ufw.conf").unwrap_or_default();
        if ufw.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes")) {
            Self::Ufw
        } else if Path::new("/run/firewalld").exists() {
            Self::Firewalld
        } else {
            Self::Nftables
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ufw => "ufw is on here",
            Self::Firewalld => "firewalld is on here",
            Self::Nftables => "with nftables",
        }
    }

    /// The lines that let members in.
    fn lines(self, port: u16) -> Vec<String> {
        match self {
            Self::Ufw => vec![
                format!("ufw allow {port}/tcp && ufw allow {port}/udp"),
                format!("ufw allow {MDNS_PORT}/udp"),
            ],
            Self::Firewalld => vec![
                format!("firewall-cmd --permanent --add-port={port}/tcp --add-port={port}/udp"),
                "firewall-cmd --permanent --add-service=mdns && firewall-cmd --reload".to_owned(),
            ],
            Self::Nftables => vec![
                format!("nft add rule inet filter input tcp dport {port} accept"),
                format!(
                    "nft add rule inet filter input udp dport {{ {port}, {MDNS_PORT} }} accept"
                ),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_of_a_group_are_read_as_the_kernel_prints_them() {
        let text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
                    1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n\
                    2\teth0      :     2      V3\n\t\t\t\tFB0000E0     1 0:00000000\t\t0\n\
                    \t\t\t\t010000E0     1 0:00000000\t\t0\n";
        if cfg!(target_endian = "little") {
            assert_eq!(joined(text, MDNS_GROUP), ["eth0"]);
        }
        assert_eq!(joined("", MDNS_GROUP), Vec::<String>::new());
    }

    #[test]
    fn every_firewall_opens_both_ports_of_a_node() {
        for firewall in [Firewall::Ufw, Firewall::Firewalld, Firewall::Nftables] {
            let lines = firewall.lines(7431).join("\n");
            assert!(lines.matches("7431").count() >= 2, "{lines}");
            assert!(lines.contains("5353") || lines.contains("mdns"), "{lines}");
        }
    }
}
