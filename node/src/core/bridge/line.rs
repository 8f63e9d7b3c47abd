//! One exporting line of a sheet: from values of the plant to what crosses.

use std::collections::VecDeque;
use std::iter::Sum;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::SheetId;
use gearmesh_protocol::limits::SHARE_ENTRY_BYTES_MAX;
use gearmesh_protocol::partner::{Aggregate, ShareEntry, SheetTopic};
use gearmesh_protocol::sample::{Quality, Sample, Value};
use gearmesh_protocol::topic::{Topic, TopicFilter};

use super::terms::is_forbidden;
use super::{DELAYED_MAX, Exported, json};

/// Values of a line that did not cross, though it selects them. What the terms thin out is not
/// among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Of a form that the terms cannot be applied to: text where a mean was agreed, no object where
    /// fields were.
    pub unfit: u64,
    /// Larger than a value may be that crosses.
    pub too_large: u64,
    /// Held back for the delay, when there was no room for more.
    pub crowded_out: u64,
}

impl Sum for Losses {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            unfit: sum.unfit + one.unfit,
            too_large: sum.too_large + one.too_large,
            crowded_out: sum.crowded_out + one.crowded_out,
        })
    }
}

/// A line with what it holds.
pub(super) struct Line {
    terms: SheetTopic,
    filter: TopicFilter,
    /// When a value passed last, where values are thinned out without summing up.
    passed: Option<Duration>,
    window: Option<Window>,
    /// What waits for its time, in order.
    delayed: VecDeque<(Duration, Sample)>,
    losses: Losses,
}

/// Values of one stretch of time that become one.
struct Window {
    /// Stretches are counted from the node's start.
    index: u128,
    count: i64,
    sum: f64,
    /// The one that stands for all of them so far; its time is that of the last.
    chosen: Sample,
    worst: Quality,
    /// Whether one of the values was played from a recording.
    replay: bool,
}

impl Line {
    pub(super) fn new(terms: &SheetTopic, filter: &TopicFilter) -> Self {
        Self {
            terms: terms.clone(),
            filter: filter.clone(),
            passed: None,
            window: None,
            delayed: VecDeque::new(),
            losses: Losses::default(),
        }
    }

    pub(super) const fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    pub(super) const fn losses(&self) -> Losses {
        self.losses
    }

    /// Takes a value of the plant. What came from partners never goes out again.
    pub(super) fn offer(&mut self, at: Duration, topic: &Topic, sample: &Sample) {
        if is_forbidden(topic.as_str()) || !self.filter.matches(topic) {
            return;
        }
        let Some(value) = self.projected(&sample.value) else {
            self.losses.unfit += 1;
            return;
        };
        let sample = Sample {
            value,
            quality: sample.quality,
            source_time: sample.source_time,
            unit: sample.unit.clone(),
            replay: sample.replay,
        };
        match (self.terms.every_ms, self.terms.aggregate) {
            (Some(every), Some(how)) => self.gather(at, millis(every), how, sample),
            (Some(every), None) => {
                let is_due = self.passed.is_none_or(|last| at >= last + millis(every));
                if is_due {
                    self.passed = Some(at);
                    self.pass(at, sample);
                }
            }
            (None, _) => self.pass(at, sample),
        }
    }

    /// What waits for its time, with how long that is.
    pub(super) fn held(&self, at: Duration) -> impl Iterator<Item = (Duration, &Sample)> {
        let has_delay = self.has_delay();
        let held = self.delayed.iter().filter(move |_| has_delay);
        held.map(move |(from, sample)| (from.saturating_sub(at), sample))
    }

    /// Takes back what an earlier life held.
    pub(super) fn hold(&mut self, at: Duration, left: Duration, sample: Sample) {
        let left = left.min(Duration::from_millis(self.terms.delay_ms));
        self.delayed.push_back((at.saturating_add(left), sample));
    }

    /// Whether it holds values back.
    pub(super) const fn has_delay(&self) -> bool {
        self.terms.delay_ms > 0
    }

    /// Under which name it sends.
    pub(super) const fn alias(&self) -> &Topic {
        &self.terms.alias
    }

    /// How long a value may stand in a window until it is summed up.
    pub(super) fn window(&self) -> Duration {
        let is_summed = self.terms.aggregate.is_some();
        self.terms.every_ms.filter(|_| is_summed).map_or(Duration::ZERO, millis)
    }

    /// What is to cross by now.
    pub(super) fn due(&mut self, at: Duration, sheet: SheetId) -> Vec<Exported> {
        self.close_window(at);
        let mut due = Vec::new();
        while self.delayed.front().is_some_and(|(from, _)| *from <= at) {
            let Some((_, sample)) = self.delayed.pop_front() else { break };
            let entry = ShareEntry { alias: self.terms.alias.clone(), sample };
            if codec::encode(&entry).len() > SHARE_ENTRY_BYTES_MAX {
                self.losses.too_large += 1;
            } else {
                due.push(Exported { sheet, entry });
            }
        }
        due
    }

    fn projected(&self, value: &Value) -> Option<Value> {
        match &self.terms.fields[..] {
            [] => Some(value.clone()),
            fields => json::project(value, fields),
        }
    }

    /// Rounds what crosses, and holds it back for its delay.
    fn pass(&mut self, at: Duration, mut sample: Sample) {
        if let Some(places) = self.terms.round {
            sample.value = json::rounded(sample.value, places);
        }
        if self.delayed.len() >= DELAYED_MAX {
            self.delayed.pop_front();
            self.losses.crowded_out += 1;
        }
        let from = at.saturating_add(Duration::from_millis(self.terms.delay_ms));
        self.delayed.push_back((from, sample));
    }

    fn gather(&mut self, at: Duration, every: Duration, how: Aggregate, sample: Sample) {
        self.close_window(at);
        let needs_number = matches!(how, Aggregate::Mean | Aggregate::Min | Aggregate::Max);
        let number = number_of(&sample.value);
        if needs_number && number.is_none() {
            self.losses.unfit += 1;
            return;
        }
        let number = number.unwrap_or(0.0);
        let Some(window) = &mut self.window else {
            let index = index_of(at, every);
            let (worst, replay) = (sample.quality, sample.replay);
            let (count, sum, chosen) = (1, number, sample);
            self.window = Some(Window { index, count, sum, chosen, worst, replay });
            return;
        };
        window.count += 1;
        window.sum += number;
        window.worst = window.worst.max(sample.quality);
        window.replay |= sample.replay;
        let chosen = number_of(&window.chosen.value).unwrap_or(0.0);
        let replaces = match how {
            Aggregate::Min => number < chosen,
            Aggregate::Max => number > chosen,
            Aggregate::Mean | Aggregate::Last | Aggregate::Count => true,
        };
        let source_time = sample.source_time;
        if replaces {
            window.chosen = sample;
        }
        window.chosen.source_time = source_time;
    }

    /// Sums up the window whose stretch is over. It crosses at the stretch's end.
    fn close_window(&mut self, at: Duration) {
        let (Some(every), Some(how)) = (self.terms.every_ms, self.terms.aggregate) else { return };
        let every = millis(every);
        let is_over = |window: &mut Window| index_of(at, every) > window.index;
        let Some(window) = self.window.take_if(is_over) else { return };
        let Window { index, count, sum, chosen, worst, replay } = window;
        let value = match how {
            Aggregate::Mean => Value::Float(sum / count as f64),
            Aggregate::Count => Value::Integer(count),
            Aggregate::Min | Aggregate::Max | Aggregate::Last => chosen.value,
        };
        let unit = chosen.unit.filter(|_| how != Aggregate::Count);
        let source_time = chosen.source_time;
        let sample = Sample { value, quality: worst, source_time, unit, replay };
        if sample.check().is_err() {
            self.losses.unfit += 1;
            return;
        }
        let end = u64::try_from((index + 1) * every.as_millis()).unwrap_or(u64::MAX);
        self.pass(Duration::from_millis(end), sample);
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.max(1).into())
}

fn index_of(at: Duration, every: Duration) -> u128 {
    at.as_millis() / every.as_millis()
}

fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Bool(_) | Value::Text(_) | Value::Bytes(_) => None,
    }
}
