//! A queue of live values that keeps the newest of each topic when it cannot keep all.
//!
//! Its items are series: values of one topic that came one after the other, often just one. Bounds,
//! losses and what is given up are about values all the same.
//!
//! As long as it has room it is a plain queue. At its bound it first gives up values that have a
//! newer one of their topic behind them, the oldest of these first; only when it holds one value
//! for each topic does it give up the oldest of all. What stays keeps its order. Every loss is
//! counted by topic, for the report to whoever reads.

use std::collections::{BTreeMap, VecDeque};

/// Topics whose losses are told one by one until the next report; losses of further topics are
/// one sum.
pub const LOST_TOPICS_MAX: usize = 1024;

/// What may wait in such a queue: a value, or several of one topic.
pub trait LiveSeries: Sized {
    /// What tells its topic from others.
    type Topic: Ord + Clone;

    /// Its topic.
    fn topic(&self) -> &Self::Topic;

    /// About the memory it takes.
    fn bytes(&self) -> usize;

    /// How many values it is, at least one.
    fn values(&self) -> usize;

    /// Takes the oldest value, of several; of a single one there is nothing to take.
    fn take_first(&mut self) -> Option<Self>;

    /// Gives up the oldest value, of several.
    fn give_up_first(&mut self) {
        drop(self.take_first());
    }

    /// The one value that is left, without the memory of those that were before it.
    fn alone(self) -> Self {
        self
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Values.
    pub values: usize,
    /// Bytes, as [`LiveSeries::bytes`] counts them.
    pub bytes: usize,
}

/// The queue.
pub struct Conflating<T: LiveSeries> {
    bounds: Bounds,
    /// Single values of which no newer one waits, older than all of `rest`. A hole is where a newer
    /// one came after all.
    kept: VecDeque<Option<T>>,
    /// How many places were ever taken from the front of `kept`.
    kept_before: u64,
    /// Values in `kept`, without the holes.
    kept_values: usize,
    rest: VecDeque<T>,
    /// Values in `rest`.
    rest_values: usize,
    bytes: usize,
    /// Where the values of each topic are; known only since the bound was reached.
    topics: Option<BTreeMap<T::Topic, Places>>,
    losses: Losses<T::Topic>,
}

#[derive(Clone, Copy, Default)]
struct Places {
    /// Values in `rest`.
    rest: usize,
    /// The place in `kept`, counted from the first ever.
    kept: Option<u64>,
}

/// What was given up since the last report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses<K: Ord> {
    /// By topic.
    pub topics: BTreeMap<K, u64>,
    /// Of topics beyond [`LOST_TOPICS_MAX`].
    pub elsewhere: u64,
}

impl<K: Ord> Default for Losses<K> {
    fn default() -> Self {
        Self { topics: BTreeMap::new(), elsewhere: 0 }
    }
}

impl<K: Ord> Losses<K> {
    /// Adds losses of a topic.
    pub fn add(&mut self, topic: K, count: u64) {
        if self.topics.len() < LOST_TOPICS_MAX || self.topics.contains_key(&topic) {
            let sum = self.topics.entry(topic).or_default();
            *sum = sum.saturating_add(count);
        } else {
            self.add_elsewhere(count);
        }
    }

    /// Adds losses of which nobody knows the topic.
    pub const fn add_elsewhere(&mut self, count: u64) {
        self.elsewhere = self.elsewhere.saturating_add(count);
    }

    /// Whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elsewhere == 0 && self.topics.is_empty()
    }
}

impl<T: LiveSeries> Conflating<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            kept: VecDeque::new(),
            kept_before: 0,
            kept_values: 0,
            rest: VecDeque::new(),
            rest_values: 0,
            bytes: 0,
            topics: None,
            losses: Losses { topics: BTreeMap::new(), elsewhere: 0 },
        }
    }

    /// Values that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept_values + self.rest_values
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is something to tell a reader.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.is_empty() || !self.losses.is_empty()
    }

    /// What was lost since this was last asked.
    pub fn take_losses(&mut self) -> Option<Losses<T::Topic>> {
        (!self.losses.is_empty()).then(|| std::mem::take(&mut self.losses))
    }

    /// The losses that the next report tells, for those that happened elsewhere.
    pub const fn losses(&mut self) -> &mut Losses<T::Topic> {
        &mut self.losses
    }

    /// Adds values. How many were given up for them.
    pub fn push(&mut self, series: T) -> u64 {
        let (values, bytes) = (series.values(), series.bytes());
        let mut lost = 0;
        if let Some(topics) = &mut self.topics {
            let places = topics.entry(series.topic().clone()).or_default();
            places.rest += values;
            if let Some(place) = places.kept.take() {
                lost += self.give_up_kept(place);
            }
        }
        self.close_holes();
        self.rest.push_back(series);
        lost + self.grown(values, bytes)
    }

    /// Adds a value to the last series, if that is of its topic and `add` finds room in it. How many
    /// were given up for it.
    pub fn append(&mut self, topic: &T::Topic, add: impl FnOnce(&mut T) -> bool) -> Option<u64> {
        let last = self.rest.back_mut().filter(|last| last.topic() == topic)?;
        let before = last.bytes();
        if !add(last) {
            return None;
        }
        let bytes = last.bytes() - before;
        if let Some(topics) = &mut self.topics {
            topics.entry(topic.clone()).or_default().rest += 1;
        }
        Some(self.grown(1, bytes))
    }

    /// Keeps to the bounds. How many values were given up for that.
    fn grown(&mut self, values: usize, bytes: usize) -> u64 {
        self.rest_values += values;
        self.bytes += bytes;
        let mut lost = 0;
        while self.len() > self.bounds.values || self.bytes > self.bounds.bytes {
            if self.is_empty() {
                break;
            }
            self.give_up_one();
            lost += 1;
        }
        lost
    }

    /// Takes the oldest series.
    pub fn pop(&mut self) -> Option<T> {
        if let Some(value) = self.pop_kept() {
            return Some(self.taken(value));
        }
        let series = self.rest.pop_front()?;
        self.left(&series);
        Some(self.taken(series))
    }

    /// Takes the oldest value.
    pub fn pop_value(&mut self) -> Option<T> {
        if self.kept_values == 0
            && let Some(series) = self.rest.front_mut()
        {
            let before = series.bytes();
            if let Some(value) = series.take_first() {
                self.bytes -= before - series.bytes();
                self.left(&value);
                return Some(value);
            }
        }
        self.pop()
    }

    fn pop_kept(&mut self) -> Option<T> {
        while let Some(place) = self.kept.pop_front() {
            self.kept_before += 1;
            if let Some(value) = place {
                self.kept_values -= 1;
                if let Some(topics) = &mut self.topics {
                    topics.remove(value.topic());
                }
                return Some(value);
            }
        }
        None
    }

    /// Counts what was taken from `rest`.
    fn left(&mut self, series: &T) {
        self.rest_values -= series.values();
        if let Some(topics) = &mut self.topics
            && let Some(places) = topics.get_mut(series.topic())
        {
            places.rest -= series.values();
            if places.rest == 0 {
                topics.remove(series.topic());
            }
        }
    }

    fn taken(&mut self, value: T) -> T {
        self.bytes -= value.bytes();
        if self.is_empty() {
            self.topics = None;
        }
        value
    }

    fn lose(&mut self, value: &T) {
        self.bytes -= value.bytes();
        self.losses.add(value.topic().clone(), 1);
    }

    /// Gives up the kept value at a place, since a newer one has come. How many that was.
    fn give_up_kept(&mut self, place: u64) -> u64 {
        let at = usize::try_from(place - self.kept_before).ok();
        let Some(value) = at.and_then(|at| self.kept.get_mut(at)).and_then(Option::take) else {
            return 0;
        };
        self.kept_values -= 1;
        self.lose(&value);
        1
    }

    /// Gives up one value: the oldest that has a newer one of its topic behind it, or the oldest.
    fn give_up_one(&mut self) {
        let mut topics = self.topics.take().unwrap_or_else(|| {
            let mut topics = BTreeMap::<T::Topic, Places>::new();
            for series in &self.rest {
                topics.entry(series.topic().clone()).or_default().rest += series.values();
            }
            topics
        });
        while let Some(series) = self.rest.front_mut() {
            let places = topics.entry(series.topic().clone()).or_default();
            places.rest = places.rest.saturating_sub(1);
            self.rest_values -= 1;
            if places.rest > 0 {
                self.topics = Some(topics);
                self.give_up_first();
                return;
            }
            places.kept = Some(self.kept_before + self.kept.len() as u64);
            self.bytes -= series.bytes();
            let alone = self.rest.pop_front().map(T::alone);
            self.bytes += alone.as_ref().map_or(0, T::bytes);
            self.kept.push_back(alone);
            self.kept_values += 1;
        }
        self.topics = Some(topics);
        if let Some(value) = self.pop_kept() {
            self.lose(&value);
        }
    }

    /// Gives up the first value of the first series.
    fn give_up_first(&mut self) {
        let Some(series) = self.rest.front_mut() else { return };
        if series.values() == 1 {
            if let Some(series) = self.rest.pop_front() {
                self.lose(&series);
            }
            return;
        }
        let before = series.bytes();
        series.give_up_first();
        self.bytes -= before - series.bytes();
        self.losses.add(series.topic().clone(), 1);
    }

    /// Closes the holes once they are more than the values.
    fn close_holes(&mut self) {
        if self.kept.len() <= 2 * self.kept_values + 1 {
            return;
        }
        self.kept.retain(Option::is_some);
        let Some(topics) = &mut self.topics else { return };
        for (at, value) in self.kept.iter().flatten().enumerate() {
            let place = self.kept_before + at as u64;
            topics.entry(value.topic().clone()).or_default().kept = Some(place);
        }
    }
}

#[cfg(test)]
mod tests;
