//! A recording: what a machine said and when, one line of the file after the other.

use std::time::Duration;

use gearmesh_protocol::sample::{Quality, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Unit;

/// What was said at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Moment {
    /// When, by the clock of the recording; none where it has none.
    pub(super) at: Option<UnixMillis>,
    /// What.
    pub(super) values: Vec<Recorded>,
}

/// One value of a recording.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recorded {
    /// The level of its topic.
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) quality: Quality,
    pub(super) unit: Option<Unit>,
}

impl Recorded {
    /// A good value.
    pub(super) fn good(name: &str, value: Value) -> Self {
        Self { name: level(name), value, quality: Quality::Good, unit: None }
    }
}

/// A longer pause, or a step back in time, is the place where two recordings were put together.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long two moments are apart. At a seam, and where the recording has no times, `usual`.
pub(super) fn pause(
    before: Option<UnixMillis>,
    at: Option<UnixMillis>,
    usual: Duration,
) -> Duration {
    match (before, at) {
        (Some(before), Some(at)) if at >= before => {
            let apart = Duration::from_millis(at.since(before));
            if apart > PAUSE_MAX { usual } else { apart }
        }
        (None, Some(_)) => Duration::ZERO,
        _ => usual,
    }
}

/// A name of a recording as one level of a topic: letters and digits stay, everything else is `-`.
pub(super) fn level(name: &str) -> String {
    let sign = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let text: String = name.trim().chars().take(40).map(sign).collect();
    let text = text.trim_matches('-');
    if text.is_empty() { "value".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_as_recorded_and_seams_are_skipped() {
        let usual = Duration::from_secs(1);
        let apart = |before: Option<u64>, at: Option<u64>| {
            pause(before.map(UnixMillis), at.map(UnixMillis), usual)
        };
        assert_eq!(apart(Some(1_000), Some(3_500)), Duration::from_millis(2_500));
        assert_eq!(apart(Some(1_000), Some(1_000)), Duration::ZERO);
        for seam in
            [apart(Some(3_000), Some(1_000)), apart(Some(0), Some(3_600_000)), apart(None, None)]
        {
            assert_eq!(seam, usual);
        }
        assert_eq!(apart(None, Some(7)), Duration::ZERO);
    }

    #[test]
    fn names_become_levels() {
        assert_eq!(level("X1actw"), "X1actw");
        assert_eq!(level("Air temperature "), "Air-temperature");
        assert_eq!(level("a/b#+$"), "a-b");
        assert_eq!(level("///"), "value");
    }
}
