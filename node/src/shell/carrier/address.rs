//! Multiaddresses, taken apart.

use std::net::{IpAddr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// The IP address in a multiaddress.
pub(in crate::shell) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

/// The address without a trailing peer id.
pub(in crate::shell) fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// Whether an address is dialled by QUIC.
pub(in crate::shell) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

/// The UDP port with the number of a TCP port, for QUIC.
pub(in crate::shell) fn quic_twin(address: &Multiaddr) -> Option<Multiaddr> {
    let mut parts = address.iter();
    let (ip, Protocol::Tcp(port)) = (parts.next()?, parts.next()?) else { return None };
    Some(Multiaddr::empty().with(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1))
}

/// The TCP port with the number of a UDP port for QUIC.
pub(in crate::shell) fn tcp_twin(address: &Multiaddr) -> Option<Multiaddr> {
    let mut parts = address.iter();
    let (ip, Protocol::Udp(port)) = (parts.next()?, parts.next()?) else { return None };
    Some(Multiaddr::empty().with(ip).with(Protocol::Tcp(port)))
}

/// What stands for one source of connections: an IPv4 address, or the /64 of an IPv6 address, of
/// which one host has as many as it likes.
pub(in crate::shell) fn network_of(address: &Multiaddr) -> Option<IpAddr> {
    Some(match ip_of(address)? {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
    })
}
