//! Waiting for a condition, with a deadline. The only place in the suites that sleeps.

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Machines differ; this says nothing about
/// speed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until `look` has found something.
///
/// # Panics
/// Nothing was found within [`DEADLINE`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    let found = within(DEADLINE, look);
    found.unwrap_or_else(|| panic!("{what}: not within {DEADLINE:?}"))
}

/// Looks again and again until `look` has found something, or the time is over.
#[expect(clippy::disallowed_methods, reason = "a deadline of a test is real time")]
pub fn within<T>(max: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = look();
        if found.is_some() || start.elapsed() >= max {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets a span pass whose cost is what a measurement is about. No test passes time.
pub fn pass(span: Duration) {
    std::thread::sleep(span);
}

/// Looks again and again, for as long as `span`, that something stays as it is.
///
/// # Panics
/// It does not.
#[expect(clippy::disallowed_methods, reason = "a span of a test is real time")]
pub fn throughout(what: &str, span: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(holds(), "{what}: not any more after {:?}", start.elapsed());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Does something `times` times at an even pace, late ones at once.
#[expect(clippy::disallowed_methods, reason = "a pace is real time")]
pub fn paced(times: u32, every: Duration, mut work: impl FnMut(u32)) {
    let start = Instant::now();
    for number in 0..times {
        let due = every * number;
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        work(number);
    }
}
