//! What a publisher sends: as many messages as fit into a time.

use std::time::{Duration, Instant};

use crate::payload::{Kind, Message, payload};
use crate::process::{Usage, memory, usage};
use crate::report::{Published, Report};
use crate::roles::Words;

/// The clock is read once for this many messages, so that reading it costs nothing.
const CLOCK_EVERY: u64 = 64;

/// Messages to publish, one after the other, until the time is over.
#[derive(Debug)]
pub struct Load {
    size: usize,
    duration: Duration,
    begun: Instant,
    took: Duration,
    sent: u64,
    at_start: Usage,
}

impl Load {
    /// Begins now.
    #[must_use]
    pub fn begin(words: &Words) -> Self {
        Self {
            size: words.size,
            duration: words.duration(),
            begun: Instant::now(),
            took: Duration::ZERO,
            sent: 0,
            at_start: usage(),
        }
    }

    /// The message after the last one; it is sent until `bench` has what it wants.
    #[must_use]
    pub fn end(&self) -> Vec<u8> {
        payload(Message { number: self.sent, kind: Kind::End }, 64)
    }

    /// What was published. To be asked once everything has arrived, so that the CPU time of what
    /// went out in the background is in it.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::Published(Published {
            sent: self.sent,
            seconds: self.took.as_secs_f64(),
            cpu_us: usage().since(self.at_start),
            memory: memory(),
        })
    }
}

impl Iterator for Load {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.sent.is_multiple_of(CLOCK_EVERY) {
            self.took = self.begun.elapsed();
            if self.took >= self.duration {
                return None;
            }
        }
        let bytes = payload(Message { number: self.sent, kind: Kind::Counted }, self.size);
        self.sent += 1;
        Some(bytes)
    }
}
