//! Randomness as an argument: a seed in, an endless stream of bytes out.

/// A stream of bytes that nobody can predict without the seed.
pub struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    /// A stream that is a function of `seed`. The shell draws the seed from the system; a
    /// simulation from its own.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next 16 bytes.
    pub fn bytes(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let digest = blake3::keyed_hash(&self.seed, &self.drawn.to_le_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        bytes
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Random(after {} draws)", self.drawn)
    }
}
