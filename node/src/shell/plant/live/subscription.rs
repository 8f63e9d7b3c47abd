//! Values on their way into the hands of one local subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};
use tokio::sync::Notify;

use super::series::{Series, Waiting};
use super::{Live, lock};
use crate::core::conflation::{Bounds, Conflating, Losses};

/// What waits for one subscriber at most. One that reads too slowly keeps the newest of each topic.
/// So many values that a program which is not scheduled for some milliseconds loses none of the
/// fastest; their memory is bounded by the bytes.
pub(super) const SUBSCRIBER_BOUNDS: Bounds = Bounds { values: 65_536, bytes: 16 * 1024 * 1024 };

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

/// What a subscriber gets that takes series.
#[derive(Clone, Debug)]
pub enum SeriesDelivery {
    /// Values of one topic.
    Series(Series),
    /// Values that are missing, as in [`Delivery::Lost`].
    Lost {
        /// The topic, if it is known.
        topic: Option<Topic>,
        /// How many.
        count: u64,
    },
}

/// One local subscriber.
pub(super) struct Subscriber {
    filter: TopicFilter,
    unread: Mutex<Unread>,
    wake: Notify,
}

struct Unread {
    values: Conflating<Waiting>,
    /// Losses on their way to the reader: of which topic, if it is known, and how many.
    reports: VecDeque<(Option<Topic>, u64)>,
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

    fn push(&self, series: Series) -> u64 {
        let mut unread = lock(&self.unread);
        // A reader that found something looks again before it sleeps.
        let was_empty = !unread.values.has_news();
        let lost = unread.values.push(Waiting(series));
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
pub(super) fn hand_over(subscribers: &[Arc<Subscriber>], series: Series) -> u64 {
    match subscribers {
        [] => 0,
        [one] => one.push(series),
        several => {
            let series = series.shared();
            several.iter().map(|one| one.push(series.clone())).sum()
        }
    }
}

impl Unread {
    fn report(&mut self) -> Option<(Option<Topic>, u64)> {
        if let Some(losses) = self.values.take_losses() {
            self.reports.extend(reports(losses));
        }
        self.reports.pop_front()
    }

    fn next(&mut self) -> Option<Delivery> {
        if let Some((topic, count)) = self.report() {
            return Some(Delivery::Lost { topic, count });
        }
        self.values.pop_value()?.0.into_first().map(Delivery::Value)
    }

    fn next_series(&mut self) -> Option<SeriesDelivery> {
        if let Some((topic, count)) = self.report() {
            return Some(SeriesDelivery::Lost { topic, count });
        }
        self.values.pop().map(|series| SeriesDelivery::Series(series.0))
    }
}

fn reports(losses: Losses<Arc<Origin>>) -> impl Iterator<Item = (Option<Topic>, u64)> {
    let elsewhere = (losses.elsewhere > 0).then_some((None, losses.elsewhere));
    let known = losses.topics.into_iter();
    known.map(|(origin, count)| (Some(origin.topic.clone()), count)).chain(elsewhere)
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
    /// A program that follows fast topics pays for the wait and the lock once for all of them. It pays
    /// least where it takes [series](Self::next_series).
    pub async fn next_many(&self, out: &mut Vec<Delivery>, max: usize) -> usize {
        self.take_many(out, max, Unread::next).await
    }

    /// Waits until something is there and appends it to `out`, up to `max` series and reports of losses.
    /// How many that is.
    ///
    /// Values that came together stay together, in memory that they share. So nothing is paid for each
    /// value but reading it:
    ///
    /// ```no_run
    /// use gearmesh_node::{Node, SeriesDelivery};
    /// use gearmesh_protocol::sample::ValueRef;
    ///
    /// # async fn example(node: Node) -> Result<(), Box<dyn std::error::Error>> {
    /// let subscription = node.subscribe("hall/+/force".parse()?)?;
    /// let (mut taken, mut most) = (Vec::new(), 0.0_f64);
    /// loop {
    ///     subscription.next_series(&mut taken, 64).await;
    ///     for delivery in taken.drain(..) {
    ///         let SeriesDelivery::Series(series) = delivery else { continue };
    ///         for sample in &series {
    ///             if let ValueRef::Float(newtons) = sample.value {
    ///                 most = most.max(newtons);
    ///             }
    ///         }
    ///     }
    ///     println!("{most} N at most");
    /// }
    /// # }
    /// ```
    pub async fn next_series(&self, out: &mut Vec<SeriesDelivery>, max: usize) -> usize {
        self.take_many(out, max, Unread::next_series).await
    }

    async fn take_many<T>(
        &self,
        out: &mut Vec<T>,
        max: usize,
        next: fn(&mut Unread) -> Option<T>,
    ) -> usize {
        loop {
            let wake = self.subscriber.wake.notified();
            let before = out.len();
            {
                let mut unread = lock(&self.subscriber.unread);
                out.extend(std::iter::from_fn(|| next(&mut unread)).take(max));
            }
            if out.len() > before || max == 0 {
                return out.len() - before;
            }
            wake.await;
        }
    }
}

impl Subscription {
    /// Waits until something is there and moves it into `pieces`, until that is `max` values; and what
    /// was lost before them, by where it came from. For one reader that uses nothing else.
    pub(in crate::shell) async fn take(
        &self,
        pieces: &mut Vec<Series>,
        max: usize,
    ) -> Option<Losses<Arc<Origin>>> {
        loop {
            let wake = self.subscriber.wake.notified();
            {
                let mut unread = lock(&self.subscriber.unread);
                let losses = unread.values.take_losses();
                let mut taken = 0;
                while taken < max
                    && let Some(Waiting(series)) = unread.values.pop()
                {
                    taken += series.len();
                    pieces.push(series);
                }
                if losses.is_some() || !pieces.is_empty() {
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
