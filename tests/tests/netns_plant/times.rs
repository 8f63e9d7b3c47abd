//! How long values take from one member to another, by one clock.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use gearmesh_tests::api::{Api, Follower};
use gearmesh_tests::wait::{paced, until};

/// How often a member publishes while it is measured.
const EVERY: Duration = Duration::from_millis(2);

/// Values for one figure: four seconds of them.
const VALUES: u32 = 2000;

/// Times of values that were published at an even pace, shortest first.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Publishes at the node of one home and follows at that of another.
    pub(crate) fn measure(from: &Path, to: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("probe-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let arrivals = listen(Follower::of(to, &format!("+/{topic}")));
        let mut api = Api::of(from);
        until("the follower is known where values are published", || {
            (api.publish(&topic, -1).links > 0).then_some(())
        });
        let mut published = Vec::new();
        paced(VALUES, EVERY, |number| {
            published.push(now());
            api.publish(&topic, number.into());
        });
        let mut arrived = Vec::new();
        until("all values arrive", || {
            arrived.extend(arrivals.try_iter().filter(|(number, _)| *number >= 0));
            (arrived.len() >= published.len()).then_some(())
        });
        let time = |((number, at), begun): ((i64, Instant), (usize, &Instant))| {
            assert_eq!(usize::try_from(number).ok(), Some(begun.0), "values came out of order");
            at.saturating_duration_since(*begun.1)
        };
        let pairs = arrived.into_iter().zip(published.iter().enumerate());
        let mut times: Vec<Duration> = pairs.map(time).collect();
        times.sort_unstable();
        Self(times)
    }

    /// The time that 99 of a hundred values do not exceed.
    pub(crate) fn p99(&self) -> Duration {
        self.at(99)
    }

    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99, worst) = (self.at(50), self.p99(), self.at(100));
        write!(f, "median {median:.1?}, p99 {p99:.1?}, worst {worst:.1?}")
    }
}

/// Numbers as they arrive, each with its moment, up to the last one.
fn listen(mut follower: Follower) -> Receiver<(i64, Instant)> {
    // Everything that is published fits, so that whoever listens never waits.
    let (arrivals, receiver) = sync_channel(100_000);
    std::thread::spawn(move || {
        let last = i64::from(VALUES) - 1;
        loop {
            let Some(number) = follower.next_number() else { continue };
            if arrivals.try_send((number, now())).is_err() || number == last {
                return;
            }
        }
    });
    receiver
}

#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
fn now() -> Instant {
    Instant::now()
}
