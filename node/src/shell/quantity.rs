//! Durations, sizes and resources as people write them.

use std::time::Duration;

use gearmesh_protocol::lease::Resource;
use gearmesh_protocol::limits::{LEASE_TTL_MS_MAX, PLACES_MAX};

/// For how long a resource is given away at most, if nobody says otherwise.
const LONGEST_MS: u32 = 60_000;

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

/// Reads `NAME[,places=N][,longest=60s]`.
///
/// # Errors
/// What to write instead.
pub(crate) fn resource(text: &str) -> Result<Resource, String> {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    let name = name.parse().map_err(|error| format!("{name:?} is no resource: {error}"))?;
    let mut resource = Resource { name, places: 1, longest_ms: LONGEST_MS };
    for part in parts {
        match part.split_once('=') {
            Some(("places", number)) => resource.places = places(number)?,
            Some(("longest", time)) => resource.longest_ms = longest(time)?,
            _ => return Err(format!("{part:?} says nothing: write NAME,places=2,longest=60s")),
        }
    }
    Ok(resource)
}

fn places(text: &str) -> Result<u16, String> {
    let places =
        text.parse().ok().filter(|places| (1..=PLACES_MAX).contains(&usize::from(*places)));
    places.ok_or_else(|| format!("a resource has 1 to {PLACES_MAX} places"))
}

fn longest(text: &str) -> Result<u32, String> {
    let longest = u32::try_from(duration(text)?.as_millis()).ok();
    let longest = longest.filter(|longest| *longest <= LEASE_TTL_MS_MAX);
    longest.ok_or_else(|| "a lease lasts for 1s to 10m".to_owned())
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
    fn resources_are_read_with_what_is_said_of_them() {
        let read = |text| resource(text).map(|it| (it.name.to_string(), it.places, it.longest_ms));
        assert_eq!(read("crane"), Ok(("crane".to_owned(), 1, 60_000)));
        assert_eq!(read("buffer,places=3,longest=5s"), Ok(("buffer".to_owned(), 3, 5_000)));
        for wrong in [
            "",
            "Crane",
            "crane,",
            "crane,places=0",
            "crane,places=257",
            "crane,longest=11m",
            "a/b",
        ] {
            assert!(resource(wrong).is_err(), "{wrong}");
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
