//! Seals: what keeps a stream from those who carry it.
//!
//! A message is sealed under the key of an epoch, with XChaCha20-Poly1305 over share and epoch. An
//! epoch's key reaches a partner in an envelope that its gateway's key alone opens: X25519 between
//! a key drawn for this envelope and the partner's gateway key, which is an Ed25519 key in its
//! Montgomery form. The exporting gateway signs the envelope, so nobody else can set a key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{SigningKey, VerifyingKey};
use x25519_dalek::x25519;
use zeroize::{Zeroize, Zeroizing};

use crate::bounded::Bounded;
use crate::codec;
use crate::ids::{PlantId, PublicKey, ShareId};
use crate::limits::GOSSIP_BYTES_MAX;
use crate::partner::Envelope;
use crate::partner_session::{Carried, Sealed};
use crate::signed::{Signed, Verified};

/// What an envelope's seal uses beside its key, which seals nothing else.
const ENVELOPE_NONCE: [u8; 24] = [0; 24];

/// The secret of one epoch of one stream. It never leaves memory but in envelopes.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochKey([u8; 32]);

impl Drop for EpochKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochKey")
    }
}

/// Bytes that the key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seal does not open under this key")]
pub struct NotOpened;

impl EpochKey {
    /// The key with these bytes, which nobody can guess.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Seals a message. A nonce serves once under one key; drawn at random it does.
    ///
    /// # Errors
    /// Longer than the cipher takes, which no message is.
    pub fn seal(
        &self,
        share: &ShareId,
        epoch: u64,
        nonce: [u8; 24],
        carried: &Carried,
    ) -> Result<Sealed, NotOpened> {
        let (msg, aad) = (codec::encode(carried), associated(share, epoch));
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: &msg, aad: &aad });
        Ok(Sealed { epoch, nonce, ciphertext: sealed.map_err(|_| NotOpened)? })
    }

    /// Opens a message.
    ///
    /// # Errors
    /// Sealed under another key, for another stream or epoch, or changed since; or nothing that
    /// gateways say.
    pub fn open(&self, share: &ShareId, sealed: &Sealed) -> Result<Carried, NotOpened> {
        let aad = associated(share, sealed.epoch);
        let payload = Payload { msg: &sealed.ciphertext, aad: &aad };
        let opened = self.cipher().decrypt(&XNonce::from(sealed.nonce), payload);
        codec::decode(&opened.map_err(|_| NotOpened)?, GOSSIP_BYTES_MAX).map_err(|_| NotOpened)
    }

    /// Puts the key into an envelope for one partner, signed by the exporting gateway.
    ///
    /// # Errors
    /// The partner's key is none that anything can be sealed to.
    pub fn envelop(
        &self,
        (gateway, plant): (&SigningKey, &PlantId),
        (share, epoch): (ShareId, u64),
        to: PublicKey,
        drawn: [u8; 32],
    ) -> Result<Signed<Envelope>, NotOpened> {
        let once = SigningKey::from_bytes(&drawn);
        let ephemeral = once.verifying_key().to_montgomery().to_bytes();
        let theirs = VerifyingKey::from_bytes(to.as_bytes()).map_err(|_| NotOpened)?;
        let key = envelope_key(&once, theirs.to_montgomery().to_bytes(), &ephemeral, &to)?;
        let aad = associated(&share, epoch);
        let payload = Payload { msg: &self.0, aad: &aad };
        let sealed = key.cipher().encrypt(&XNonce::from(ENVELOPE_NONCE), payload);
        let sealed = sealed.map_err(|_| NotOpened)?;
        let sealed = Bounded::try_from(sealed).map_err(|_| NotOpened)?;
        let envelope = Envelope { share, epoch, to, ephemeral, sealed };
        Ok(Signed::sign(gateway, plant, &envelope))
    }

    /// Takes the key out of an envelope whose signature was checked.
    ///
    /// # Errors
    /// It is for another gateway, or not what was sealed.
    pub fn unwrap(mine: &SigningKey, envelope: &Verified<Envelope>) -> Result<Self, NotOpened> {
        let Envelope { share, epoch, to, ephemeral, sealed } = envelope.value();
        if *to != PublicKey::of(mine) {
            return Err(NotOpened);
        }
        let key = envelope_key(mine, *ephemeral, ephemeral, to)?;
        let aad = associated(share, *epoch);
        let payload = Payload { msg: sealed, aad: &aad };
        let opened = key.cipher().decrypt(&XNonce::from(ENVELOPE_NONCE), payload);
        let mut opened = opened.map_err(|_| NotOpened)?;
        let bytes = <[u8; 32]>::try_from(&opened[..]).map_err(|_| NotOpened);
        opened.zeroize();
        bytes.map(Self)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

/// What a seal covers besides the message.
fn associated(share: &ShareId, epoch: u64) -> Vec<u8> {
    codec::encode(&(share, epoch))
}

/// The key of one envelope, which both ends compute: one has the secret that was drawn for it, the
/// other that of its gateway.
fn envelope_key(
    mine: &SigningKey,
    theirs: [u8; 32],
    ephemeral: &[u8; 32],
    to: &PublicKey,
) -> Result<EpochKey, NotOpened> {
    let secret = Zeroizing::new(mine.to_scalar_bytes());
    let shared = Zeroizing::new(x25519(*secret, theirs));
    // A point of small order would make a key that everybody knows.
    if *shared == [0; 32] {
        return Err(NotOpened);
    }
    let bytes = Zeroizing::new([&shared[..], &ephemeral[..], &to.as_bytes()[..]].concat());
    Ok(EpochKey(blake3::derive_key("gearmesh 2026 envelope key v1", &bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    const SHARE: ShareId = ShareId([3; 16]);
    const PLANT: PlantId = PlantId([5; 32]);

    fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn a_message_opens_under_its_key_share_and_epoch_alone() {
        let (key, carried) = (EpochKey::new([1; 32]), Carried::Group(b"press-1".to_vec()));
        let sealed = key.seal(&SHARE, 7, [9; 24], &carried).expect("sealed");
        assert_eq!(key.open(&SHARE, &sealed), Ok(carried));
        assert!(!encode(&sealed).windows(7).any(|bytes| bytes == b"press-1"));
        assert_eq!(EpochKey::new([2; 32]).open(&SHARE, &sealed), Err(NotOpened));
        assert_eq!(key.open(&ShareId([4; 16]), &sealed), Err(NotOpened));
        assert_eq!(key.open(&SHARE, &Sealed { epoch: 8, ..sealed.clone() }), Err(NotOpened));
        for at in 0..sealed.ciphertext.len() {
            let mut changed = sealed.clone();
            changed.ciphertext[at] ^= 1;
            assert_eq!(key.open(&SHARE, &changed), Err(NotOpened), "byte {at}");
        }
    }

    #[test]
    fn an_envelope_opens_for_its_gateway_alone() {
        let (exporter, partner) = (secret(1), secret(2));
        let key = EpochKey::new([6; 32]);
        let to = PublicKey::of(&partner);
        let signed = key.envelop((&exporter, &PLANT), (SHARE, 4), to, [8; 32]).expect("sealed");
        let verified = signed.verify(&PLANT, &PublicKey::of(&exporter)).expect("signed");
        assert_eq!(EpochKey::unwrap(&partner, &verified), Ok(key));
        assert_eq!(EpochKey::unwrap(&secret(3), &verified), Err(NotOpened));
        let readdressed = Envelope { to: PublicKey::of(&secret(3)), ..verified.into_value() };
        let signed = Signed::sign(&exporter, &PLANT, &readdressed);
        let verified = signed.verify(&PLANT, &PublicKey::of(&exporter)).expect("signed");
        assert_eq!(EpochKey::unwrap(&secret(3), &verified), Err(NotOpened));
        let weak = Envelope { ephemeral: [0; 32], ..verified.into_value() };
        let signed = Signed::sign(&exporter, &PLANT, &weak);
        let verified = signed.verify(&PLANT, &PublicKey::of(&exporter)).expect("signed");
        assert_eq!(EpochKey::unwrap(&secret(3), &verified), Err(NotOpened));
    }
}
