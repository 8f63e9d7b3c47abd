//! What happened, as one number: two runs with the same trace did the same.

use std::time::Duration;

use super::dice::mix;

/// The hash of all that happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace(u64);

impl Trace {
    /// Something happened.
    pub fn add(&mut self, what: &str, numbers: &[u64]) {
        for byte in what.bytes() {
            self.0 = mix(self.0 ^ u64::from(byte));
        }
        for number in numbers {
            self.0 = mix(self.0.rotate_left(5) ^ number);
        }
    }

    /// A moment passed.
    pub fn at(&mut self, now: Duration) {
        self.add("at", &[u64::try_from(now.as_micros()).unwrap_or(u64::MAX)]);
    }

    /// Bytes of an id.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0 ^ u64::from(*byte));
        }
    }
}
