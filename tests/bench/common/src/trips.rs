//! Round trips, one at a time: the one who asks, and the one who answers.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::payload::{Kind, Message, payload};
use crate::process::{Usage, memory, usage};
use crate::report::{Report, RoundTrips};
use crate::roles::Words;

/// Round trips of the one who asks.
#[derive(Debug)]
pub struct Trips {
    size: usize,
    warm_up: usize,
    trips: usize,
    asked: usize,
    begun: Instant,
    at_start: Usage,
    took: Vec<Duration>,
}

impl Trips {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(words: &Words) -> Self {
        Self {
            size: words.size,
            warm_up: words.warm_up,
            trips: words.trips,
            asked: 0,
            begun: Instant::now(),
            at_start: usage(),
            took: Vec::with_capacity(words.trips),
        }
    }

    /// The next question. Its time runs from here on.
    pub fn ask(&mut self) -> Option<Vec<u8>> {
        if self.asked == self.warm_up {
            self.at_start = usage();
        }
        if self.asked == self.warm_up + self.trips {
            return None;
        }
        let question = payload(self.message(), self.size);
        self.asked += 1;
        self.begun = Instant::now();
        Some(question)
    }

    /// Its answer.
    ///
    /// # Errors
    /// It answers something else.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        let took = self.begun.elapsed();
        self.asked -= 1;
        let asked = self.message();
        self.asked += 1;
        let got = Message::read(bytes)?;
        anyhow::ensure!(got == asked, "asked {asked:?}, got {got:?}");
        if got.kind == Kind::Counted {
            self.took.push(took);
        }
        Ok(())
    }

    fn message(&self) -> Message {
        let kind = if self.asked < self.warm_up { Kind::WarmUp } else { Kind::Counted };
        Message { number: self.asked as u64, kind }
    }

    /// The times of all of them.
    #[must_use]
    pub fn report(mut self) -> Report {
        let cpu_us = usage().since(self.at_start);
        self.took.sort_unstable();
        let us = |part: f64| self.took.get(rank(self.took.len(), part)).map_or(0.0, micros);
        Report::RoundTrips(RoundTrips {
            trips: self.took.len() as u64,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: us(1.0),
            cpu_us,
            memory: memory(),
        })
    }
}

fn rank(count: usize, part: f64) -> usize {
    (count.saturating_sub(1) as f64 * part).round() as usize
}

fn micros(duration: &Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// What the one who answers has spent since the first question that counts. Shared, because the
/// one who reads `stop` reports it.
#[derive(Debug)]
pub struct Echo;

static FIRST: OnceLock<Usage> = OnceLock::new();
static ANSWERED: Mutex<u64> = Mutex::new(0);

impl Echo {
    /// Looks at a question before it is sent back.
    ///
    /// # Errors
    /// It is no question.
    pub fn saw(bytes: &[u8]) -> Result<()> {
        if Message::read(bytes)?.kind == Kind::Counted {
            FIRST.get_or_init(usage);
            *ANSWERED.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Ok(())
    }

    /// Reports the answers once `bench` says `stop`, and ends the program.
    pub fn report_at_stop(orders: crate::Orders) {
        std::thread::spawn(move || {
            orders.wait_for_stop();
            let trips = *ANSWERED.lock().unwrap_or_else(PoisonError::into_inner);
            let cpu_us = FIRST.get().map_or(0.0, |first| usage().since(*first));
            let report = RoundTrips { trips, cpu_us, memory: memory(), ..RoundTrips::default() };
            Report::RoundTrips(report).print();
            std::process::exit(0);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::{Trips, rank};
    use crate::report::Report;
    use crate::roles::Words;

    #[test]
    fn percentiles_are_ranks() {
        assert_eq!((rank(101, 0.5), rank(101, 0.99), rank(101, 1.0)), (50, 99, 100));
        assert_eq!(rank(0, 0.5), 0);
    }

    #[test]
    fn only_counted_trips_are_in_the_report() {
        let line = "x ping --address 127.0.0.1:1 --warm-up 2 --trips 3";
        let mut trips = Trips::new(&Words::try_parse_from(line.split(' ')).unwrap());
        while let Some(question) = trips.ask() {
            trips.answer(&question).unwrap();
        }
        assert!(trips.answer(&[0; 64]).is_err());
        assert!(trips.took.iter().all(|took| *took < Duration::from_secs(1)));
        let Report::RoundTrips(report) = trips.report() else { panic!("no round trips") };
        assert_eq!(report.trips, 3);
    }
}
