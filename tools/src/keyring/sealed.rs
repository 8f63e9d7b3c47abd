//! A secret key behind a passphrase.
//!
//! ```text
//! gearmesh-sealed-key 1
//! argon2id <KiB> <passes> <salt>
//! chacha20poly1305 <nonce> <sealed key>
//! ```
//!
//! Bytes are hexadecimal. The first two lines are authenticated with the key (RFC 9106, RFC 8439).

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::stretch::{KEY_BYTES, Stretch, words};
use super::{hex, random, unhex};
use crate::exit::Failure;

const HEAD: &str = "gearmesh-sealed-key 1";

const NONCE_BYTES: usize = 12;

/// Why a sealed key was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// It is not the passphrase, or the file was changed.
    Wrong,
    /// It is no sealed key.
    Damaged,
}

/// Whether a key file holds a sealed key.
pub(super) fn is_sealed(text: &[u8]) -> bool {
    text.starts_with(HEAD.as_bytes())
}

/// The content of a key file.
pub(super) fn seal(key: &SigningKey, passphrase: &str) -> Result<String, Failure> {
    let stretch = Stretch::draw()?;
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&random()?[..NONCE_BYTES]);
    let head = format!("{HEAD}\n{}\n", stretch.line());
    let drawn = stretch.key(passphrase);
    let cipher = ChaCha20Poly1305::new(&Key::from(*drawn.map_err(Failure::system)?));
    let payload = Payload { msg: key.as_bytes(), aad: head.as_bytes() };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload).map_err(Failure::system)?;
    Ok(format!("{head}chacha20poly1305 {} {}\n", hex(&nonce), hex(&sealed)))
}

/// The key in a file that [`is_sealed`].
pub(super) fn open(text: &[u8], passphrase: &str) -> Result<SigningKey, NotOpened> {
    let text = std::str::from_utf8(text).map_err(|_| NotOpened::Damaged)?;
    let parts = Parts::read(text).ok_or(NotOpened::Damaged)?;
    let drawn = parts.stretch.key(passphrase);
    let cipher = ChaCha20Poly1305::new(&Key::from(*drawn.map_err(|_| NotOpened::Damaged)?));
    let payload = Payload { msg: &parts.sealed, aad: parts.head.as_bytes() };
    let opened = cipher.decrypt(&Nonce::from(parts.nonce), payload);
    let opened = Zeroizing::new(opened.map_err(|_| NotOpened::Wrong)?);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    if opened.len() != KEY_BYTES {
        return Err(NotOpened::Damaged);
    }
    bytes.copy_from_slice(&opened);
    Ok(SigningKey::from_bytes(&bytes))
}

/// What stands in a file.
struct Parts {
    head: String,
    stretch: Stretch,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (first, second, third) = (lines.next()?, lines.next()?, lines.next()?);
        let [cipher, nonce, sealed] = words(third)?;
        let is_known = first == HEAD && cipher == "chacha20poly1305";
        let stretch = Stretch::read(second).filter(|_| is_known)?;
        let head = format!("{first}\n{second}\n");
        let nonce = unhex(nonce)?.try_into().ok()?;
        Some(Self { head, stretch, nonce, sealed: unhex(sealed)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_and_with_no_other() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let text = seal(&key, "correct horse").expect("sealed");
        assert!(is_sealed(text.as_bytes()) && !text.contains(&hex(key.as_bytes())));
        let opened = open(text.as_bytes(), "correct horse").expect("opened");
        assert_eq!(opened.to_bytes(), key.to_bytes());
        assert_eq!(open(text.as_bytes(), "correct horsf").err(), Some(NotOpened::Wrong));
        let changed = text.replace(" 3 ", " 4 ");
        assert_eq!(open(changed.as_bytes(), "correct horse").err(), Some(NotOpened::Wrong));
        assert_ne!(seal(&key, "correct horse").expect("sealed"), text, "another salt each time");
    }

    #[test]
    fn files_that_are_cut_or_ask_for_too_much_are_damaged() {
        let text = seal(&SigningKey::from_bytes(&[7; 32]), "correct horse").expect("sealed");
        let greedy = text.replace("65536", "99999999");
        let cut = text.lines().take(2).collect::<Vec<_>>().join("\n");
        for damaged in [greedy.as_str(), &cut, HEAD, &text.replace("argon2id", "argon2d")] {
            assert_eq!(open(damaged.as_bytes(), "x").err(), Some(NotOpened::Damaged), "{damaged}");
        }
    }
}
