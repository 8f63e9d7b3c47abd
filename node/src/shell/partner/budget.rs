//! What one gateway may make this one do in a time.

use std::time::Duration;

/// A budget that fills up evenly, and may be overdrawn once: what has come is paid for afterwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: f64,
    since: Duration,
    rate: f64,
    burst: f64,
}

impl Budget {
    /// A full one: so much a second, and so much at once after a pause.
    pub(super) const fn new(at: Duration, rate: u32, burst: u32) -> Self {
        let (rate, burst) = (rate as f64, burst as f64);
        Self { left: burst, since: at, rate, burst }
    }

    /// Whether there is something left.
    pub(super) fn has_some(&mut self, at: Duration) -> bool {
        self.fill(at);
        self.left > 0.0
    }

    /// Whether nothing was taken for long enough.
    pub(super) fn is_full(&mut self, at: Duration) -> bool {
        self.fill(at);
        self.left >= self.burst
    }

    /// Pays for what has come.
    pub(super) fn pay(&mut self, amount: u64) {
        self.left -= amount as f64;
    }

    /// How long until there is something again.
    pub(super) fn empty_for(&mut self, at: Duration) -> Option<Duration> {
        match self.has_some(at) {
            true => None,
            false => Some(Duration::from_secs_f64((1.0 - self.left) / self.rate)),
        }
    }

    fn fill(&mut self, at: Duration) {
        let gained = at.saturating_sub(self.since).as_secs_f64() * self.rate;
        self.left = (self.left + gained).min(self.burst);
        self.since = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_overdrawn_once_and_fills_up_evenly() {
        let at = Duration::from_secs;
        let mut budget = Budget::new(at(0), 10, 20);
        assert!(budget.is_full(at(0)) && budget.has_some(at(0)));
        budget.pay(50);
        assert!(!budget.has_some(at(0)));
        assert_eq!(budget.empty_for(at(1)), Some(Duration::from_millis(2100)));
        assert!(!budget.has_some(at(3)), "it is empty now, and not above it");
        assert!(budget.has_some(Duration::from_millis(3100)));
        assert_eq!(budget.empty_for(at(4)), None);
        assert!(!budget.is_full(at(4)) && budget.is_full(at(5)));
        assert!(budget.is_full(at(3600)), "more than the burst is never there");
        budget.pay(20);
        assert!(!budget.has_some(at(3600)));
    }
}
