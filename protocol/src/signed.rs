//! Signatures with a purpose, and the evidence that one was checked.
//!
//! A signature covers `length ‖ purpose ‖ plant id ‖ payload`, where the payload is the bytes as
//! they arrived. The purpose names plane and type, so a signature of one kind can never be shown
//! as another, nor one plant's in another plant.

use std::fmt;
use std::marker::PhantomData;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::codec::{self, DecodeError};
use crate::ids::{PlantId, PublicKey};
use crate::limits::FRAME_BYTES_MAX;

/// A type that is signed as itself.
pub trait Signable: Serialize + DeserializeOwned {
    /// `gearmesh/<plane>/<type>/v1`: no two types share one.
    const PURPOSE: &'static str;
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature([u8; 32], [u8; 32]);

impl Signature {
    /// The 64 bytes of the signature.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..].copy_from_slice(&self.1);
        bytes
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..]);
        Self(r, s)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// A payload and one signature over it, not checked yet.
///
/// The value is out of reach until [`Signed::verify`] has been asked with the right plant and key;
/// [`Signed::peek`] exists for the one case where the key is named inside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    payload: Vec<u8>,
    signature: Signature,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes, {:?})", self.payload.len(), self.signature)
    }
}

/// Why a signed value was not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature is not this key's over this payload in this plant for this purpose.
    #[error("the signature does not fit key {key:?} for {purpose}")]
    BadSignature {
        /// The key that was asked for.
        key: PublicKey,
        /// What the signature would have been for.
        purpose: &'static str,
    },
    /// The payload is no canonical value.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A value whose signature was checked. Only [`Signed::verify`] and [`Signed::sign`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
    by: PublicKey,
}

impl<T> Verified<T> {
    /// The value.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The value, given away.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// The key that signed it.
    #[must_use]
    pub const fn by(&self) -> PublicKey {
        self.by
    }
}

impl<T: Signable> Signed<T> {
    /// Signs a value for one plant.
    #[must_use]
    pub fn sign(key: &SigningKey, plant: &PlantId, value: &T) -> Self {
        let payload = codec::encode(value);
        let signature = sign_bytes(key, T::PURPOSE, plant, &payload);
        Self { payload, signature, of: PhantomData }
    }

    /// The value, if the signature is `key`'s.
    ///
    /// # Errors
    /// Another signature, or a payload that is not canonical.
    pub fn verify(&self, plant: &PlantId, key: &PublicKey) -> Result<Verified<T>, VerifyError> {
        verify_bytes(key, T::PURPOSE, plant, &self.payload, &self.signature)?;
        Ok(Verified { value: self.peek()?, by: *key })
    }

    /// The value without any check of the signature: only to learn which key it claims.
    ///
    /// # Errors
    /// The payload is not canonical.
    pub fn peek(&self) -> Result<T, DecodeError> {
        codec::decode(&self.payload, FRAME_BYTES_MAX)
    }

    /// The bytes that were signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

/// Signs payload bytes for a purpose. Threshold acts use this directly: they carry several.
#[must_use]
pub fn sign_bytes(
    key: &SigningKey,
    purpose: &'static str,
    plant: &PlantId,
    payload: &[u8],
) -> Signature {
    key.sign(&message(purpose, plant, payload)).to_bytes().into()
}

/// Checks one signature over payload bytes, strictly.
///
/// # Errors
/// It is not this key's.
pub fn verify_bytes(
    key: &PublicKey,
    purpose: &'static str,
    plant: &PlantId,
    payload: &[u8],
    signature: &Signature,
) -> Result<(), VerifyError> {
    let bad = VerifyError::BadSignature { key: *key, purpose };
    let Ok(verifying) = VerifyingKey::from_bytes(key.as_bytes()) else { return Err(bad) };
    let signature = ed25519_dalek::Signature::from_bytes(&signature.to_bytes());
    verifying.verify_strict(&message(purpose, plant, payload), &signature).map_err(|_| bad)
}

fn message(purpose: &'static str, plant: &PlantId, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(purpose.len()).unwrap_or(u8::MAX);
    let mut message = Vec::with_capacity(1 + purpose.len() + 32 + payload.len());
    message.push(length);
    message.extend_from_slice(purpose.as_bytes());
    message.extend_from_slice(plant.as_bytes());
    message.extend_from_slice(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Clone, Serialize, Deserialize)]
    struct Note(u32);
    impl Signable for Note {
        const PURPOSE: &'static str = "gearmesh/test/note/v1";
    }
    #[derive(Debug, PartialEq, Eq, Clone, Serialize, Deserialize)]
    struct Other(u32);
    impl Signable for Other {
        const PURPOSE: &'static str = "gearmesh/test/other/v1";
    }

    #[test]
    fn a_signature_fits_one_key_plant_and_purpose() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let other = PublicKey::of(&SigningKey::from_bytes(&[2; 32]));
        let plant = PlantId([3; 32]);
        let signed = Signed::sign(&key, &plant, &Note(7));
        let by = PublicKey::of(&key);
        assert_eq!(signed.verify(&plant, &by).map(Verified::into_value), Ok(Note(7)));
        assert!(signed.verify(&PlantId([4; 32]), &by).is_err());
        assert!(signed.verify(&plant, &other).is_err());
        let disguised: Signed<Other> =
            codec::decode(&codec::encode(&signed), 1024).expect("the same shape");
        assert!(disguised.verify(&plant, &by).is_err());
    }
}
