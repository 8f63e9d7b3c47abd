//! Values on their way into the hands of one local subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};
use tokio::sync::Notify;

use super::{Live, lock};
use crate::core::conflation::{Bounds, Conflating, LiveValue, Losses};

/// What waits for one subscriber at most. One that reads too slowly keeps the newest of each topic.
pub(super) const SUBSCRIBER_BOUNDS: Bounds = Bounds { values: 16_384, bytes: 16 * 1024 * 1024 };

/// Where values of one topic come from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::shell) struct Origin {
    pub(in crate::shell) topic: Topic,
    pub(in crate::shell) author: PublicKey,
    pub(in crate::shell) name: Name,
}

/// A value as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    pub(in crate::shell) origin: Arc<Origin>,
    /// The value.
    pub sample: Sample,
    /// When it arrived, by this node's monotonic clock.
    pub at: Duration,
}

impl Arrived {
    /// Where it belongs.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.origin.topic
    }

    /// The key of the member that published it.
    #[must_use]
    pub fn author(&self) -> &PublicKey {
        &self.origin.author
    }

    /// The name of the member that published it.
    #[must_use]
    pub fn author_name(&self) -> &Name {
        &self.origin.name
    }
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// A value.
    Value(Arrived),
    /// Values that are missing: given up because they were not read in time, or because a link
    /// could not carry them.
    Lost {
        /// The topic, if it is known. If not, they may be of topics that this one does not follow.
        topic: Option<Topic>,
        /// How many.
        count: u64,
    },
}

/// A value that waits: of one subscriber, or of several that share it.
enum Waiting {
    Own(Arrived),
    Shared(Arc<Arrived>),
}

impl Waiting {
    fn get(&self) -> &Arrived {
        match self {
            Self::Own(value) => value,
            Self::Shared(value) => value,
        }
    }

    /// The last subscriber that reads a shared value takes it; the others take a copy.
    fn take(self) -> Arrived {
        match self {
            Self::Own(value) => value,
            Self::Shared(value) => Arc::unwrap_or_clone(value),
        }
    }
}

impl LiveValue for Waiting {
    type Topic = Arc<Origin>;

    fn topic(&self) -> &Self::Topic {
        &self.get().origin
    }

    fn bytes(&self) -> usize {
        let value = match &self.get().sample.value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
        };
        size_of::<Self>() + value
    }
}

/// One local subscriber.
pub(super) struct Subscriber {
    filter: TopicFilter,
    unread: Mutex<Unread>,
    wake: Notify,
}

struct Unread {
    values: Conflating<Waiting>,
    /// Losses on their way to the reader.
    reports: VecDeque<Delivery>,
}

impl Subscriber {
    pub(super) fn following(filter: TopicFilter) -> Self {
        let values = Conflating::new(SUBSCRIBER_BOUNDS);
        let unread = Mutex::new(Unread { values, reports: VecDeque::new() });
        Self { filter, unread, wake: Notify::new() }
    }

    /// What it follows.
    pub(super) const fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    fn push(&self, values: impl Iterator<Item = Waiting>) -> u64 {
        let mut unread = lock(&self.unread);
        // A reader that found something looks again before it sleeps.
        let was_empty = !unread.values.has_news();
        let lost = values.map(|value| unread.values.push(value)).sum();
        drop(unread);
        if was_empty {
            self.wake.notify_one();
        }
        lost
    }

    /// Adds values that never got here; of which topic is not always known.
    pub(super) fn report_lost(&self, origin: Option<&Arc<Origin>>, count: u64) {
        let mut unread = lock(&self.unread);
        match origin {
            Some(origin) => unread.values.losses().add(Arc::clone(origin), count),
            None => unread.values.losses().add_elsewhere(count),
        }
        drop(unread);
        self.wake.notify_one();
    }
}

/// Hands values to subscribers; several share one copy. How many older values were given up.
pub(super) fn hand_over(
    subscribers: &[Arc<Subscriber>],
    values: impl Iterator<Item = Arrived>,
) -> u64 {
    match subscribers {
        [] => 0,
        [one] => one.push(values.map(Waiting::Own)),
        several => {
            let values: Vec<Arc<Arrived>> = values.map(Arc::new).collect();
            let shared = || values.iter().map(|value| Waiting::Shared(Arc::clone(value)));
            several.iter().map(|one| one.push(shared())).sum()
        }
    }
}

impl Unread {
    fn next(&mut self) -> Option<Delivery> {
        if let Some(losses) = self.values.take_losses() {
            self.reports.extend(reports(losses));
        }
        let value = || self.values.pop().map(|value| Delivery::Value(value.take()));
        self.reports.pop_front().or_else(value)
    }
}

fn reports(losses: Losses<Arc<Origin>>) -> impl Iterator<Item = Delivery> {
    let elsewhere =
        (losses.elsewhere > 0).then_some(Delivery::Lost { topic: None, count: losses.elsewhere });
    let known = losses.topics.into_iter();
    known
        .map(|(origin, count)| Delivery::Lost { topic: Some(origin.topic.clone()), count })
        .chain(elsewhere)
}

/// A running subscription. Dropping it ends it.
///
/// Values of one author come in the order in which it published them. One that is read too slowly
/// never holds up anybody else: it loses older values for newer ones of the same topic, and hears
/// how many.
pub struct Subscription {
    pub(super) id: u64,
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) live: Arc<Live>,
}

impl Subscription {
    /// The next value, or how many were lost before it.
    pub async fn next(&self) -> Delivery {
        loop {
            let wake = self.subscriber.wake.notified();
            if let Some(delivery) = self.try_next() {
                return delivery;
            }
            wake.await;
        }
    }

    /// The next value if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Delivery> {
        lock(&self.subscriber.unread).next()
    }

    /// Waits until something is there and appends it to `out`, up to `max` of it. How many that is.
    ///
    /// A program that follows fast topics pays for the wait and the lock once for all of them.
    pub async fn next_many(&self, out: &mut Vec<Delivery>, max: usize) -> usize {
        loop {
            let wake = self.subscriber.wake.notified();
            let before = out.len();
            {
                let mut unread = lock(&self.subscriber.unread);
                out.extend(std::iter::from_fn(|| unread.next()).take(max));
            }
            if out.len() > before || max == 0 {
                return out.len() - before;
            }
            wake.await;
        }
    }
}

impl Subscription {
    /// Waits until something is there and moves it into `values`, up to `max` of it; and what was
    /// lost before them, by where it came from. For one reader that uses nothing else.
    pub(in crate::shell) async fn take(
        &self,
        values: &mut Vec<Arrived>,
        max: usize,
    ) -> Option<Losses<Arc<Origin>>> {
        loop {
            let wake = self.subscriber.wake.notified();
            {
                let mut unread = lock(&self.subscriber.unread);
                let losses = unread.values.take_losses();
                let waiting = std::iter::from_fn(|| unread.values.pop().map(Waiting::take));
                values.extend(waiting.take(max));
                if losses.is_some() || !values.is_empty() {
                    return losses;
                }
            }
            wake.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.live.end_subscription(self.id);
    }
}
