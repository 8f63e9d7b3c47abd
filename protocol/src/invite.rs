//! Invitation codes: what an admin reads out, sends, or shows as a picture.
//!
//! ```text
//! gm1:  <checksum 4> <fingerprint 16> <seed 16> <addresses: family 1, then 4+2 or 16+2 bytes, each>
//! ```
//!
//! The bytes are written in Crockford's base 32 in lower case, five to eight characters of which
//! carry three to five bytes; `o` reads as `0`, `i` and `l` as `1`, and dashes are ignored. The
//! seed is a secret: [`Code`] has no `Debug` and is wiped when dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::base32::{self, Unread};
use crate::ids::{Nonce, PlantId, PublicKey};
use crate::signed::Signable;

/// What every code starts with: gearmesh, version 1.
pub const PREFIX: &str = "gm1:";

/// Bytes of a plant's hash that a code carries: enough that nobody finds a second plant.
pub const FINGERPRINT_BYTES: usize = 16;

/// Bytes of the secret.
pub const SEED_BYTES: usize = 16;

/// Addresses in one code; more would not fit a line.
pub const CODE_ADDRESSES_MAX: usize = 4;

const CHECKSUM_BYTES: usize = 4;
const FIXED_BYTES: usize = CHECKSUM_BYTES + FINGERPRINT_BYTES + SEED_BYTES;
const CODE_BYTES_MAX: usize = FIXED_BYTES + CODE_ADDRESSES_MAX * 19;

/// The first bytes of a plant id, as a code carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; FINGERPRINT_BYTES]);

impl Fingerprint {
    /// Whether `plant` is the one that is meant.
    #[must_use]
    pub fn is_of(&self, plant: &PlantId) -> bool {
        *self == Self::from(plant)
    }
}

impl From<&PlantId> for Fingerprint {
    fn from(plant: &PlantId) -> Self {
        let mut bytes = [0; FINGERPRINT_BYTES];
        bytes.copy_from_slice(&plant.as_bytes()[..FINGERPRINT_BYTES]);
        Self(bytes)
    }
}

/// An invitation in the form that people carry.
#[derive(PartialEq, Eq)]
pub struct Code {
    fingerprint: Fingerprint,
    seed: [u8; SEED_BYTES],
    addresses: Vec<SocketAddr>,
}

/// Text that is no invitation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// It does not start as codes of this version do.
    #[error("an invitation code starts with {PREFIX} (this one starts with {found:?})")]
    Prefix {
        /// How it starts.
        found: String,
    },
    /// A character that no code contains.
    #[error("character {at} of the code is {found:?}, which no code contains: it was mistyped")]
    Character {
        /// Which character after the prefix, from 1.
        at: usize,
        /// The character.
        found: char,
    },
    /// The end is missing.
    #[error("the code is cut off: {bytes} of at least {needed} bytes are there")]
    Truncated {
        /// Bytes that are there.
        bytes: usize,
        /// Bytes that are needed.
        needed: usize,
    },
    /// The checksum does not fit.
    #[error("the code's checksum does not fit: a character was mistyped, or the end is missing")]
    Checksum,
}

impl Code {
    /// A code for the plant with this secret, to be redeemed at one of these addresses.
    /// Addresses beyond [`CODE_ADDRESSES_MAX`] are left out.
    #[must_use]
    pub fn new(plant: &PlantId, seed: [u8; SEED_BYTES], addresses: &[SocketAddr]) -> Self {
        let addresses = addresses.iter().take(CODE_ADDRESSES_MAX).copied().collect();
        Self { fingerprint: plant.into(), seed, addresses }
    }

    /// Which plant it invites to.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Where the redeemer may be reached.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The key that proves possession of the code.
    #[must_use]
    pub fn key(&self) -> SigningKey {
        let mut secret = blake3::derive_key("gearmesh 2026 invitation key v1", &self.seed);
        let key = SigningKey::from_bytes(&secret);
        secret.zeroize();
        key
    }

    /// The invitation's id: the public half of its key.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        PublicKey::of(&self.key())
    }

    /// The code as text. The text is a secret.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut body = Vec::with_capacity(CODE_BYTES_MAX);
        body.extend_from_slice(&self.fingerprint.0);
        body.extend_from_slice(&self.seed);
        for address in &self.addresses {
            match address.ip() {
                IpAddr::V4(ip) => {
                    body.push(4);
                    body.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    body.push(6);
                    body.extend_from_slice(&ip.octets());
                }
            }
            body.extend_from_slice(&address.port().to_be_bytes());
        }
        let mut bytes = checksum(&body).to_vec();
        bytes.append(&mut body);
        let text = format!("{PREFIX}{}", base32::encode(&bytes));
        bytes.zeroize();
        text
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let text = text.trim();
        let digits = text.get(..PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(PREFIX));
        let Some(digits) = digits.and_then(|head| text.get(head.len()..)) else {
            return Err(CodeError::Prefix { found: text.chars().take(PREFIX.len()).collect() });
        };
        let bytes = base32::decode(digits, CODE_BYTES_MAX).map_err(|unread| match unread {
            Unread::Character { at, found } => CodeError::Character { at, found },
            Unread::Length => CodeError::Checksum,
        })?;
        if bytes.len() < FIXED_BYTES {
            return Err(CodeError::Truncated { bytes: bytes.len(), needed: FIXED_BYTES });
        }
        let (sum, body) = bytes.split_at(CHECKSUM_BYTES);
        if sum != checksum(body) {
            return Err(CodeError::Checksum);
        }
        let (fixed, rest) = body.split_at(FINGERPRINT_BYTES + SEED_BYTES);
        let (mut fingerprint, mut seed) = ([0; FINGERPRINT_BYTES], [0; SEED_BYTES]);
        fingerprint.copy_from_slice(&fixed[..FINGERPRINT_BYTES]);
        seed.copy_from_slice(&fixed[FINGERPRINT_BYTES..FINGERPRINT_BYTES + SEED_BYTES]);
        let addresses = read_addresses(rest).ok_or(CodeError::Checksum)?;
        Ok(Self { fingerprint: Fingerprint(fingerprint), seed, addresses })
    }
}

/// What a joiner signs with the invitation's key: bound to both keys and both nonces, so that it
/// is worth nothing for another key or in another exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The invitation's id.
    pub invitation: PublicKey,
    /// The key that is to become a member.
    pub joiner: PublicKey,
    /// The member that is asked to admit it.
    pub redeemer: PublicKey,
    /// Chosen by the joiner for this exchange.
    pub joiner_nonce: Nonce,
    /// Chosen by the redeemer for this exchange.
    pub redeemer_nonce: Nonce,
}

impl Signable for Proof {
    const PURPOSE: &'static str = "gearmesh/plant/redeem/v1";
}

fn read_addresses(mut rest: &[u8]) -> Option<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    while let Some((family, tail)) = rest.split_first() {
        let (ip, tail): (IpAddr, &[u8]) = match family {
            4 => {
                let (octets, tail) = tail.split_first_chunk::<4>()?;
                (Ipv4Addr::from(*octets).into(), tail)
            }
            6 => {
                let (octets, tail) = tail.split_first_chunk::<16>()?;
                (Ipv6Addr::from(*octets).into(), tail)
            }
            _ => return None,
        };
        let (port, tail) = tail.split_first_chunk::<2>()?;
        addresses.push(SocketAddr::new(ip, u16::from_be_bytes(*port)));
        rest = tail;
        if addresses.len() > CODE_ADDRESSES_MAX {
            return None;
        }
    }
    Some(addresses)
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = blake3::derive_key("gearmesh 2026 code checksum v1", body);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    fn code() -> Code {
        let addresses =
            ["192.168.1.10:7430", "[fd00::1]:7431"].map(|a| a.parse().expect("address"));
        Code::new(&PlantId([7; 32]), [9; SEED_BYTES], &addresses)
    }

    #[test]
    fn a_code_is_read_back_as_people_write_it() {
        let text = code().to_text();
        assert!(text.len() < 130, "{} characters", text.len());
        assert!(text.parse::<Code>().is_ok_and(|read| read == code()));
        let digits = text[PREFIX.len()..].to_uppercase().replace('0', "O").replace('1', "L");
        let shouted = format!("GM1:{digits}");
        assert!(shouted.parse::<Code>().is_ok_and(|read| read == code()));
    }

    #[test]
    fn every_mistyped_character_and_every_cut_is_noticed() {
        let text = code().to_text();
        for at in PREFIX.len()..text.len() {
            for digit in ALPHABET {
                let mut typed = text.clone().into_bytes();
                if typed[at] == *digit {
                    continue;
                }
                typed[at] = *digit;
                let typed = String::from_utf8(typed).expect("ASCII");
                assert_eq!(typed.parse::<Code>().err(), Some(CodeError::Checksum), "at {at}");
            }
        }
        for length in PREFIX.len()..text.len() {
            let refused = text[..length].parse::<Code>().err();
            assert!(
                matches!(refused, Some(CodeError::Truncated { .. } | CodeError::Checksum)),
                "length {length}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_character_too_many_is_noticed() {
        let addresses: Vec<SocketAddr> =
            ["10.0.0.1:1", "10.0.0.2:2"].map(|a| a.parse().expect("address")).to_vec();
        for count in 0..=addresses.len() {
            let text = Code::new(&PlantId([7; 32]), [9; SEED_BYTES], &addresses[..count]).to_text();
            for digit in ALPHABET {
                let longer = format!("{text}{}", char::from(*digit));
                assert_eq!(longer.parse::<Code>().err(), Some(CodeError::Checksum), "{longer}");
            }
        }
    }

    #[test]
    fn foreign_text_is_named() {
        assert!(matches!("".parse::<Code>().err(), Some(CodeError::Prefix { .. })));
        assert!(matches!("gm2:abc".parse::<Code>().err(), Some(CodeError::Prefix { .. })));
        assert!(matches!("gm1:ab!".parse::<Code>().err(), Some(CodeError::Character { .. })));
        assert!(matches!("gm1:\u{e9}".parse::<Code>().err(), Some(CodeError::Character { .. })));
    }
}
