//! Links: what an admin sends a partner, so that its admin can see a proposal and accept it.
//!
//! A link has the form of an [invitation code](crate::invite) under another prefix. What stands
//! there for the plant stands here for the key of the offering gateway: the partner's gateway talks
//! to nobody else.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::ids::{PlantId, PublicKey};
use crate::invite::{self, Code, CodeError, SEED_BYTES};
use crate::signed::Signable;

/// What every link starts with: gearmesh share, version 1.
pub const LINK_PREFIX: &str = "gs1:";

/// A link in the form that people send. It is a secret until it was used.
#[derive(PartialEq, Eq)]
pub struct Link {
    code: Code,
}

impl Link {
    /// A link to the gateway with this key, at these addresses.
    #[must_use]
    pub fn new(gateway: &PublicKey, seed: [u8; SEED_BYTES], addresses: &[SocketAddr]) -> Self {
        Self { code: Code::new(&PlantId(*gateway.as_bytes()), seed, addresses) }
    }

    /// Whether it leads to the gateway with this key.
    #[must_use]
    pub fn leads_to(&self, gateway: &PublicKey) -> bool {
        self.code.fingerprint().is_of(&PlantId(*gateway.as_bytes()))
    }

    /// Where the gateway may be reached.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        self.code.addresses()
    }

    /// The key that proves possession of the link.
    #[must_use]
    pub fn key(&self) -> SigningKey {
        self.code.key()
    }

    /// Its id, which the proposal names: the public half of its key.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.code.id()
    }

    /// The link as text. The text is a secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.code.to_text().replacen(invite::PREFIX, LINK_PREFIX, 1)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({:?})", self.id())
    }
}

impl FromStr for Link {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        let head = text.get(..LINK_PREFIX.len());
        match head.filter(|head| head.eq_ignore_ascii_case(LINK_PREFIX)) {
            Some(head) => {
                let code = format!("{}{}", invite::PREFIX, &text[head.len()..]);
                Ok(Self { code: code.parse()? })
            }
            None => {
                Err(CodeError::Prefix { found: text.chars().take(LINK_PREFIX.len()).collect() })
            }
        }
    }
}

/// What whoever has a link signs with its key: bound to both gateways, so that it is worth nothing
/// in the hands of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkProof {
    /// The link's id.
    pub link: PublicKey,
    /// The gateway that knocks.
    pub from: PublicKey,
    /// The gateway that is asked.
    pub at: PublicKey,
}

impl Signable for LinkProof {
    const PURPOSE: &'static str = "gearmesh/partner/link/v1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_back_and_a_code_is_none() {
        let gateway = PublicKey::of(&SigningKey::from_bytes(&[7; 32]));
        let other = PublicKey::of(&SigningKey::from_bytes(&[8; 32]));
        let address = "192.168.1.10:7440".parse().expect("an address");
        let link = Link::new(&gateway, [9; SEED_BYTES], &[address]);
        let text = link.to_text();
        let read: Link = text.to_uppercase().parse().expect("a link");
        assert_eq!((&read, read.addresses()), (&link, &[address][..]));
        assert!(read.leads_to(&gateway) && !read.leads_to(&other));
        let code = text.replacen(LINK_PREFIX, invite::PREFIX, 1);
        assert!(matches!(code.parse::<Link>(), Err(CodeError::Prefix { .. })));
        assert!(matches!(text.parse::<Code>(), Err(CodeError::Prefix { .. })));
        assert!(matches!("gs1".parse::<Link>(), Err(CodeError::Prefix { .. })));
    }
}
