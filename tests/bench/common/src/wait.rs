//! Waiting for a condition, with a deadline. The only place of the bench that holds a thread.

use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks again and again until `look` has found something, or the time is over.
pub fn within<T>(max: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_some() || begun.elapsed() >= max {
            return found;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets a span pass whose cost is what is measured.
pub fn pass(span: Duration) {
    std::thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::within;

    #[test]
    fn what_never_comes_is_waited_for_no_longer_than_said() {
        let mut looks = 0;
        let found = within(Duration::from_millis(20), || {
            looks += 1;
            (looks == 2).then_some(looks)
        });
        assert_eq!(found, Some(2));
        assert_eq!(within(Duration::from_millis(20), || None::<()>), None);
    }
}
