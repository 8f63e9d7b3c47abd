//! Where a node listens, and the addresses that people type.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::port_claim::PortClaim;

/// The port a node listens on if it is not told otherwise. `7430` is not assigned by IANA.
pub const DEFAULT_PORT: u16 = 7430;

/// Ports tried from the default one on, for several nodes on one machine.
const PORTS_TRIED: u16 = 64;

/// An address as people type it: `192.168.1.10:7430`, `192.168.1.10`, or a multiaddress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: Multiaddr,
    /// Whether nobody named a port.
    any_port: bool,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no address: write IP:PORT (192.168.1.10:{DEFAULT_PORT}), an IP alone, \
     or a multiaddress (/ip4/192.168.1.10/tcp/{DEFAULT_PORT})"
)]
pub struct NoEndpoint {
    text: String,
}

impl Endpoint {
    /// The address for the transport.
    #[must_use]
    pub fn multiaddr(&self) -> &Multiaddr {
        &self.address
    }

    /// A place in the memory of this process, for measurements of many nodes in one.
    #[doc(hidden)]
    #[must_use]
    pub fn in_memory(number: u64) -> Self {
        Self { address: Multiaddr::empty().with(Protocol::Memory(number)), any_port: false }
    }

    /// Whether it is a place in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.address.iter().next(), Some(Protocol::Memory(_)))
    }

    /// The address of a socket.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => Protocol::Ip4(ip),
            IpAddr::V6(ip) => Protocol::Ip6(ip),
        };
        let address = Multiaddr::empty().with(ip).with(Protocol::Tcp(address.port()));
        Self { address, any_port: false }
    }

    /// Whether an IP address was typed without a port: the default one, or the next free one.
    #[must_use]
    pub fn has_any_port(&self) -> bool {
        self.any_port
    }

    /// The socket address, if it is an IP address and a TCP port.
    #[must_use]
    pub fn socket(&self) -> Option<SocketAddr> {
        socket_of(&self.address)
    }
}

impl FromStr for Endpoint {
    type Err = NoEndpoint;

    fn from_str(text: &str) -> Result<Self, NoEndpoint> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::of(address));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { any_port: true, ..Self::of(SocketAddr::new(ip, DEFAULT_PORT)) });
        }
        let address: Option<Multiaddr> = text.parse().ok();
        let usable = address.filter(|at| socket_of(at).or_else(|| quic_socket_of(at)).is_some());
        let typed = |address| Self { address, any_port: false };
        usable.map(typed).ok_or_else(|| NoEndpoint { text: text.to_owned() })
    }
}

/// The IP address and TCP port of a multiaddress.
#[must_use]
pub fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    match ip_and_port(address)? {
        (ip, Protocol::Tcp(port)) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// The IP address and UDP port of a multiaddress for QUIC.
#[must_use]
pub fn quic_socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    let is_quic = address.iter().any(|part| part == Protocol::QuicV1);
    match ip_and_port(address)? {
        (ip, Protocol::Udp(port)) if is_quic => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

fn ip_and_port(address: &Multiaddr) -> Option<(IpAddr, Protocol<'_>)> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    Some((ip, parts.next()?))
}

/// A text in which every multiaddress is written as people write it: `192.168.1.10:7430`, or
/// `192.168.1.10:7430 (QUIC)` if it is one for QUIC.
#[must_use]
pub fn plain(text: &str) -> String {
    let address = |word: &str| {
        let known: Multiaddr = word.starts_with('/').then(|| word.parse().ok()).flatten()?;
        let quic = || Some(format!("{} (QUIC)", quic_socket_of(&known)?));
        socket_of(&known).map(|socket| socket.to_string()).or_else(quic)
    };
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ':', ';', '.', ')']);
        address(bare).map_or_else(|| word.to_owned(), |plain| plain + &word[bare.len()..])
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The addresses to listen on without orders: all interfaces, the default port or the next free
/// one, and the claim on them.
pub(super) fn default_endpoints() -> Option<(Vec<Endpoint>, PortClaim)> {
    let (v4, claim) = next_free(Ipv4Addr::UNSPECIFIED.into())?;
    let mut endpoints = vec![Endpoint::of(v4)];
    let v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), v4.port());
    if is_free(&v6) {
        endpoints.push(Endpoint::of(v6));
    }
    Some((endpoints, claim))
}

/// The default port of an address of this machine, or the next free one.
pub(super) fn next_free(ip: IpAddr) -> Option<(SocketAddr, PortClaim)> {
    (DEFAULT_PORT..DEFAULT_PORT + PORTS_TRIED).find_map(|port| {
        let address = SocketAddr::new(ip, port);
        // The claim comes first: whoever has it finds the port as it will be.
        let claim = PortClaim::take(&address)?;
        (!is_taken(&address)).then_some((address, claim))
    })
}

/// Whether this node can listen there alone. libp2p binds with `SO_REUSEPORT`, under which a second
/// node of the same user would silently share the first one's port; so it is tried without first.
fn is_free(address: &SocketAddr) -> bool {
    address.port() == 0 || TcpListener::bind(address).is_ok()
}

/// Whether somebody listens there. Where nobody can listen (an address of another machine, a port
/// without the right to it), nobody does.
pub(super) fn is_taken(address: &SocketAddr) -> bool {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    address.port() != 0 && TcpListener::bind(address).as_ref().is_err_and(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_type_them() {
        let read = |text: &str| text.parse::<Endpoint>().map(|e| e.multiaddr().to_string());
        assert_eq!(read("10.0.0.1:99").as_deref(), Ok("/ip4/10.0.0.1/tcp/99"));
        assert_eq!(read("10.0.0.1").as_deref(), Ok("/ip4/10.0.0.1/tcp/7430"));
        assert_eq!(read("[::1]:5").as_deref(), Ok("/ip6/::1/tcp/5"));
        assert_eq!(read("/ip4/10.0.0.1/tcp/99").as_deref(), Ok("/ip4/10.0.0.1/tcp/99"));
        for wrong in ["press-1", "", "10.0.0.1:", "/ip4/10.0.0.1", "/dns/x/tcp/1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_in_a_text_are_written_as_people_write_them() {
        let text = "press-1 lives twice, at /ip4/10.0.0.1/tcp/9 and at /ip6/::1/tcp/5: a copy";
        assert_eq!(plain(text), "press-1 lives twice, at 10.0.0.1:9 and at [::1]:5: a copy");
        for text in ["/ip4/10.0.0.1/udp/1", "press-1/host/cpu", "/", "", "10.0.0.1:9"] {
            assert_eq!(plain(text), text);
        }
        assert_eq!(
            plain("/ip4/10.0.0.1/tcp/9/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"),
            "10.0.0.1:9"
        );
    }

    #[test]
    fn a_taken_port_is_not_free() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("its address");
        assert!(!is_free(&address) && is_taken(&address));
        drop(taken);
        assert!(is_free(&address) && !is_taken(&address));
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 7430));
        assert!(!is_free(&elsewhere) && !is_taken(&elsewhere));
    }
}
