//! The bytes of a message: a header, and filling up to its size.

use anyhow::{Context as _, Result};

/// Bytes of the header: number, count and kind, each as a little-endian `u64`.
pub const HEADER: usize = 24;

/// What the rest of a message holds.
const FILLING: u8 = 0xa5;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A round trip before those that count.
    WarmUp,
    /// A message that counts.
    Counted,
    /// The last one; its number is how many were sent.
    End,
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number, from 0 on.
    pub number: u64,
    /// What it is for.
    pub kind: Kind,
}

/// A message of that size, in memory of its own: no transport may profit from reusing a buffer.
#[must_use]
pub fn payload(message: Message, size: usize) -> Vec<u8> {
    let mut bytes = vec![FILLING; size.max(HEADER)];
    bytes[0..8].copy_from_slice(&message.number.to_le_bytes());
    bytes[8..16].copy_from_slice(&(size as u64).to_le_bytes());
    bytes[16..24].copy_from_slice(&(message.kind as u64).to_le_bytes());
    bytes
}

impl Message {
    /// Reads the header and checks that nothing of the message was cut off.
    ///
    /// # Errors
    /// These bytes are not such a message.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let word = |at: usize| -> Result<u64> {
            let word = bytes.get(at..at + 8).context("a message shorter than its header")?;
            Ok(u64::from_le_bytes(word.try_into()?))
        };
        let kind = match word(16)? {
            0 => Kind::WarmUp,
            1 => Kind::Counted,
            2 => Kind::End,
            other => anyhow::bail!("a message of the unknown kind {other}"),
        };
        let size = word(8)?;
        anyhow::ensure!(size.max(HEADER as u64) == bytes.len() as u64, "a message cut short");
        Ok(Self { number: word(0)?, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Message, payload};

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = Message { number: 7, kind: Kind::End };
        let bytes = payload(message, 64);
        assert_eq!(bytes.len(), 64);
        assert_eq!(Message::read(&bytes).unwrap(), message);
        assert!(Message::read(&bytes[..63]).is_err());
        assert!(Message::read(&[0; 8]).is_err());
    }
}
