//! Durations and sizes as people write them.

use std::time::Duration;

/// Reads `90s`, `30m`, `1h`, `7d`.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let seconds = quantity(text, &units);
    let seconds =
        seconds.ok_or_else(|| format!("{text:?} is no duration: write 90s, 30m, 1h or 7d"));
    seconds.map(Duration::from_secs)
}

/// Reads `512K`, `256M`, `4G`: multiples of 1,024 bytes. A `B` or `iB` behind the letter changes
/// nothing.
///
/// # Errors
/// What to write instead.
pub fn bytes(text: &str) -> Result<u64, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
    let short = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let bytes = quantity(&short.to_ascii_uppercase(), &units);
    bytes.ok_or_else(|| format!("{text:?} is no size: write 512K, 256M or 4G"))
}

/// A number above zero and a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor).filter(|product| *product > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "h", "1", "0s", "1w", "-1h", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(bytes("512K"), Ok(512 << 10));
        for same in ["256M", "256m", "256MB", "256MiB"] {
            assert_eq!(bytes(same), Ok(256 << 20), "{same}");
        }
        for wrong in ["", "M", "4", "0G", "1.5G", "-1G", "4GG", "99999999999999T"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
