//! What a publisher of durable entries counts: acknowledgements, how long each took, and what the
//! process that stores has spent and written meanwhile.

use std::time::Instant;

use anyhow::Result;

use crate::durable::DurableWords;
use crate::payload::{Kind, Message, payload};
use crate::process::{Memory, Written, memory, memory_of, usage, usage_of, written_by};
use crate::report::{Acknowledged, Report};
use crate::times::Times;

/// What was spent up to a moment.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    cpu_us: f64,
    written: Written,
    acks: u64,
    commits: u64,
}

/// Counts between two moments: when the warm-up is over, and when it has lasted long enough.
#[derive(Debug)]
pub struct Acks {
    words: DurableWords,
    starts: Instant,
    ends: Instant,
    first: Option<Mark>,
    last: Option<Mark>,
    times: Times,
    published: u64,
    acks: u64,
    commits: u64,
    commit: u64,
}

impl Acks {
    /// Begins now.
    #[must_use]
    pub fn begin(words: &DurableWords) -> Self {
        let starts = Instant::now() + words.before();
        Self {
            words: words.clone(),
            starts,
            ends: starts + words.duration(),
            first: None,
            last: None,
            times: Times::default(),
            published: 0,
            acks: 0,
            commits: 0,
            commit: u64::MAX,
        }
    }

    /// The next payload.
    #[must_use]
    pub fn payload(&mut self) -> Vec<u8> {
        let message = Message { number: self.published, kind: Kind::Counted };
        self.published += 1;
        payload(message, self.words.size)
    }

    /// Counts an entry that was acknowledged now; `commit` names what it was made durable with, as
    /// far as the publisher knows. Whether more are wanted.
    ///
    /// # Errors
    /// The process that stores is gone.
    pub fn count(&mut self, begun: Instant, now: Instant, commit: u64) -> Result<bool> {
        if self.last.is_some() {
            return Ok(false);
        }
        self.acks += 1;
        if commit != self.commit {
            (self.commits, self.commit) = (self.commits + 1, commit);
        }
        if self.first.is_some() {
            self.times.add(now - begun);
        } else if now >= self.starts {
            self.first = Some(self.mark(now)?);
        }
        if now >= self.ends {
            self.last = Some(self.mark(now)?);
        }
        Ok(self.last.is_none())
    }

    fn mark(&self, at: Instant) -> Result<Mark> {
        let other = self.words.store.map_or(Ok(0.0), usage_of)?;
        Ok(Mark {
            at,
            cpu_us: usage().total_us() + other,
            written: written_by(&self.words.store())?,
            acks: self.acks,
            commits: self.commits,
        })
    }

    /// What was counted.
    ///
    /// # Errors
    /// The process that stores is gone, or it did not last until anything counted.
    pub fn report(&self) -> Result<Report> {
        let marks = self.first.zip(self.last);
        let (first, last) = marks.ok_or_else(|| anyhow::anyhow!("it ended early"))?;
        let acks = last.acks - first.acks;
        let memory_of_store = match self.words.store {
            Some(id) => memory_of(&id.to_string())?,
            None => Memory::default(),
        };
        Ok(Report::Acknowledged(Acknowledged {
            acks,
            seconds: (last.at - first.at).as_secs_f64(),
            p50_us: self.times.percentile_us(0.5),
            p99_us: self.times.percentile_us(0.99),
            commits: last.commits - first.commits,
            payload: acks * self.words.size as u64,
            given: last.written.given - first.written.given,
            to_disk: last.written.to_disk - first.written.to_disk,
            cpu_us: last.cpu_us - first.cpu_us,
            memory: memory(),
            memory_of_store,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use clap::Parser as _;

    use super::Acks;
    use crate::durable::DurableWords;
    use crate::report::Report;

    #[test]
    fn only_what_comes_after_the_warm_up_counts() {
        let line = "x publish --folder /tmp --address 127.0.0.1:1 --size 256";
        let words = DurableWords::try_parse_from(line.split(' ')).unwrap();
        let mut acks = Acks::begin(&words);
        let begun = Instant::now();
        assert_eq!(acks.payload().len(), 256);
        let ms = |millis| begun + Duration::from_millis(millis);
        for (at, commit) in [(100, 0), (600, 1), (700, 2), (800, 2), (4_000, 3)] {
            let more = acks.count(ms(at - 50), ms(at), commit).unwrap();
            assert_eq!(more, at < 4_000);
        }
        assert!(!acks.count(begun, ms(4_001), 4).unwrap());
        let Report::Acknowledged(report) = acks.report().unwrap() else { panic!("no acks") };
        assert_eq!((report.acks, report.commits, report.payload), (3, 2, 3 * 256));
        assert!((report.seconds - 3.4).abs() < 1e-6);
        assert!((report.p50_us - 50e3).abs() < 1e3);
    }
}
