//! What a command knows besides its own words: which node it is for, and which keyring signs.

use std::cell::OnceCell;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use gearmesh_node::listen::DEFAULT_PORT;
use gearmesh_protocol::ids::PlantId;

use crate::exit::Failure;
use crate::keyring::Keyring;

/// What every command knows.
pub(crate) struct Context {
    /// The node's home.
    pub(crate) home: PathBuf,
    /// The admin keyring.
    pub(crate) keyring: PathBuf,
    /// Where what is to be signed is written, if it is signed elsewhere.
    pub(crate) unsigned: Option<PathBuf>,
    /// The member that is visited, if the node is not on this machine.
    pub(crate) visit: Option<SocketAddr>,
    /// The plant of a keyring that knows none yet, as somebody named it.
    pub(crate) plant: Option<PlantId>,
    /// The keyring, once it was opened: its passphrase is asked for once.
    pub(crate) opened: OnceCell<Arc<Keyring>>,
    /// Whether to answer in JSON.
    pub(crate) json: bool,
    /// Whether the home was named on the command line or in the environment, so that the next
    /// command has to name it too.
    pub(crate) home_is_named: bool,
}

impl Context {
    /// The keyring of a plant.
    pub(crate) fn open_keyring(&self, plant: &PlantId) -> Result<Arc<Keyring>, Failure> {
        if let Some(keyring) = self.opened.get().filter(|keyring| keyring.plant() == *plant) {
            return Ok(Arc::clone(keyring));
        }
        let keyring = Arc::new(Keyring::open(&self.keyring, plant)?);
        Ok(Arc::clone(self.opened.get_or_init(|| keyring)))
    }

    /// The keyring with which a member is visited. It is bound to its plant once it was let in.
    pub(crate) fn keyring_for_visit(&self) -> Result<Arc<Keyring>, Failure> {
        let plant = Keyring::plant_at(&self.keyring, self.plant)?;
        let keyring = Arc::new(Keyring::read(&self.keyring, &plant)?);
        Ok(Arc::clone(self.opened.get_or_init(|| keyring)))
    }

    /// The start of a command line for this home, or for the member that is visited.
    pub(crate) fn program(&self) -> String {
        if let Some(node) = self.visit {
            return format!("gearmesh --node {node}");
        }
        match self.home_is_named {
            true => format!("gearmesh --home {}", self.home.display()),
            false => "gearmesh".to_owned(),
        }
    }
}

/// Reads where a member is: an address, and a port if it is not the usual one.
pub(super) fn place(text: &str) -> Result<SocketAddr, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, DEFAULT_PORT));
    }
    text.parse().map_err(|_| format!("write IP:PORT (192.168.1.10:{DEFAULT_PORT}), or an IP alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_named_by_its_address_with_a_port_or_without() {
        let at = |text: &str| place(text).map(|address| address.to_string());
        assert_eq!(at("192.0.2.1:7431"), Ok("192.0.2.1:7431".to_owned()));
        assert_eq!(at("192.0.2.1"), Ok("192.0.2.1:7430".to_owned()));
        assert_eq!(at("fd00::1"), Ok("[fd00::1]:7430".to_owned()));
        for wrong in ["", "gateway-1", "192.0.2.1:", "192.0.2.1:70000", "fd00::1:7430:x"] {
            assert!(at(wrong).is_err_and(|said| said.contains("IP:PORT")), "{wrong}");
        }
    }
}
