//! What came from a partner never goes out again: whatever a company shares, its own machines
//! published.

use gearmesh_protocol::sample::Value;

use super::super::{Seen, World};

/// It needs nothing but the value: its last digit is the company's number.
pub(super) struct Rule;

impl super::Rule for Rule {
    fn name(&self) -> &'static str {
        "no_loop"
    }

    fn see(&mut self, _: &World, seen: &Seen) -> Result<(), String> {
        let Seen::Written { who, entries, .. } = seen else { return Ok(()) };
        let own = i64::try_from(*who).unwrap_or(-1);
        let foreign = entries.iter().find(|entry| match entry.sample.value {
            Value::Integer(number) => number % 10 != own,
            _ => true,
        });
        foreign.map_or(Ok(()), |entry| Err(format!("{who} passes on {entry:?}")))
    }
}
