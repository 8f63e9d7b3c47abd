//! A handle that publishes one topic, and the route it keeps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, SampleError, Value};
use gearmesh_protocol::topic::Topic;

use super::body::EncodedBody;
use super::outgoing::{LinkQueue, Outgoing};
use super::subscription::{Arrived, hand_over};
use super::topics::PublishedTopic;
use super::{Live, Local, lock};

/// How long a publisher that paces itself waits for one link: one that takes nothing for so long
/// is stalled, and may not hold up the others.
const PACE_MAX: Duration = Duration::from_secs(1);

/// Why a value was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// This node may not publish there, or has not joined.
    #[error("{refusal}: {topic}")]
    Refused {
        /// The reason.
        refusal: Refusal,
        /// The topic.
        topic: Topic,
    },
    /// The value is too large for a link, or no finite number.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// Publishes values of one topic.
///
/// It keeps the way to everybody who follows the topic, so a publish costs no lookup; when members,
/// their grants or what they follow change, it finds the new way by itself. It may be shared by
/// threads, and any runtime will do.
pub struct Publisher {
    live: Arc<Live>,
    topic: Arc<PublishedTopic>,
    route: Mutex<Arc<Route>>,
}

/// Where values of one topic go, as long as the generation stays.
pub(super) struct Route {
    pub(super) generation: u64,
    /// Why nothing may be published there.
    pub(super) refusal: Option<Refusal>,
    pub(super) links: Vec<Arc<LinkQueue>>,
    pub(super) local: Local,
}

impl Publisher {
    pub(super) fn new(live: Arc<Live>, topic: Arc<PublishedTopic>) -> Self {
        let route = Mutex::new(Arc::new(live.route(topic.topic())));
        Self { live, topic, route }
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.topic.topic()
    }

    /// Publishes a value to all that follow the topic now, without ever waiting. How many members
    /// that are.
    ///
    /// A link or subscriber that cannot keep up loses older values for newer ones and hears how
    /// many; nobody else notices.
    ///
    /// # Errors
    /// This node may not publish there, or the sample is none that may be published.
    pub fn publish(&self, sample: &Sample) -> Result<usize, PublishError> {
        self.current().publish(&self.live, &self.topic, sample)
    }

    /// Publishes a good value without a unit, taken now.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn publish_value(&self, value: impl Into<Value>) -> Result<usize, PublishError> {
        self.publish(&self.good(value))
    }

    /// A good value without a unit, taken now.
    pub(in crate::shell) fn good(&self, value: impl Into<Value>) -> Sample {
        Sample::good(value.into(), self.live.clock.now().wall)
    }

    /// Publishes a value once every link that it goes over has room for it, so that a program that
    /// can slow down loses nothing to its own speed. A link that makes no room within a second is
    /// not waited for.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_paced(&self, sample: &Sample) -> Result<usize, PublishError> {
        let route = self.current();
        for link in &route.links {
            if link.is_full() {
                // Whether there is room or not, the value goes out now.
                drop(tokio::time::timeout(PACE_MAX, link.room()).await);
            }
        }
        route.publish(&self.live, &self.topic, sample)
    }

    /// Whether this node may publish there now.
    ///
    /// # Errors
    /// It may not.
    pub(in crate::shell) fn check(&self) -> Result<(), PublishError> {
        self.current().check(self.topic())
    }

    fn current(&self) -> Arc<Route> {
        let mut route = lock(&self.route);
        if !self.live.is_current(route.generation) {
            *route = Arc::new(self.live.route(self.topic.topic()));
        }
        Arc::clone(&route)
    }
}

impl Route {
    fn check(&self, topic: &Topic) -> Result<(), PublishError> {
        let refused = |refusal| PublishError::Refused { refusal, topic: topic.clone() };
        self.refusal.map_or(Ok(()), |refusal| Err(refused(refusal)))
    }

    /// Hands a value to everybody on the route. How many links that are.
    pub(super) fn publish(
        &self,
        live: &Live,
        topic: &Arc<PublishedTopic>,
        sample: &Sample,
    ) -> Result<usize, PublishError> {
        self.check(topic.topic())?;
        let body = EncodedBody::of(sample)?;
        topic.last().put(&body);
        if let Some((last, others)) = self.links.split_last() {
            let value = |body| Outgoing::new(Arc::clone(topic), body);
            let lost: u64 = others.iter().map(|link| link.push(value(body.clone()))).sum();
            live.counters.dropped_link.add(lost + last.push(value(body)));
        }
        live.counters.published.add_one();
        if let (Some(origin), [_, ..]) = (&self.local.origin, &self.local.subscribers[..]) {
            let (origin, at) = (Arc::clone(origin), live.clock.tick());
            let value = Arrived { origin, sample: sample.clone(), at };
            let lost = hand_over(&self.local.subscribers, std::iter::once(value));
            live.counters.dropped_subscriber.add(lost);
        }
        Ok(self.links.len())
    }
}
