//! Keys from passphrases: slow on purpose, so that guessing costs (argon2id, RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::{hex, random, unhex};
use crate::exit::Failure;

/// What guessing one passphrase costs: 64 MiB of memory, three passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;

/// What a file may ask for at most (1 GiB): whoever writes files here must not stop the machine.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 64;

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

const SALT_BYTES: usize = 16;

/// How a passphrase becomes a key, as one line of a file says it.
pub(crate) struct Stretch {
    memory_kib: u32,
    passes: u32,
    salt: Vec<u8>,
}

impl Stretch {
    /// What new files get, with a salt of their own.
    pub(crate) fn draw() -> Result<Self, Failure> {
        Ok(Self { memory_kib: MEMORY_KIB, passes: PASSES, salt: random()?.to_vec() })
    }

    /// The line: `argon2id <KiB> <passes> <salt>`.
    pub(crate) fn line(&self) -> String {
        format!("argon2id {} {} {}", self.memory_kib, self.passes, hex(&self.salt))
    }

    /// Reads the line; none if it is none, or asks for too much.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let [kind, memory, passes, salt] = words(line)?;
        let (memory_kib, passes) = (memory.parse().ok()?, passes.parse().ok()?);
        let salt = unhex(salt).filter(|salt| salt.len() == SALT_BYTES)?;
        let is_fit = memory_kib <= MEMORY_KIB_MAX && (1..=PASSES_MAX).contains(&passes);
        (kind == "argon2id" && is_fit).then_some(Self { memory_kib, passes, salt })
    }

    /// The key that a passphrase makes.
    pub(crate) fn key(
        &self,
        passphrase: &str,
    ) -> Result<Zeroizing<[u8; KEY_BYTES]>, argon2::Error> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(KEY_BYTES))?;
        let mut drawn = Zeroizing::new([0; KEY_BYTES]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            passphrase.as_bytes(),
            &self.salt,
            &mut *drawn,
        )?;
        Ok(drawn)
    }
}

/// A line that has so many words.
pub(crate) fn words<const N: usize>(line: &str) -> Option<[&str; N]> {
    line.split(' ').collect::<Vec<_>>().try_into().ok()
}
