//! Names that cannot be confused: one type for each thing that is identified by bytes.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

mod checked;

/// Text that is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not the right number of hexadecimal digits.
    #[error("{what} is written as {digits} hexadecimal digits")]
    NotHex {
        /// Which identifier was wanted.
        what: &'static str,
        /// How many digits it has.
        digits: usize,
    },
    /// The bytes are no point of the curve, a point under which anything verifies, or a second
    /// form of a point.
    #[error("not a usable Ed25519 public key")]
    WeakKey,
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The bytes of the identifier.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0[..4], f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self).ok_or(IdError::NotHex { what: $what, digits: 2 * $len })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(D::Error::custom)
                } else {
                    <[u8; $len]>::deserialize(from).map(Self)
                }
            }
        }
    };
}

bytes_id!(
    /// A plant: the hash of its genesis payload.
    PlantId, 32, "a plant id"
);
bytes_id!(
    /// A group of a log: the hash of its header payload.
    GroupId, 32, "a group id"
);
bytes_id!(
    /// A trust record: the hash of the group that holds it and its place there, or of a threshold
    /// act's payload.
    RecordId, 32, "a record id"
);
bytes_id!(
    /// A share: one stream to partners under one set of terms.
    ShareId, 16, "a share id"
);
bytes_id!(
    /// An agreement between two companies: the hash of its sheet's payload.
    SheetId, 32, "a sheet id"
);
bytes_id!(
    /// One life of a writer: drawn and fsynced at every start.
    Incarnation, 16, "an incarnation"
);
bytes_id!(
    /// A command, chosen by its caller; a retry carries the same.
    CommandId, 16, "a command id"
);
bytes_id!(
    /// A wish for a lease, and the lease that comes of it; chosen by whoever asks.
    LeaseId, 16, "a lease id"
);
bytes_id!(
    /// A work item, chosen by whoever offers it; the same again is the same item.
    WorkId, 16, "a work item id"
);
bytes_id!(
    /// A value used once.
    Nonce, 16, "a nonce"
);

impl PlantId {
    /// Under what a genesis is signed: it cannot name its own hash.
    pub const ZERO: Self = Self([0; 32]);
}

/// An Ed25519 public key that is neither off the curve nor of small order, in its only form.
///
/// Under a small-order key a non-strict verifier accepts any message; and a key with two forms
/// could be revoked in one and go on in the other. Such keys never become a value of this type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// Not a point of the curve, a weak one, or written in a second form.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, IdError> {
        match checked::once(&bytes, is_strong) {
            true => Ok(Self(bytes)),
            false => Err(IdError::WeakKey),
        }
    }

    /// The public half of a signing key.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }

    /// The bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0[..4], f)
    }
}

impl FromStr for PublicKey {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = parse_hex(text).ok_or(IdError::NotHex { what: "a key", digits: 64 })?;
        Self::from_bytes(bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { self.0.serialize(to) }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            String::deserialize(from)?.parse().map_err(D::Error::custom)
        } else {
            Self::from_bytes(<[u8; 32]>::deserialize(from)?).map_err(D::Error::custom)
        }
    }
}

fn is_strong(bytes: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak() && is_reduced(bytes))
}

/// Whether the coordinate is below 2^255 - 19 (RFC 8032 section 5.1.3, step 1), which the curve
/// library does not ask.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    *lowest < 0xed || *highest | 0x80 != 0xff || middle.iter().any(|byte| *byte != 0xff)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_order_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_bytes(identity), Err(IdError::WeakKey));
        assert_eq!(PublicKey::from_bytes([0; 32]), Err(IdError::WeakKey));
    }

    #[test]
    fn a_key_has_one_form() {
        for lowest in 0xed..=0xff {
            for highest in [0x7f, 0xff] {
                let mut unreduced = [0xff; 32];
                (unreduced[0], unreduced[31]) = (lowest, highest);
                let refused = PublicKey::from_bytes(unreduced);
                assert_eq!(refused, Err(IdError::WeakKey), "{lowest:02x} {highest:02x}");
            }
        }
        // The highest coordinate below the prime that is on the curve and not of small order.
        let highest = (0x00..0xec_u8).rev().find(|lowest| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (*lowest, 0x7f);
            PublicKey::from_bytes(bytes).is_ok()
        });
        assert!(highest.is_some_and(|lowest| lowest > 0xd0), "{highest:?}");
    }

    #[test]
    fn text_form_round_trips() {
        let key = PublicKey::of(&SigningKey::from_bytes(&[7; 32]));
        assert_eq!(key.to_string().parse(), Ok(key));
        let id = GroupId([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("+f".repeat(32).parse::<GroupId>().is_err());
    }
}
