//! How long things took, in memory that does not grow: buckets of at most 1.6 % of their value, so
//! that a measured program's own memory is not what is measured.

use std::time::Duration;

/// Buckets for each power of two.
const FINE: usize = 64;
/// Powers of two above the exact ones: up to 2^38 ns, four and a half minutes.
const COARSE: usize = 32;

/// Durations, counted in buckets.
#[derive(Debug)]
pub struct Times {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self { counts: vec![0; FINE * (COARSE + 1)], total: 0 }
    }
}

impl Times {
    /// One more.
    pub fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        self.counts[bucket(nanos).min(last)] += 1;
        self.total += 1;
    }

    /// What this part of them did not exceed, in microseconds; zero if there are none.
    #[must_use]
    pub fn percentile_us(&self, part: f64) -> f64 {
        let rank = (self.total.saturating_sub(1) as f64 * part).round() as u64;
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            below += count;
            if below > rank {
                return lowest(at) as f64 / 1e3;
            }
        }
        0.0
    }
}

fn bucket(nanos: u64) -> usize {
    let fine = FINE as u64;
    if nanos < fine {
        return nanos as usize;
    }
    let power = nanos.ilog2() - fine.ilog2();
    FINE * (power as usize + 1) + ((nanos >> power) - fine) as usize
}

/// The lowest value of a bucket.
fn lowest(bucket: usize) -> u64 {
    let (power, rest) = (bucket / FINE, (bucket % FINE) as u64);
    match power.checked_sub(1) {
        None => rest,
        Some(power) => (rest + FINE as u64) << power,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Times, bucket, lowest};

    #[test]
    fn a_bucket_is_no_wider_than_a_64th_of_its_value() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456, 987_654_321, 200_000_000_000] {
            let low = lowest(bucket(nanos));
            assert!(low <= nanos && nanos - low <= nanos / 64, "{nanos} in {low}");
        }
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut times = Times::default();
        assert_eq!(times.percentile_us(0.5), 0.0);
        for millis in 1..=100 {
            times.add(Duration::from_millis(millis));
        }
        let about = |part: f64, ms: f64| (times.percentile_us(part) / 1e3 - ms).abs() <= ms / 32.0;
        assert!(about(0.5, 50.5) && about(0.99, 99.0) && about(1.0, 100.0));
    }
}
