//! Bytes as people type them: Crockford's base 32 in lower case, without a check of its own.
//!
//! `o` reads as `0`, `i` and `l` as `1`, capitals as small letters, and dashes are ignored.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Text that stands for no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// A character that does not occur.
    Character {
        /// Which, from 1.
        at: usize,
        /// The character.
        found: char,
    },
    /// More than fits, or bits at the end that belong to no byte.
    Length,
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits) & 31) as usize]));
    }
    text
}

/// The bytes of a text, at most `max`.
pub(crate) fn decode(text: &str, max: usize) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for (at, found) in text.chars().enumerate().filter(|(_, c)| *c != '-') {
        let bad = Unread::Character { at: at + 1, found };
        let lower = match found.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let value = ALPHABET.iter().position(|digit| char::from(*digit) == lower).ok_or(bad)?;
        buffer = buffer << 5 | u32::try_from(value).unwrap_or(0);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 0xff) as u8);
        }
        if bytes.len() > max {
            return Err(Unread::Length);
        }
    }
    // The last character may carry bits that belong to no byte; they are all zero. Five of them are a
    // character too many.
    if bits >= 5 || buffer & ((1 << bits) - 1) != 0 {
        return Err(Unread::Length);
    }
    Ok(bytes)
}
