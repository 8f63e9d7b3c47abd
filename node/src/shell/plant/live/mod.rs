//! The path of live values: from a publisher's hands into the links' queues, and from a link's
//! reader into the subscribers' hands.
//!
//! ```text
//!   Publisher ──► route ──► LinkQueue ──► writer ──► the link's live lane     (outgoing)
//!                   └─────► Subscriber ──► Subscription
//!   live lane ──► reader ──► route of the alias ──► Subscriber …              (incoming)
//! ```
//!
//! It never waits for the core: the core publishes a routing snapshot, and publishers and readers
//! keep the route that they took from it until a generation counter says that something changed.
//! A value is encoded once and shared by all links. Every queue has a bound; at it the newest value
//! of each topic stays, and every loss is counted and told to whoever misses it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::INTEREST_FILTERS_MAX;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Sample;
use gearmesh_protocol::topic::{Topic, TopicFilter};
use tokio::sync::Notify;

use super::super::clock::Clock;
use super::super::counters::Counters;
use crate::core::plant::LinkId;
use crate::core::plant::followers::Followers;
use crate::core::plant::view::View;
use crate::core::topic_index::TopicIndex;

mod board;
mod body;
mod incoming;
mod outgoing;
mod publisher;
mod series;
mod subscription;
mod topics;

pub(in crate::shell) use board::LastValue;
pub(super) use incoming::{IncomingError, read};
pub(super) use outgoing::{LinkQueue, write};
pub use publisher::{PublishError, Publisher};
pub(in crate::shell) use series::Parts;
pub use series::{Samples, Series};
pub(in crate::shell) use subscription::Origin;
pub use subscription::{Arrived, Delivery, SeriesDelivery, Subscription};

use board::{Board, Slot};
use body::{Body, EncodedBody};
use publisher::Route;
use subscription::Subscriber;
use topics::Topics;

/// Local subscribers at once.
const SUBSCRIBERS_MAX: usize = INTEREST_FILTERS_MAX;

/// Too many subscribers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{SUBSCRIBERS_MAX} subscribers follow topics at this node already")]
pub struct TooManySubscribers;

/// The meeting point of publishers, links and subscribers.
pub(in crate::shell) struct Live {
    clock: Clock,
    counters: Arc<Counters>,
    /// Grows whenever anything changes on which a route rests.
    generation: AtomicU64,
    snapshot: Mutex<Snapshot>,
    queues: Mutex<BTreeMap<LinkId, Arc<LinkQueue>>>,
    subscribers: Mutex<Subscribers>,
    topics: Mutex<Topics>,
    board: Mutex<Board>,
    interest: Notify,
}

/// What the core said last, and who follows what by it.
struct Snapshot {
    view: Arc<View>,
    followers: Followers,
}

#[derive(Default)]
struct Subscribers {
    next: u64,
    by_id: BTreeMap<u64, Arc<Subscriber>>,
    index: TopicIndex<u64>,
}

/// Who follows a topic of one author here, as long as the generation stays.
struct Local {
    generation: u64,
    /// None if its author may not publish there.
    origin: Option<Arc<Origin>>,
    /// Where the board keeps its last value; nowhere if nobody follows it, or the board is full.
    slot: Option<Arc<Slot>>,
    subscribers: Vec<Arc<Subscriber>>,
}

impl Live {
    pub(in crate::shell) fn new(view: Arc<View>, clock: Clock, counters: Arc<Counters>) -> Self {
        let mut followers = Followers::default();
        followers.update(&view);
        Self {
            clock,
            counters,
            generation: AtomicU64::new(0),
            snapshot: Mutex::new(Snapshot { view, followers }),
            queues: Mutex::default(),
            subscribers: Mutex::default(),
            topics: Mutex::default(),
            board: Mutex::default(),
            interest: Notify::new(),
        }
    }

    /// Takes what the core says now. It comes before the same view is published to others, so that
    /// whoever acts on the view finds the routes in step.
    pub(in crate::shell) fn take_view(&self, view: Arc<View>) {
        let mut snapshot = lock(&self.snapshot);
        let changed = snapshot.followers.update(&view);
        snapshot.view = view;
        drop(snapshot);
        if changed.routes {
            self.outdate_routes();
        }
        for (link, before) in changed.followers {
            self.tell_last(link, &before);
        }
    }

    /// Tells a member the last values of the own topics that it follows, but for those that it followed
    /// before. Where its lane is not open yet, opening it tells them.
    fn tell_last(&self, link: LinkId, before: &[TopicFilter]) {
        let Some(queue) = lock(&self.queues).get(&link).cloned() else { return };
        let lasts = lock(&self.topics).lasts();
        let snapshot = lock(&self.snapshot);
        let Some(own) = snapshot.view.own() else { return };
        let is_new = |topic: &Topic| {
            own.may_publish(topic)
                && !before.iter().any(|filter| filter.matches(topic))
                && snapshot.followers.of(topic).contains(&link)
        };
        let values: Vec<_> = lasts.into_iter().filter(|(topic, _)| is_new(topic.topic())).collect();
        drop(snapshot);
        let push =
            |(topic, body): &(_, EncodedBody)| queue.push(topic, &mut Body::encoded(body.bytes()));
        let lost: u64 = values.iter().map(push).sum();
        self.counters.dropped_link.add(lost);
    }

    /// The last known values of what a filter matches, the own ones first, and how many topics found no
    /// place on the board.
    pub(in crate::shell) fn board(&self, filter: &TopicFilter) -> (Vec<LastValue>, u64) {
        let mut values = self.own_values(filter);
        let (of_members, left_out) = lock(&self.board).matching(filter);
        values.extend(of_members);
        (values, left_out)
    }

    fn own_values(&self, filter: &TopicFilter) -> Vec<LastValue> {
        let view = Arc::clone(&lock(&self.snapshot).view);
        let Some(own) = view.own() else { return Vec::new() };
        let (at, lasts) = (self.clock.tick(), lock(&self.topics).lasts());
        let matching = lasts
            .into_iter()
            .filter(|(topic, _)| filter.matches(topic.topic()) && own.may_publish(topic.topic()));
        let value = |(topic, body): (Arc<topics::PublishedTopic>, EncodedBody)| {
            let (topic, name) = (topic.topic().clone(), own.name().clone());
            let origin = Arc::new(Origin { topic, author: view.me, name });
            Some(LastValue { origin, sample: body.sample()?, at, link: None })
        };
        let mut values: Vec<LastValue> = matching.filter_map(value).collect();
        values.sort_by(|one, other| one.origin.cmp(&other.origin));
        values
    }

    /// Whether somebody follows exactly this here.
    pub(in crate::shell) fn follows(&self, filter: &TopicFilter) -> bool {
        lock(&self.subscribers).by_id.values().any(|subscriber| subscriber.filter() == filter)
    }

    /// Routes taken before are looked up again. The change itself comes first.
    fn outdate_routes(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether a route of this generation still holds.
    fn is_current(&self, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
    }

    /// A publisher of one topic.
    pub(in crate::shell) fn publisher(self: &Arc<Self>, topic: &Topic) -> Publisher {
        let topic = lock(&self.topics).number(topic);
        Publisher::new(Arc::clone(self), topic)
    }

    /// Publishes a value, for those that do not keep a publisher. How many links it was handed to.
    pub(in crate::shell) fn publish(
        &self,
        topic: &Topic,
        sample: &Sample,
    ) -> Result<usize, PublishError> {
        let topic = lock(&self.topics).number(topic);
        self.route(topic.topic()).publish(self, &topic, sample)
    }

    /// Where values that this node publishes on a topic go.
    fn route(&self, topic: &Topic) -> Route {
        let generation = self.generation.load(Ordering::Acquire);
        let (view, links) = {
            let snapshot = lock(&self.snapshot);
            (Arc::clone(&snapshot.view), snapshot.followers.of(topic))
        };
        let refusal = match view.own() {
            None => Some(Refusal::NotAMember),
            Some(own) if !own.may_publish(topic) => Some(Refusal::TopicNotGranted),
            Some(_) => None,
        };
        let local = self.local_route(&view.me, topic);
        let queues = lock(&self.queues);
        let links = links.iter().filter_map(|link| queues.get(link).cloned()).collect();
        Route { generation, refusal, links, local }
    }

    /// Who follows a topic of an author here.
    fn local_route(&self, author: &PublicKey, topic: &Topic) -> Local {
        let generation = self.generation.load(Ordering::Acquire);
        let subscribers: Vec<_> = {
            let all = lock(&self.subscribers);
            let matching = all.index.matching(topic);
            matching.iter().filter_map(|id| all.by_id.get(id).cloned()).collect()
        };
        // Most durable values are followed by nobody at the moment.
        if subscribers.is_empty() {
            return Local { generation, origin: None, slot: None, subscribers };
        }
        let view = Arc::clone(&lock(&self.snapshot).view);
        let member = view.author(author).filter(|member| member.may_publish(topic));
        let origin = member.map(|member| {
            let (topic, name) = (topic.clone(), member.name().clone());
            Arc::new(Origin { topic, author: *author, name })
        });
        let of_member = origin.as_ref().filter(|_| *author != view.me);
        let slot = of_member.and_then(|origin| lock(&self.board).slot(origin));
        Local { generation, origin, slot, subscribers }
    }

    /// Counts and says that a member published so many values where it may not.
    fn refuse(&self, peer: &PublicKey, topic: &Topic, values: u64) {
        self.counters.dropped_grant.add(values);
        let view = Arc::clone(&lock(&self.snapshot).view);
        tracing::warn!(
            %topic,
            author = view.author(peer).map_or("no member", |member| member.name().as_str()),
            code = Refusal::TopicNotGranted.code(),
            values,
            "dropped values: their author may not publish there"
        );
    }

    /// Tells all subscribers that values were lost on the way here. Nobody knows which, so each of
    /// them may have missed some.
    fn report_lost(&self, count: u64) {
        for subscriber in lock(&self.subscribers).by_id.values() {
            subscriber.report_lost(None, count);
        }
    }

    /// Follows a filter until the subscription is dropped.
    pub(in crate::shell) fn subscribe(
        self: &Arc<Self>,
        filter: TopicFilter,
    ) -> Result<Subscription, TooManySubscribers> {
        let mut subscribers = lock(&self.subscribers);
        if subscribers.by_id.len() >= SUBSCRIBERS_MAX {
            return Err(TooManySubscribers);
        }
        let id = subscribers.next;
        subscribers.next += 1;
        subscribers.index.insert(&filter, id);
        let subscriber = Arc::new(Subscriber::following(filter));
        subscribers.by_id.insert(id, Arc::clone(&subscriber));
        drop(subscribers);
        self.outdate_routes();
        self.interest.notify_one();
        Ok(Subscription { id, subscriber, live: Arc::clone(self) })
    }

    fn end_subscription(&self, id: u64) {
        let mut subscribers = lock(&self.subscribers);
        if let Some(subscriber) = subscribers.by_id.remove(&id) {
            subscribers.index.remove(subscriber.filter(), id);
            lock(&self.board).keep(|topic| !subscribers.index.matching(topic).is_empty());
        }
        drop(subscribers);
        self.outdate_routes();
        self.interest.notify_one();
    }

    /// Waits until subscriptions changed, and says what they follow now.
    pub(in crate::shell) async fn interest_changed(&self) -> Vec<TopicFilter> {
        self.interest.notified().await;
        let subscribers = lock(&self.subscribers);
        let filters = subscribers.by_id.values().map(|subscriber| subscriber.filter().clone());
        let mut filters: Vec<TopicFilter> = filters.collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// The queue of a new link.
    pub(super) fn open_queue(&self, link: LinkId) -> Arc<LinkQueue> {
        let queue = Arc::new(LinkQueue::default());
        lock(&self.queues).insert(link, Arc::clone(&queue));
        self.outdate_routes();
        self.tell_last(link, &[]);
        queue
    }

    /// Forgets a link. What still waits for it is dropped and counted: nobody writes it any more.
    pub(super) fn close_queue(&self, link: LinkId) {
        let queue = lock(&self.queues).remove(&link);
        self.outdate_routes();
        let left = queue.map_or(0, |queue| queue.close());
        self.counters.dropped_link.add(left);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
