//! The path of live values: from a publisher's hands into the links' queues, and from a link's
//! reader into the subscribers' hands.
//!
//! It never waits for the core: it reads the newest [`View`]. A value is encoded once and shared by
//! all links. Every queue has a bound; what does not fit pushes out the oldest, is counted, and is
//! reported to whoever misses it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::INTEREST_FILTERS_MAX;
use gearmesh_protocol::plant::LiveFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::{Sample, SampleError, Value};
use gearmesh_protocol::topic::{Name, Topic, TopicFilter};
use tokio::sync::Notify;

use super::super::clock::Clock;
use super::super::core_handle::CoreHandle;
use super::super::counters::Counters;
use super::frames;
use crate::core::plant::LinkId;
use crate::core::plant::view::View;

/// Bytes that wait for one link. A link that cannot carry more loses its oldest values.
const LINK_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Values that wait for one link.
const LINK_VALUES_MAX: usize = 16_384;

/// Values that wait for one local subscriber.
const SUBSCRIBER_VALUES_MAX: usize = 4096;

/// Bytes that wait for one local subscriber: its values at 4 KiB each.
const SUBSCRIBER_BYTES_MAX: usize = SUBSCRIBER_VALUES_MAX * 4096;

/// Local subscribers at once.
const SUBSCRIBERS_MAX: usize = INTEREST_FILTERS_MAX;

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
    TooLarge(#[from] SampleError),
}

/// Too many subscribers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{SUBSCRIBERS_MAX} subscribers follow topics at this node already")]
pub(in crate::shell) struct TooManySubscribers;

/// A value as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// Where it belongs.
    pub topic: Topic,
    /// The member that published it.
    pub author: PublicKey,
    /// Its name.
    pub author_name: Name,
    /// The value.
    pub sample: Sample,
    /// When it arrived, by this node's monotonic clock.
    pub at: Duration,
}

impl Arrived {
    /// About the memory it takes.
    fn bytes(&self) -> usize {
        let value = match &self.sample.value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) => 0,
        };
        let unit = self.sample.unit.as_ref().map_or(0, |unit| unit.as_str().len());
        let texts = self.topic.as_str().len() + self.author_name.as_str().len() + unit;
        size_of::<Self>() + texts + value
    }
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// A value.
    Value(Arrived),
    /// So many values are missing: pushed out because they were not read in time, or lost on a link
    /// that could not carry them. Of the latter some may be of topics that this one does not follow.
    Lost(u64),
}

/// The meeting point of publishers, links and subscribers.
pub(in crate::shell) struct Live {
    core: CoreHandle,
    clock: Clock,
    counters: Arc<Counters>,
    queues: Mutex<BTreeMap<LinkId, Arc<Queue>>>,
    subscribers: Mutex<BTreeMap<u64, Arc<Subscriber>>>,
    next: AtomicU64,
    interest: Notify,
}

impl Live {
    pub(in crate::shell) fn new(core: CoreHandle, clock: Clock, counters: Arc<Counters>) -> Self {
        Self {
            core,
            clock,
            counters,
            queues: Mutex::default(),
            subscribers: Mutex::default(),
            next: AtomicU64::new(0),
            interest: Notify::new(),
        }
    }

    /// Publishes a value. How many links it was handed to.
    pub(in crate::shell) fn publish(
        &self,
        topic: &Topic,
        sample: &Sample,
    ) -> Result<usize, PublishError> {
        sample.check()?;
        let view = self.core.view();
        let own = view.own().filter(|member| member.may_publish(topic));
        let Some(own) = own else {
            let refusal = match view.own() {
                Some(_) => Refusal::TopicNotGranted,
                None => Refusal::NotAMember,
            };
            return Err(PublishError::Refused { refusal, topic: topic.clone() });
        };
        self.counters.published.add_one();
        let links = self.hand_to_links(&view, topic, sample);
        self.deliver(view.me, own.name(), topic, sample);
        Ok(links)
    }

    fn hand_to_links(&self, view: &View, topic: &Topic, sample: &Sample) -> usize {
        let mut followers = view.followers(topic).peekable();
        if followers.peek().is_none() {
            return 0;
        }
        let message = LiveFrame::Sample { topic: topic.clone(), sample: sample.clone() };
        let frame: Arc<[u8]> = frames::frame(&message).into();
        let queues = lock(&self.queues);
        let mut links = 0;
        for queue in followers.filter_map(|link| queues.get(&link)) {
            let lost = queue.push(Arc::clone(&frame));
            self.counters.dropped_link.add(lost);
            links += 1;
        }
        links
    }

    /// Takes a frame that came over the link to `peer`.
    ///
    /// # Errors
    /// A value that no honest member publishes: the peer breaks the protocol.
    pub(super) fn receive(&self, peer: &PublicKey, frame: LiveFrame) -> Result<(), SampleError> {
        let (topic, sample) = match frame {
            LiveFrame::Sample { topic, sample } => (topic, sample),
            LiveFrame::Lost { count } => {
                self.counters.lost_remote.add(count);
                self.report_lost(count);
                return Ok(());
            }
        };
        sample.check()?;
        let view = self.core.view();
        let Some(author) = view.author(peer).filter(|member| member.may_publish(&topic)) else {
            self.counters.dropped_grant.add_one();
            let name = view.author(peer).map(|member| member.name().as_str().to_owned());
            tracing::warn!(
                %topic,
                author = name.as_deref().unwrap_or("no member"),
                code = Refusal::TopicNotGranted.code(),
                "dropped a value: its author may not publish there"
            );
            return Ok(());
        };
        self.counters.received.add_one();
        self.deliver(*peer, author.name(), &topic, &sample);
        Ok(())
    }

    /// Tells all subscribers that values were lost on the way here. Nobody knows which, so each of
    /// them may have missed some.
    fn report_lost(&self, count: u64) {
        for subscriber in lock(&self.subscribers).values() {
            subscriber.report_lost(count);
        }
    }

    /// Hands a value to whoever follows it here; they share one copy.
    fn deliver(&self, author: PublicKey, author_name: &Name, topic: &Topic, sample: &Sample) {
        let subscribers = lock(&self.subscribers);
        let mut following =
            subscribers.values().filter(|subscriber| subscriber.filter.matches(topic)).peekable();
        if following.peek().is_none() {
            return;
        }
        let value = Arc::new(Arrived {
            topic: topic.clone(),
            author,
            author_name: author_name.clone(),
            sample: sample.clone(),
            at: self.clock.now().tick,
        });
        for subscriber in following {
            let lost = subscriber.push(Arc::clone(&value));
            self.counters.dropped_subscriber.add(lost);
        }
    }

    /// Follows a filter until the subscription is dropped.
    pub(in crate::shell) fn subscribe(
        self: &Arc<Self>,
        filter: TopicFilter,
    ) -> Result<Subscription, TooManySubscribers> {
        let mut subscribers = lock(&self.subscribers);
        if subscribers.len() >= SUBSCRIBERS_MAX {
            return Err(TooManySubscribers);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let subscriber = Arc::new(Subscriber::following(filter));
        subscribers.insert(id, Arc::clone(&subscriber));
        drop(subscribers);
        self.interest.notify_one();
        Ok(Subscription { id, subscriber, live: Arc::clone(self) })
    }

    /// Waits until subscriptions changed, and says what they follow now.
    pub(in crate::shell) async fn interest_changed(&self) -> Vec<TopicFilter> {
        self.interest.notified().await;
        let subscribers = lock(&self.subscribers);
        let mut filters: Vec<TopicFilter> =
            subscribers.values().map(|subscriber| subscriber.filter.clone()).collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// The queue of a new link.
    pub(super) fn open_queue(&self, link: LinkId) -> Arc<Queue> {
        let queue = Arc::new(Queue::default());
        lock(&self.queues).insert(link, Arc::clone(&queue));
        queue
    }

    /// Forgets a link. What still waits for it is dropped and counted: nobody writes it any more.
    pub(super) fn close_queue(&self, link: LinkId) {
        let queue = lock(&self.queues).remove(&link);
        // Frames enter a queue only while it is in the map, so none comes after these.
        let left = queue.map_or(0, |queue| queue.clear());
        self.counters.dropped_link.add(left);
    }
}

/// Frames on their way into one link.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
    lost: u64,
}

impl Queue {
    /// Adds a frame. How many were pushed out for it.
    fn push(&self, frame: Arc<[u8]>) -> u64 {
        let mut waiting = lock(&self.waiting);
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        let mut lost = 0;
        while waiting.frames.len() > LINK_VALUES_MAX || waiting.bytes > LINK_BYTES_MAX {
            let Some(oldest) = waiting.frames.pop_front() else { break };
            waiting.bytes -= oldest.len();
            lost += 1;
        }
        waiting.lost += lost;
        drop(waiting);
        self.wake.notify_one();
        lost
    }

    /// Drops what waits. How many frames that were.
    fn clear(&self) -> u64 {
        let left = std::mem::take(&mut *lock(&self.waiting));
        // What was pushed out before stands in `left.lost` and was counted then.
        left.frames.len() as u64
    }

    /// Waits until there is something to write, and appends up to about `max` bytes of it.
    pub(super) async fn fill(&self, buffer: &mut Vec<u8>, max: usize) {
        loop {
            self.take(buffer, max);
            if !buffer.is_empty() {
                return;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self, buffer: &mut Vec<u8>, max: usize) {
        let mut waiting = lock(&self.waiting);
        let lost = std::mem::take(&mut waiting.lost);
        if lost > 0 {
            buffer.extend_from_slice(&frames::frame(&LiveFrame::Lost { count: lost }));
        }
        while buffer.len() < max {
            let Some(frame) = waiting.frames.pop_front() else { break };
            waiting.bytes -= frame.len();
            buffer.extend_from_slice(&frame);
        }
    }
}

/// One local subscriber.
struct Subscriber {
    filter: TopicFilter,
    waiting: Mutex<Unread>,
    wake: Notify,
}

#[derive(Default)]
struct Unread {
    values: VecDeque<Arc<Arrived>>,
    bytes: usize,
    lost: u64,
}

impl Subscriber {
    fn following(filter: TopicFilter) -> Self {
        Self { filter, waiting: Mutex::default(), wake: Notify::new() }
    }

    /// Adds a value. How many were pushed out for it.
    fn push(&self, value: Arc<Arrived>) -> u64 {
        let mut unread = lock(&self.waiting);
        unread.bytes += value.bytes();
        unread.values.push_back(value);
        let mut lost = 0;
        while unread.values.len() > SUBSCRIBER_VALUES_MAX || unread.bytes > SUBSCRIBER_BYTES_MAX {
            let Some(oldest) = unread.values.pop_front() else { break };
            unread.bytes -= oldest.bytes();
            lost += 1;
        }
        unread.lost = unread.lost.saturating_add(lost);
        drop(unread);
        self.wake.notify_one();
        lost
    }

    /// Adds values that never got here. A link's word is not bounded, so the sum stops at the end.
    fn report_lost(&self, count: u64) {
        let mut unread = lock(&self.waiting);
        unread.lost = unread.lost.saturating_add(count);
        drop(unread);
        self.wake.notify_one();
    }

    fn take(&self) -> Option<Delivery> {
        let mut unread = lock(&self.waiting);
        let lost = std::mem::take(&mut unread.lost);
        if lost > 0 {
            return Some(Delivery::Lost(lost));
        }
        let value = unread.values.pop_front()?;
        unread.bytes -= value.bytes();
        drop(unread);
        // The last subscriber that reads it takes it; the others take a copy, outside the lock.
        Some(Delivery::Value(Arc::unwrap_or_clone(value)))
    }
}

/// A running subscription. Dropping it ends it.
pub struct Subscription {
    id: u64,
    subscriber: Arc<Subscriber>,
    live: Arc<Live>,
}

impl Subscription {
    /// The next value, or how many were lost before it. Values of one author come in the order in
    /// which it published them.
    pub async fn next(&self) -> Delivery {
        loop {
            if let Some(delivery) = self.subscriber.take() {
                return delivery;
            }
            self.subscriber.wake.notified().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.live.subscribers).remove(&self.id);
        self.live.interest.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::Incarnation;
    use gearmesh_protocol::limits::SAMPLE_BYTES_MAX;
    use gearmesh_protocol::time::UnixMillis;
    use tokio::sync::{mpsc, watch};

    use super::*;

    /// The meeting point of a node that has joined no plant.
    fn live() -> (Arc<Live>, PublicKey) {
        let me = PublicKey::of(&SigningKey::from_bytes(&[5; 32]));
        let view = View {
            me,
            incarnation: Incarnation([0; 16]),
            ledger: None,
            roster: None,
            links: BTreeMap::new(),
            away: BTreeMap::new(),
            addresses: BTreeMap::new(),
            listening: Vec::new(),
            refused_by: None,
            clones: BTreeMap::new(),
            strange_lives: BTreeMap::new(),
            unnamed_strange: 0,
            journal_trouble: None,
        };
        let (_, views) = watch::channel(Arc::new(view));
        let core = CoreHandle::new(mpsc::channel(1).0, views, Arc::default());
        (Arc::new(Live::new(core, Clock::start(), Arc::default())), me)
    }

    #[test]
    fn a_member_that_sends_what_nobody_may_publish_breaks_the_protocol() {
        let (live, peer) = live();
        let receive = |value| {
            let sample = Sample::good(value, UnixMillis(0));
            live.receive(&peer, LiveFrame::Sample { topic: topic(), sample })
        };
        assert_eq!(receive(Value::Float(f64::NAN)), Err(SampleError::NotFinite));
        let oversized = Value::Text("x".repeat(SAMPLE_BYTES_MAX + 1));
        assert!(matches!(receive(oversized), Err(SampleError::TooLarge { .. })));
        assert_eq!(live.counters.dropped_grant.get(), 0, "the value is looked at first");
        assert_eq!(receive(Value::Float(1.5)), Ok(()));
        assert_eq!(live.counters.dropped_grant.get(), 1, "a stranger may publish nothing");
    }

    fn topic() -> Topic {
        "hall/press-1/temperature".parse().expect("a topic")
    }

    #[tokio::test]
    async fn a_full_queue_pushes_out_the_oldest_and_says_how_many() {
        let queue = Queue::default();
        let lost: u64 = (0..LINK_VALUES_MAX + 3).map(|n| queue.push(vec![n as u8].into())).sum();
        assert_eq!(lost, 3);
        let mut buffer = Vec::new();
        queue.fill(&mut buffer, usize::MAX).await;
        let report = frames::frame(&LiveFrame::Lost { count: 3 });
        assert_eq!(buffer[..report.len()], report[..]);
        assert_eq!(buffer[report.len()], 3, "the first three are gone");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = Queue::default();
        let lost: u64 = (0..9).map(|_| queue.push(vec![0; LINK_BYTES_MAX / 4].into())).sum();
        assert_eq!(lost, 5);
    }

    /// Delivers values to whoever follows them, as if this node published them.
    fn deliver(live: &Live, author: PublicKey, values: impl IntoIterator<Item = Value>) {
        let name: Name = "press-1".parse().expect("a name");
        for value in values {
            live.deliver(author, &name, &topic(), &Sample::good(value, UnixMillis(0)));
        }
    }

    fn value(delivery: Option<Delivery>) -> Option<Value> {
        match delivery? {
            Delivery::Value(arrived) => Some(arrived.sample.value),
            Delivery::Lost(_) => None,
        }
    }

    #[test]
    fn a_subscriber_that_does_not_read_holds_so_many_bytes_at_most() {
        let (live, me) = live();
        let slow = live.subscribe(TopicFilter::all()).expect("a subscription");
        let fill = SUBSCRIBER_BYTES_MAX / SAMPLE_BYTES_MAX + 2;
        let large = |n: usize| Value::Bytes(vec![n as u8; SAMPLE_BYTES_MAX]);
        deliver(&live, me, (0..fill).map(large));
        let kept = SUBSCRIBER_BYTES_MAX / SAMPLE_BYTES_MAX - 1;
        let lost = (fill - kept) as u64;
        assert_eq!(slow.subscriber.take(), Some(Delivery::Lost(lost)));
        assert_eq!(live.counters.dropped_subscriber.get(), lost);
        for n in fill - kept..fill {
            assert_eq!(value(slow.subscriber.take()), Some(large(n)), "the newest stay, in order");
        }
        assert_eq!(slow.subscriber.take(), None);
        assert_eq!(lock(&slow.subscriber.waiting).bytes, 0, "what was read is no longer counted");
    }

    #[test]
    fn a_subscriber_that_does_not_read_holds_so_many_values_at_most() {
        let (live, me) = live();
        let slow = live.subscribe(TopicFilter::all()).expect("a subscription");
        deliver(&live, me, (0..SUBSCRIBER_VALUES_MAX as i64 + 3).map(Value::Integer));
        assert_eq!(slow.subscriber.take(), Some(Delivery::Lost(3)));
        assert_eq!(value(slow.subscriber.take()), Some(Value::Integer(3)));
    }

    #[test]
    fn what_waits_for_a_link_that_closes_is_counted() {
        let (live, _) = live();
        let (link, other) = (LinkId(1), LinkId(2));
        let queue = live.open_queue(link);
        let kept = live.open_queue(other);
        for _ in 0..3 {
            assert_eq!(queue.push(vec![0; 4].into()) + kept.push(vec![0; 4].into()), 0);
        }
        let mut written = Vec::new();
        queue.take(&mut written, 1);
        live.close_queue(link);
        assert_eq!(live.counters.dropped_link.get(), 2, "one of three was written");
        live.close_queue(link);
        assert_eq!(live.counters.dropped_link.get(), 2, "a link closes once");
        assert_eq!(lock(&kept.waiting).frames.len(), 3);
    }

    #[tokio::test]
    async fn what_a_link_lost_is_told_to_every_subscriber() {
        let (live, peer) = live();
        let one = live.subscribe(TopicFilter::all()).expect("a subscription");
        let other = live.subscribe("hall/#".parse().expect("a filter")).expect("a subscription");
        assert_eq!(live.receive(&peer, LiveFrame::Lost { count: 5 }), Ok(()));
        assert_eq!(one.next().await, Delivery::Lost(5));
        assert_eq!(live.receive(&peer, LiveFrame::Lost { count: 2 }), Ok(()));
        assert_eq!(one.next().await, Delivery::Lost(2));
        assert_eq!(other.next().await, Delivery::Lost(7));
        assert_eq!(live.counters.lost_remote.get(), 7);
        assert_eq!(live.counters.dropped_subscriber.get(), 0, "nothing was lost here");
    }

    #[test]
    fn no_claim_of_losses_overflows() {
        let (live, peer) = live();
        let slow = live.subscribe(TopicFilter::all()).expect("a subscription");
        for _ in 0..2 {
            assert_eq!(live.receive(&peer, LiveFrame::Lost { count: u64::MAX }), Ok(()));
        }
        let more = (0..SUBSCRIBER_VALUES_MAX as i64 + 1).map(Value::Integer);
        deliver(&live, peer, more);
        assert_eq!(slow.subscriber.take(), Some(Delivery::Lost(u64::MAX)));
    }

    #[test]
    fn subscribers_share_a_value_and_each_reads_it() {
        let (live, me) = live();
        let one = live.subscribe(TopicFilter::all()).expect("a subscription");
        let other = live.subscribe(TopicFilter::all()).expect("a subscription");
        deliver(&live, me, [Value::Integer(7)]);
        let front = |of: &Subscription| lock(&of.subscriber.waiting).values.front().cloned();
        let (first, second) = (front(&one).expect("a value"), front(&other).expect("a value"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(value(one.subscriber.take()), Some(Value::Integer(7)));
        assert_eq!(value(other.subscriber.take()), Some(Value::Integer(7)));
    }
}
