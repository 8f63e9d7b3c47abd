//! Claiming a machine that belongs to no plant yet: how it and a member come to show the same words,
//! and how an invitation gets to it without being typed there.
//!
//! Both sides choose a nonce, and the member is bound to its own before it hears the other's. So who
//! stands between them has two pairs of nonces and one guess at making their words alike: it cannot try
//! keys or nonces at home until they are.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::ids::{Nonce, PublicKey};
use crate::limits::CARRIED_CODE_BYTES_MAX;
use crate::words::check_words;

/// What binds a member to a nonce that it does not name yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment([u8; 32]);

impl Commitment {
    /// What binds this member to this nonce.
    #[must_use]
    pub fn of(looker: &PublicKey, nonce: &Nonce) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 meeting commitment v1");
        hasher.update(looker.as_bytes());
        hasher.update(&nonce.0);
        Self(*hasher.finalize().as_bytes())
    }
}

/// What both sides show once both nonces are known: a person who finds the same words at both ends
/// knows that nobody stands between them.
#[must_use]
pub fn meeting_words(
    looker: &PublicKey,
    machine: &PublicKey,
    looker_nonce: &Nonce,
    machine_nonce: &Nonce,
) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 meeting words v1");
    for part in [&looker.as_bytes()[..], machine.as_bytes(), &looker_nonce.0, &machine_nonce.0] {
        hasher.update(part);
    }
    check_words(hasher.finalize().as_bytes())
}

/// An invitation code on its way to the machine that it is for. A secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CarriedCode(String);

/// Text that is too long for an invitation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a code has at most {CARRIED_CODE_BYTES_MAX} bytes, this has {bytes}")]
pub struct CodeTooLong {
    /// Length of the text.
    pub bytes: usize,
}

impl CarriedCode {
    /// The text, a secret.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CarriedCode {
    type Error = CodeTooLong;

    fn try_from(text: String) -> Result<Self, CodeTooLong> {
        match text.len() <= CARRIED_CODE_BYTES_MAX {
            true => Ok(Self(text)),
            false => Err(CodeTooLong { bytes: text.len() }),
        }
    }
}

impl From<CarriedCode> for String {
    fn from(code: CarriedCode) -> Self {
        code.0.clone()
    }
}

impl Drop for CarriedCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for CarriedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CarriedCode(…)")
    }
}

/// How a claim stands at the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Claiming {
    /// The words are on its screen; nothing is claimed yet.
    Met,
    /// A person at the machine has to confirm the words.
    Waiting,
    /// It redeems the invitation.
    Joining,
    /// It is a member.
    Joined,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn key(seed: u8) -> PublicKey {
        PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
    }

    #[test]
    fn whoever_stands_between_two_shows_other_words() {
        let (looker, machine, between) = (key(1), key(2), key(3));
        let nonces = [Nonce([4; 16]), Nonce([5; 16])];
        let words = |a, b| meeting_words(a, b, &nonces[0], &nonces[1]);
        assert_ne!(words(&looker, &between), words(&between, &machine));
        assert_ne!(words(&looker, &machine), words(&machine, &looker), "sides are not exchanged");
        assert_eq!(words(&looker, &machine).split(' ').count(), 5);
        let other = meeting_words(&looker, &machine, &nonces[0], &nonces[0]);
        assert_ne!(words(&looker, &machine), other, "each meeting has words of its own");
    }

    #[test]
    fn a_commitment_binds_to_one_nonce_and_one_key() {
        let bound = Commitment::of(&key(1), &Nonce([4; 16]));
        assert_eq!(bound, Commitment::of(&key(1), &Nonce([4; 16])));
        assert_ne!(bound, Commitment::of(&key(1), &Nonce([5; 16])));
        assert_ne!(bound, Commitment::of(&key(2), &Nonce([4; 16])));
    }

    #[test]
    fn a_code_on_its_way_is_bounded_and_not_shown() {
        let code = CarriedCode::try_from("gm1:secret".to_owned()).expect("it fits");
        assert_eq!(code.text(), "gm1:secret");
        assert!(!format!("{code:?}").contains("secret"));
        let long = "x".repeat(CARRIED_CODE_BYTES_MAX + 1);
        assert!(CarriedCode::try_from(long).is_err());
    }
}
