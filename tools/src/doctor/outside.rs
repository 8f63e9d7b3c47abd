//! Addresses outside the plant's own networks that the node is connected to: there must be none but
//! members.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use gearmesh_node::listen::plain;

use super::finding::Finding;
use super::{Facts, Running};

pub(super) fn contacts(facts: &Facts) -> Finding {
    let check = "outside";
    let Some(node) = &facts.node else {
        return Finding::unknown(check, "no node runs, so nobody is contacted");
    };
    let Some(open) = node.process.and_then(open) else {
        return Finding::unknown(
            check,
            "the system does not show the node's connections to this user",
        );
    };
    let members = members(node);
    let outside: BTreeSet<IpAddr> =
        open.iter().map(SocketAddr::ip).filter(|ip| is_outside(*ip)).collect();
    let strange: Vec<String> = outside.difference(&members).map(ToString::to_string).collect();
    let counted = format!("{} open connections", open.len());
    if !strange.is_empty() {
        return Finding::wrong(check, format!("{counted}; to no member: {}", strange.join(", ")))
            .mended_by(
                "gearmesh contacts members alone: see who answers there, and tell the project",
            );
    }
    match outside.len() {
        0 => Finding::fine(check, format!("none: {counted}, all within private networks")),
        _ => Finding::fine(check, format!("none but members: {counted}")),
    }
}

/// Where members are.
fn members(node: &Running) -> BTreeSet<IpAddr> {
    let addresses = node.members.iter().filter_map(|member| member.address.as_deref());
    addresses
        .filter_map(|address| plain(address).parse::<SocketAddr>().ok())
        .map(|at| at.ip())
        .collect()
}

/// The other ends of the sockets that a process has connected.
fn open(process: i32) -> Option<Vec<SocketAddr>> {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    let inode = |link: std::path::PathBuf| {
        let text = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
        Some(text)
    };
    let own: BTreeSet<String> = links.filter_map(inode).collect();
    let tables = ["tcp", "tcp6", "udp", "udp6"].map(|table| format!("/proc/{process}/net/{table}"));
    let tables = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    Some(tables.flat_map(|text| connected(&text, &own)).collect())
}

/// The other ends in a table of the kernel's, of the sockets with these inodes.
fn connected(text: &str, inodes: &BTreeSet<String>) -> Vec<SocketAddr> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (remote, inode) = (words.get(2)?, words.get(9)?);
        let other = address(remote)?;
        (inodes.contains(*inode) && other.port() != 0).then_some(other)
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// An address as the kernel prints it: words of 32 bits as they lie in memory, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Whether an address is of the internet (RFC 1918, 3927, 4193, 4291, 6598).
fn is_outside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || is_shared
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
                || ip.is_unspecified()
                || ip.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read_for_one_process_alone() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1D06 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1\n\
            1: 0A00A8C0:1D06 0B00A8C0:A1B2 01 00000000:00000000 00:00000000 00000000 0 0 12 1\n\
            2: 0A00A8C0:1D06 08080808:01BB 01 00000000:00000000 00:00000000 00000000 0 0 13 1\n";
        if cfg!(target_endian = "little") {
            let own = ["11", "12"].map(str::to_owned).into();
            assert_eq!(connected(text, &own), ["192.168.0.11:41394".parse().expect("an address")]);
        }
    }

    #[test]
    fn private_networks_are_not_outside() {
        let outside = |ip: &str| is_outside(ip.parse().expect("an address"));
        for ip in [
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.9",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!outside(ip), "{ip}");
        }
        for ip in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(outside(ip), "{ip}");
        }
    }
}
