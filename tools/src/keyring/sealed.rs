//! A secret key behind a passphrase.
//!
//! ```text
//! gearmesh-sealed-key 1
//! argon2id <KiB> <passes> <salt>
//! chacha20poly1305 <nonce> <sealed key>
//! ```
//!
//! Bytes are hexadecimal. The first two lines are authenticated with the key (RFC 9106, RFC 8439).

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::random;
use crate::exit::Failure;

const HEAD: &str = "gearmesh-sealed-key 1";

/// What guessing one passphrase costs: 64 MiB of memory, three passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// What a file may ask for at most (1 GiB): whoever writes files here must not stop the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;

const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
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
    let salt = random()?;
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&random()?[..NONCE_BYTES]);
    let head = format!("{HEAD}\nargon2id {MEMORY_KIB} {PASSES} {}\n", hex(&salt));
    let drawn = derive(passphrase, &salt, MEMORY_KIB, PASSES);
    let cipher = ChaCha20Poly1305::new(&Key::from(*drawn.map_err(Failure::system)?));
    let payload = Payload { msg: key.as_bytes(), aad: head.as_bytes() };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload).map_err(Failure::system)?;
    Ok(format!("{head}chacha20poly1305 {} {}\n", hex(&nonce), hex(&sealed)))
}

/// The key in a file that [`is_sealed`].
pub(super) fn open(text: &[u8], passphrase: &str) -> Result<SigningKey, NotOpened> {
    let text = std::str::from_utf8(text).map_err(|_| NotOpened::Damaged)?;
    let parts = Parts::read(text).ok_or(NotOpened::Damaged)?;
    let drawn = derive(passphrase, &parts.salt, parts.memory_kib, parts.passes);
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
    memory_kib: u32,
    passes: u32,
    salt: Vec<u8>,
    nonce: [u8; NONCE_BYTES],
    sealed: Vec<u8>,
}

impl Parts {
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (first, second, third) = (lines.next()?, lines.next()?, lines.next()?);
        let [kind, memory, passes, salt] = words(second)?;
        let [cipher, nonce, sealed] = words(third)?;
        let is_known = first == HEAD && kind == "argon2id" && cipher == "chacha20poly1305";
        let (memory_kib, passes) = (memory.parse().ok()?, passes.parse().ok()?);
        let salt = unhex(salt).filter(|salt| salt.len() == SALT_BYTES)?;
        let nonce = unhex(nonce)?.try_into().ok()?;
        let is_fit = memory_kib <= MEMORY_KIB_MAX && (1..=PASSES_MAX).contains(&passes);
        let head = format!("{first}\n{second}\n");
        (is_known && is_fit).then_some(())?;
        Some(Self { head, memory_kib, passes, salt, nonce, sealed: unhex(sealed)? })
    }
}

fn words<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(' ').collect::<Vec<_>>().try_into().ok()
}

fn derive(
    passphrase: &str,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, argon2::Error> {
    let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES))?;
    let mut drawn = Zeroizing::new([0; KEY_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
        passphrase.as_bytes(),
        salt,
        &mut *drawn,
    )?;
    Ok(drawn)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_even =
        text.len().is_multiple_of(2) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    is_even.then(|| (0..text.len()).step_by(2).map(byte).collect())?
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
