//! What a subscriber counts.

use std::time::Instant;

use anyhow::Result;

use crate::payload::{Kind, Message};
use crate::process::{Usage, memory, usage};
use crate::report::{Received, Report};

/// Counts messages and checks their order.
#[derive(Debug)]
pub struct Meter {
    /// The first message and the CPU time spent until then.
    first: Option<(Instant, Usage)>,
    last: Instant,
    received: u64,
    bytes: u64,
    next: u64,
    disordered: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self { first: None, last: Instant::now(), received: 0, bytes: 0, next: 0, disordered: 0 }
    }
}

impl Meter {
    /// Takes what arrived; the report, if it was the end.
    ///
    /// # Errors
    /// It is no message of a measurement.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<Report>> {
        let message = Message::read(bytes)?;
        if message.kind == Kind::End {
            return Ok(Some(self.report(message.number)));
        }
        self.last = Instant::now();
        if self.first.is_none() {
            self.first = Some((self.last, usage()));
        }
        self.received += 1;
        self.bytes += bytes.len() as u64;
        // A gap is a loss, which the count shows; what comes after its successor is out of order.
        if message.number < self.next {
            self.disordered += 1;
        }
        self.next = self.next.max(message.number + 1);
        Ok(None)
    }

    fn report(&self, sent: u64) -> Report {
        let (seconds, cpu_us) = self.first.map_or((0.0, 0.0), |(first, at_start)| {
            ((self.last - first).as_secs_f64(), usage().since(at_start))
        });
        Report::Received(Received {
            received: self.received,
            bytes: self.bytes,
            lost: sent.saturating_sub(self.received),
            disordered: self.disordered,
            seconds,
            cpu_us,
            memory: memory(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use crate::payload::{Kind, Message, payload};
    use crate::report::Report;

    fn counted(numbers: &[u64], sent: u64) -> (u64, u64, u64) {
        let mut meter = Meter::default();
        for number in numbers {
            let bytes = payload(Message { number: *number, kind: Kind::Counted }, 64);
            assert!(meter.take(&bytes).unwrap().is_none());
        }
        let end = payload(Message { number: sent, kind: Kind::End }, 64);
        let Some(Report::Received(it)) = meter.take(&end).unwrap() else { panic!("no report") };
        (it.received, it.lost, it.disordered)
    }

    #[test]
    fn counts_losses_and_disorder() {
        assert_eq!(counted(&[0, 1, 2, 3], 4), (4, 0, 0));
        assert_eq!(counted(&[0, 3], 5), (2, 3, 0));
        assert_eq!(counted(&[0, 2, 1, 3], 4), (4, 0, 1));
        assert_eq!(counted(&[], 3), (0, 3, 0));
    }
}
