//! What is held back for a delay, so that it can outlive the program.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::partner_local::Held;
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::{Bridge, Line, LineId, Partners};
use crate::core::clock::Now;

impl Bridge {
    /// All that waits for its time.
    #[must_use]
    pub fn held(&self, now: Now) -> Vec<Held> {
        let of_line = |sheet: SheetId, line: &Line| -> Vec<Held> {
            let held = line.held(now.tick).map(|(left, sample)| Held {
                sheet,
                alias: line.alias().clone(),
                left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
                sample: sample.clone(),
            });
            held.collect()
        };
        let open = self.open.iter();
        open.flat_map(|(sheet, crossing)| {
            crossing.lines.iter().flat_map(|line| of_line(*sheet, line)).collect::<Vec<_>>()
        })
        .collect()
    }

    /// Holds back again what an earlier life did, where its agreement is open. What is left waits for that,
    /// as long as the agreement stands. What has no line any more is not sent.
    pub fn hold(&mut self, now: Now, partners: &Partners, held: &mut Vec<Held>) {
        let standing: BTreeSet<SheetId> = partners.live(now).map(|deal| deal.stream()).collect();
        held.retain(|held| standing.contains(&held.sheet));
        let (open, waiting): (Vec<Held>, Vec<Held>) =
            std::mem::take(held).into_iter().partition(|held| self.open.contains_key(&held.sheet));
        *held = waiting;
        for Held { sheet, alias, left_ms, sample } in open {
            let lines = self.open.get_mut(&sheet).map(|crossing| &mut crossing.lines);
            let line = lines.and_then(|lines| lines.iter_mut().find(|line| *line.alias() == alias));
            if let Some(line) = line {
                line.hold(now.tick, Duration::from_millis(left_ms), sample);
            }
        }
    }

    /// How long it may take until what a line was given now has crossed, or is on the disk where lines hold
    /// something back, which is written there so often.
    #[must_use]
    pub fn settles_within(&self, held_every: Duration) -> Duration {
        let lines = self.open.values().flat_map(|crossing| &crossing.lines);
        let settles = |line: &Line| match line.has_delay() {
            true => line.window() + held_every,
            false => line.window(),
        };
        lines.map(settles).max().unwrap_or_default()
    }

    /// Whether anything is followed in the plant.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.open.values().any(|crossing| !crossing.lines.is_empty())
    }

    /// The lines that a topic is for.
    #[must_use]
    pub fn lines_of(&self, topic: &Topic) -> Vec<LineId> {
        let is_for = |(_, filter): &(LineId, &TopicFilter)| filter.matches(topic);
        self.filters().filter(is_for).map(|(line, _)| line).collect()
    }
}
