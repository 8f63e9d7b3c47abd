//! Wall-clock time as it is signed and shown. Arithmetic only; reading a clock is the shell's.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time and `ms` milliseconds more; the end of time where that would overflow.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// So long before this time; the beginning of 1970 where that would be earlier still.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Milliseconds from `earlier` to this time; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for UnixMillis {
    /// RFC 3339 in UTC, to the second: `2026-11-22T14:03:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time in UTC: write 2026-11-22 or 2026-11-22T14:03:00Z")]
pub struct NoTime {
    /// The text.
    pub text: String,
}

impl std::str::FromStr for UnixMillis {
    type Err = NoTime;

    /// What [`Display`](fmt::Display) writes, or a day alone, which begins at midnight UTC.
    fn from_str(text: &str) -> Result<Self, NoTime> {
        read(text).ok_or_else(|| NoTime { text: text.to_owned() })
    }
}

fn read(text: &str) -> Option<UnixMillis> {
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, time.strip_suffix('Z')?),
        None => (text, "00:00:00"),
    };
    let [year, month, day] = numbers(day, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let seconds = days_from_civil(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let read = UnixMillis(seconds * 1000);
    // A 31st of April is written otherwise.
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    (read.to_string() == whole).then_some(read)
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split(between);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days from 1970-01-01 to a day, after Howard Hinnant's `days_from_civil`; none before 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month_index = if month > 2 { month.checked_sub(3)? } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day.checked_sub(1)?;
    let year_of_era = year % 400;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
}

/// Year, month and day of a day counted from 1970-01-01, after Howard Hinnant's
/// `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms").
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        for ms in (0..4_000_000_000_000).step_by(86_399_000_017) {
            let time = UnixMillis(ms / 1000 * 1000);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        assert_eq!("2026-11-22".parse(), Ok(UnixMillis(1_795_305_600_000)));
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-04-31",
            "2026-13-01",
            "2026-00-10",
            "1969-12-31",
            "2026-11-22T14:03:00",
            "2026-11-22T24:00:00Z",
            "2026-11-22T14:03Z",
            "26-11-22",
            "2026-11-22-01",
            "+026-11-22",
        ] {
            assert!(text.parse::<UnixMillis>().is_err(), "{text}");
        }
    }

    #[test]
    fn dates_are_written_as_rfc_3339() {
        assert_eq!(UnixMillis(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UnixMillis(951_782_399_000).to_string(), "2000-02-28T23:59:59Z");
        assert_eq!(UnixMillis(951_782_400_000).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(UnixMillis(1_795_356_180_000).to_string(), "2026-11-22T14:03:00Z");
    }
}
