//! A handle that publishes one topic, and the route it keeps.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, SampleError, SampleRef, Value};
use gearmesh_protocol::topic::Topic;

use super::body::{Body, with_body};
use super::outgoing::LinkQueue;
use super::series::Series;
use super::subscription::hand_over;
use super::topics::{PublishedTopic, State};
use super::{Live, Local};

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
}

/// Where values of one topic go, as long as the generation stays.
pub(super) struct Route {
    pub(super) generation: u64,
    /// Why nothing may be published there.
    pub(super) refusal: Option<Refusal>,
    pub(super) links: Vec<Arc<LinkQueue>>,
    pub(super) local: Local,
}

/// What became of a value.
enum Handed {
    /// So many links have it.
    Out(usize),
    /// A link on this route has no room for it.
    NoRoom(Arc<Route>),
}

impl Publisher {
    pub(super) fn new(live: Arc<Live>, topic: Arc<PublishedTopic>) -> Self {
        Self { live, topic }
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
        self.hand_out(sample, false).map(|handed| match handed {
            Handed::Out(links) => links,
            Handed::NoRoom(_) => 0,
        })
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
        match self.hand_out(sample, true)? {
            Handed::Out(links) => Ok(links),
            Handed::NoRoom(route) => {
                route.room().await;
                // Whether there is room or not, the value goes out now.
                self.publish(sample)
            }
        }
    }

    /// Publishes a value whose body was encoded elsewhere, and read back; or, if it is to be paced and
    /// there is no room, waits as [`Publisher::publish_paced`] does.
    pub(in crate::shell) async fn publish_encoded(
        &self,
        body: &[u8],
        sample: SampleRef<'_>,
        is_paced: bool,
    ) -> Result<usize, PublishError> {
        match self.hand_out_body(&mut Body::encoded(body), sample, is_paced)? {
            Handed::Out(links) => return Ok(links),
            Handed::NoRoom(route) => route.room().await,
        }
        match self.hand_out_body(&mut Body::encoded(body), sample, false)? {
            Handed::Out(links) => Ok(links),
            Handed::NoRoom(_) => Ok(0),
        }
    }

    /// Whether this node may publish there now.
    ///
    /// # Errors
    /// It may not.
    pub(in crate::shell) fn check(&self) -> Result<(), PublishError> {
        Arc::clone(self.current(&mut self.topic.state())).check(self.topic())
    }

    fn current<'a>(&self, state: &'a mut State) -> &'a Arc<Route> {
        if state.route.as_ref().is_some_and(|route| !self.live.is_current(route.generation)) {
            state.route = None;
        }
        state.route.get_or_insert_with(|| Arc::new(self.live.route(self.topic.topic())))
    }

    fn hand_out(&self, sample: &Sample, is_paced: bool) -> Result<Handed, PublishError> {
        let handed = with_body(sample, |body| self.hand_out_body(body, sample.into(), is_paced));
        // That this node may publish nothing there is said first.
        handed.unwrap_or_else(|error| self.check().and(Err(error.into())))
    }

    fn hand_out_body(
        &self,
        body: &mut Body<'_>,
        sample: SampleRef<'_>,
        is_paced: bool,
    ) -> Result<Handed, PublishError> {
        let mut state = self.topic.state();
        let route = Arc::clone(self.current(&mut state));
        route.check(self.topic())?;
        if is_paced && route.links.iter().any(|link| link.is_full()) {
            return Ok(Handed::NoRoom(route));
        }
        state.last.put(body);
        drop(state);
        Ok(Handed::Out(route.hand_out(&self.live, &self.topic, body, sample)))
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.topic.state().route = None;
    }
}

impl Route {
    fn check(&self, topic: &Topic) -> Result<(), PublishError> {
        let refused = |refusal| PublishError::Refused { refusal, topic: topic.clone() };
        self.refusal.map_or(Ok(()), |refusal| Err(refused(refusal)))
    }

    /// Waits until every link has room, for some time.
    async fn room(&self) {
        for link in &self.links {
            if link.is_full() {
                drop(tokio::time::timeout(PACE_MAX, link.room()).await);
            }
        }
    }

    /// Publishes a value on a route that nobody keeps. How many links that are.
    pub(super) fn publish(
        &self,
        live: &Live,
        topic: &Arc<PublishedTopic>,
        sample: &Sample,
    ) -> Result<usize, PublishError> {
        self.check(topic.topic())?;
        Ok(with_body(sample, |body| {
            topic.state().last.put(body);
            self.hand_out(live, topic, body, sample.into())
        })?)
    }

    /// Hands a value to everybody on the route. How many links that are.
    fn hand_out(
        &self,
        live: &Live,
        topic: &Arc<PublishedTopic>,
        body: &mut Body<'_>,
        sample: SampleRef<'_>,
    ) -> usize {
        let lost: u64 = self.links.iter().map(|link| link.push(topic, body)).sum();
        if lost > 0 {
            live.counters.dropped_link.add(lost);
        }
        live.counters.published.add_one();
        if let (Some(origin), [_, ..]) = (&self.local.origin, &self.local.subscribers[..]) {
            let series = Series::one(Arc::clone(origin), sample.to_sample(), live.clock.tick());
            let lost = hand_over(&self.local.subscribers, series);
            live.counters.dropped_subscriber.add(lost);
        }
        self.links.len()
    }
}
