//! Root secrets as people keep them on paper.
//!
//! ```text
//! gr1:  <number 1> <secret key 32> <checksum 4>
//! ```
//!
//! Written in base 32 like an invitation code, in groups of five characters.

use std::str::FromStr;

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use crate::base32;
use crate::ids::PublicKey;

/// What every sheet's line starts with: gearmesh root, version 1.
pub const PREFIX: &str = "gr1:";

const KEY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;
const BYTES: usize = 1 + KEY_BYTES + CHECKSUM_BYTES;
const GROUP_LETTERS: usize = 5;

/// The secret of one root key, with the number of its sheet. It has no `Debug`.
pub struct RootSecret {
    number: u8,
    key: SigningKey,
}

/// Text that is no line of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SheetError {
    /// It does not start as such lines do.
    #[error("the line of a recovery sheet starts with {PREFIX}")]
    Prefix,
    /// A character was mistyped, or the end is missing.
    #[error("the line of the sheet was mistyped, or its end is missing")]
    Mistyped,
}

impl RootSecret {
    /// The secret on the sheet with this number.
    #[must_use]
    pub const fn new(number: u8, key: SigningKey) -> Self {
        Self { number, key }
    }

    /// The number of its sheet, from 1.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The key that signs.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// The line as it stands on the sheet. It is a secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES));
        bytes.push(self.number);
        bytes.extend_from_slice(self.key.as_bytes());
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let letters = Zeroizing::new(base32::encode(&bytes));
        let mut text = Zeroizing::new(String::with_capacity(2 * letters.len()));
        text.push_str(PREFIX);
        for (at, letter) in letters.chars().enumerate() {
            if at > 0 && at % GROUP_LETTERS == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        text
    }
}

impl FromStr for RootSecret {
    type Err = SheetError;

    /// Blanks and dashes are ignored.
    fn from_str(text: &str) -> Result<Self, SheetError> {
        let text: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
        let head = text.get(..PREFIX.len()).filter(|head| head.eq_ignore_ascii_case(PREFIX));
        let letters = head.and_then(|head| text.get(head.len()..)).ok_or(SheetError::Prefix)?;
        let bytes = base32::decode(letters, BYTES).map_err(|_| SheetError::Mistyped)?;
        let bytes = Zeroizing::new(bytes);
        let (body, _) = bytes
            .split_at_checked(1 + KEY_BYTES)
            .filter(|(body, sum)| *sum == checksum(body))
            .ok_or(SheetError::Mistyped)?;
        let mut secret = Zeroizing::new([0; KEY_BYTES]);
        secret.copy_from_slice(&body[1..]);
        Ok(Self { number: body[0], key: SigningKey::from_bytes(&secret) })
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = blake3::derive_key("gearmesh 2026 recovery sheet checksum v1", body);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&digest[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> RootSecret {
        RootSecret::new(2, SigningKey::from_bytes(&[7; 32]))
    }

    #[test]
    fn a_line_is_read_back_as_people_type_it() {
        let text = secret().to_text();
        assert!(text.len() < 80, "it fits a line: {}", text.len());
        let typed = text.to_uppercase().replace('-', " ").replace('0', "O");
        for typed in [text.as_str(), &typed, &text.replace('-', "")] {
            let read: RootSecret = typed.parse().expect("a secret");
            assert_eq!((read.number(), read.public()), (2, secret().public()));
        }
    }

    #[test]
    fn every_mistyped_letter_and_every_cut_is_noticed() {
        let text = secret().to_text();
        for at in PREFIX.len()..text.len() {
            let mut typed = text.as_bytes().to_vec();
            if typed[at] == b'-' {
                continue;
            }
            typed[at] = if typed[at] == b'7' { b'8' } else { b'7' };
            let typed = String::from_utf8(typed).expect("ASCII");
            assert_eq!(typed.parse::<RootSecret>().err(), Some(SheetError::Mistyped), "at {at}");
            let cut = text.get(..at).expect("ASCII");
            assert_eq!(cut.parse::<RootSecret>().err(), Some(SheetError::Mistyped), "at {at}");
        }
        assert_eq!("gm1:77777".parse::<RootSecret>().err(), Some(SheetError::Prefix));
    }
}
