//! What somebody who waits for answers counts: acknowledgements, how long each took, and what the
//! process that stores has spent and written meanwhile.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::payload::{Kind, Message, payload};
use crate::process::{Memory, Written, memory, memory_of, usage, usage_of, written_by};
use crate::report::{Acknowledged, Report};
use crate::times::Times;

/// What is counted, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Bytes of a payload.
    pub size: usize,
    /// How long is measured.
    pub seconds: f64,
    /// How long it runs before that.
    pub warm_up: f64,
    /// The process that stores, if it is not this one.
    pub store: Option<u32>,
}

impl Span {
    /// The name of the process that stores, for `/proc`.
    fn store(&self) -> String {
        self.store.map_or_else(|| "self".to_owned(), |id| id.to_string())
    }
}

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
    span: Span,
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
    pub fn begin(span: Span) -> Self {
        let starts = Instant::now() + Duration::from_secs_f64(span.warm_up);
        Self {
            span,
            starts,
            ends: starts + Duration::from_secs_f64(span.seconds),
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
        payload(message, self.span.size)
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
        let other = self.span.store.map_or(Ok(0.0), usage_of)?;
        Ok(Mark {
            at,
            cpu_us: usage().total_us() + other,
            written: written_by(&self.span.store())?,
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
        let memory_of_store = match self.span.store {
            Some(id) => memory_of(&id.to_string())?,
            None => Memory::default(),
        };
        Ok(Report::Acknowledged(Acknowledged {
            acks,
            seconds: (last.at - first.at).as_secs_f64(),
            p50_us: self.times.percentile_us(0.5),
            p99_us: self.times.percentile_us(0.99),
            commits: last.commits - first.commits,
            payload: acks * self.span.size as u64,
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

    use super::{Acks, Span};
    use crate::report::Report;

    #[test]
    fn only_what_comes_after_the_warm_up_counts() {
        let span = Span { size: 256, seconds: 3.0, warm_up: 0.5, store: None };
        let mut acks = Acks::begin(span);
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
