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
#[expect(clippy::disallowed_methods, reason = "a deadline of a test is real time")]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(LOOK_EVERY);
    }
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
