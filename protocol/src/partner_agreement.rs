//! An agreement: one sheet under four signatures, and the words by which two people compare it.

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::ids::{Nonce, PlantId, PublicKey, ShareId, SheetId};
use crate::limits::FRAME_BYTES_MAX;
use crate::partner::{Party, Sheet};
use crate::signed::{Signable as _, Signature, VerifyError, sign_bytes, verify_bytes};
use crate::words::check_words;

/// What binds an offering side to its nonce before it sees the other's.
#[must_use]
pub fn commitment(share: &ShareId, nonce: &Nonce) -> [u8; 32] {
    let bytes = [&share.as_bytes()[..], &nonce.as_bytes()[..]].concat();
    blake3::derive_key("gearmesh 2026 agreement commitment v1", &bytes)
}

/// The id of the agreement with this sheet.
#[must_use]
pub fn sheet_id(payload: &[u8]) -> SheetId {
    SheetId(blake3::derive_key("gearmesh 2026 sheet id v1", payload))
}

/// What groups of a stream that several receive say they were sent under: each receiver has a sheet of
/// its own, with the same terms.
#[must_use]
pub fn stream_id(share: &ShareId) -> SheetId {
    SheetId(blake3::derive_key("gearmesh 2026 stream of several v1", share.as_bytes()))
}

/// By what a line of a sheet names the JSON Schema that values must fit.
#[must_use]
pub fn schema_hash(text: &[u8]) -> [u8; 32] {
    blake3::derive_key("gearmesh 2026 schema of a share v1", text)
}

/// The words that the accepting side reads to the offering one. They depend on every byte of the
/// sheet, both keys and both nonces included.
#[must_use]
pub fn agreement_words(sheet: &SheetId) -> String {
    check_words(&blake3::derive_key("gearmesh 2026 agreement words v1", sheet.as_bytes()))
}

/// The name of the gossip topic on which a gateway's stream of a share travels: random to
/// everybody who does not know the share.
#[must_use]
pub fn gossip_topic(share: &ShareId, gateway: &PublicKey) -> Nonce {
    let bytes = [&share.as_bytes()[..], &gateway.as_bytes()[..]].concat();
    let digest = blake3::derive_key("gearmesh 2026 share topic v1", &bytes);
    let mut topic = [0; 16];
    topic.copy_from_slice(&digest[..16]);
    Nonce(topic)
}

/// One side's two signatures under a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signatures {
    /// Of its admin.
    pub admin: Signature,
    /// Of its gateway.
    pub gateway: Signature,
}

/// A sheet that the accepting side has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The sheet's bytes.
    pub sheet: Vec<u8>,
    /// The accepting side's.
    pub to: Signatures,
}

/// A sheet that both sides have signed. Either may show it for years.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// The sheet's bytes, and the accepting side's signatures.
    pub accepted: Acceptance,
    /// The offering side's.
    pub from: Signatures,
}

/// An [`Acceptance`] or [`Agreement`] whose signatures were checked: only their `verify` makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed<T> {
    id: SheetId,
    sheet: Sheet,
    document: T,
}

impl<T> Agreed<T> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> SheetId {
        self.id
    }

    /// What was signed.
    #[must_use]
    pub const fn sheet(&self) -> &Sheet {
        &self.sheet
    }

    /// The document with its signatures.
    #[must_use]
    pub const fn document(&self) -> &T {
        &self.document
    }
}

/// A signature under a sheet.
#[must_use]
pub fn sign_sheet(key: &SigningKey, plant: &PlantId, payload: &[u8]) -> Signature {
    sign_bytes(key, Sheet::PURPOSE, plant, payload)
}

fn read(payload: &[u8]) -> Result<Sheet, DecodeError> {
    codec::decode(payload, FRAME_BYTES_MAX)
}

/// Checks one side's signatures. All are made for the offering side's plant, which the sheet names.
fn check(sheet: &Sheet, payload: &[u8], by: &Party, two: &Signatures) -> Result<(), VerifyError> {
    let plant = &sheet.from.plant;
    verify_bytes(&by.admin, Sheet::PURPOSE, plant, payload, &two.admin)?;
    verify_bytes(&by.gateway, Sheet::PURPOSE, plant, payload, &two.gateway)
}

impl Acceptance {
    /// The sheet, if the accepting side signed it.
    ///
    /// # Errors
    /// It did not, or the bytes are no sheet.
    pub fn verify(self) -> Result<Agreed<Self>, VerifyError> {
        let sheet = read(&self.sheet)?;
        check(&sheet, &self.sheet, &sheet.to, &self.to)?;
        Ok(Agreed { id: sheet_id(&self.sheet), sheet, document: self })
    }
}

impl Agreement {
    /// The sheet, if both sides signed it.
    ///
    /// # Errors
    /// One of them did not, or the bytes are no sheet.
    pub fn verify(self) -> Result<Agreed<Self>, VerifyError> {
        let Agreed { id, sheet, document } = self.accepted.clone().verify()?;
        check(&sheet, &document.sheet, &sheet.from, &self.from)?;
        Ok(Agreed { id, sheet, document: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded::Bounded;
    use crate::partner::Terms;

    fn party(seed: u8) -> (Party, [SigningKey; 2]) {
        let keys = [seed, seed + 1].map(|seed| SigningKey::from_bytes(&[seed; 32]));
        let [admin, gateway] = [&keys[0], &keys[1]].map(PublicKey::of);
        let name = "Rossi".parse().expect("a title");
        (Party { plant: PlantId([seed; 32]), name, admin, gateway }, keys)
    }

    fn agreement() -> (Agreement, [SigningKey; 4]) {
        let ((from, [f0, f1]), (to, [t0, t1])) = (party(1), party(3));
        let terms = Terms::of(Bounded::new(), "planning".parse().expect("a title"));
        let nonces = (Nonce([1; 16]), Nonce([2; 16]));
        let sheet = Sheet { share: ShareId([9; 16]), revision: 0, from, to, terms, nonces };
        let (plant, sheet) = (sheet.from.plant, codec::encode(&sheet));
        let both = |admin: &SigningKey, gateway: &SigningKey| Signatures {
            admin: sign_sheet(admin, &plant, &sheet),
            gateway: sign_sheet(gateway, &plant, &sheet),
        };
        let (from, to) = (both(&f0, &f1), both(&t0, &t1));
        (Agreement { accepted: Acceptance { sheet, to }, from }, [f0, f1, t0, t1])
    }

    #[test]
    fn an_agreement_needs_all_four_signatures() {
        let (agreement, keys) = agreement();
        assert!(agreement.clone().verify().is_ok());
        let strange = sign_sheet(&keys[0], &PlantId([8; 32]), &agreement.accepted.sheet);
        for missing in 0..4 {
            let mut wrong = agreement.clone();
            let signatures = [
                &mut wrong.from.admin,
                &mut wrong.from.gateway,
                &mut wrong.accepted.to.admin,
                &mut wrong.accepted.to.gateway,
            ];
            for (at, signature) in signatures.into_iter().enumerate() {
                if at == missing {
                    *signature = strange;
                }
            }
            assert!(wrong.verify().is_err(), "signature {missing}");
        }
    }

    #[test]
    fn words_depend_on_the_whole_sheet() {
        let (agreement, _) = agreement();
        let words = agreement_words(&sheet_id(&agreement.accepted.sheet));
        assert_eq!(words.split(' ').count(), 5);
        for at in 0..agreement.accepted.sheet.len() {
            let mut other = agreement.accepted.sheet.clone();
            other[at] ^= 1;
            assert_ne!(agreement_words(&sheet_id(&other)), words, "byte {at}");
        }
    }
}
