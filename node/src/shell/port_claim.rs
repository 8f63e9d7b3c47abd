//! A claim on a listening address, for two nodes that start at the same moment.
//!
//! libp2p binds with `SO_REUSEPORT`, so that both would succeed and share what comes in. Trying the
//! port first shows who listens already, but not who is about to. The claim is an abstract Unix
//! socket: it belongs to the network namespace, as the port does, and dies with the process.

use std::net::SocketAddr;

/// Holds an address for this node until it is dropped.
pub(super) struct PortClaim {
    #[cfg(target_os = "linux")]
    _held: Option<std::os::unix::net::UnixListener>,
}

impl PortClaim {
    /// Claims an address; `None` if another node has it. A port that the system chooses needs none.
    #[cfg(target_os = "linux")]
    pub(super) fn take(address: &SocketAddr) -> Option<Self> {
        use std::io::ErrorKind;
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::{SocketAddr as Name, UnixListener};

        if address.port() == 0 {
            return Some(Self { _held: None });
        }
        let name = Name::from_abstract_name(format!("gearmesh/{address}"));
        match name.and_then(|name| UnixListener::bind_addr(&name)) {
            Ok(held) => Some(Self { _held: Some(held) }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            // Without such sockets the port is only tried.
            Err(_) => Some(Self { _held: None }),
        }
    }

    /// Other systems have no such sockets: there the port is only tried.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn take(_: &SocketAddr) -> Option<Self> {
        Some(Self {})
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_claimed_once_at_a_time() {
        let address = SocketAddr::from(([127, 0, 0, 99], 1));
        let held = PortClaim::take(&address).expect("nobody has it");
        assert!(PortClaim::take(&address).is_none());
        assert!(PortClaim::take(&SocketAddr::from(([127, 0, 0, 99], 2))).is_some());
        drop(held);
        assert!(PortClaim::take(&address).is_some());
    }

    #[test]
    fn a_port_that_the_system_chooses_is_nobodys() {
        let any = SocketAddr::from(([127, 0, 0, 99], 0));
        let (one, other) = (PortClaim::take(&any), PortClaim::take(&any));
        assert!(one.is_some() && other.is_some());
    }
}
