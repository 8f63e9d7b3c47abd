//! Publishers, subscribers and links meet.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::framing::{ReadBuffer, framed};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::SAMPLE_BYTES_MAX;
use gearmesh_protocol::live::{self, Alias, encode_body};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Topic};

use super::incoming::Incoming;
use super::subscription::{Origin, SUBSCRIBER_BOUNDS, hand_over};
use super::*;

pub(super) fn key(seed: u8) -> PublicKey {
    PublicKey::of(&SigningKey::from_bytes(&[seed; 32]))
}

/// The meeting point of a node that has joined no plant.
pub(super) fn live() -> Arc<Live> {
    let view = View::without_plant(key(5));
    Arc::new(Live::new(Arc::new(view), Clock::start(), Arc::default()))
}

pub(super) fn topic() -> Topic {
    "hall/press-1/temperature".parse().expect("a topic")
}

pub(super) fn origin() -> Arc<Origin> {
    let name: Name = "press-1".parse().expect("a name");
    Arc::new(Origin { topic: topic(), author: key(5), name })
}

/// Frames as they come over a link.
pub(super) fn come(incoming: &mut Incoming, frames: &[&[u8]]) -> Result<(), IncomingError> {
    let (mut written, mut buffer) = (Vec::new(), ReadBuffer::default());
    for frame in frames {
        framed(&mut written, |out| out.extend_from_slice(frame));
    }
    buffer.extend(&written);
    incoming.take_all(&mut buffer)
}

/// Delivers values to whoever follows them, as if a member published them.
fn deliver(live: &Live, values: impl IntoIterator<Item = Value>) {
    let subscribers = live.local_route(&key(5), &topic()).subscribers;
    for value in values {
        let sample = Sample::good(value, UnixMillis(0));
        let series = Series::one(origin(), sample, Default::default());
        live.counters.dropped_subscriber.add(hand_over(&subscribers, series));
    }
}

fn value(delivery: Option<Delivery>) -> Option<Value> {
    match delivery? {
        Delivery::Value(arrived) => Some(arrived.sample.value),
        Delivery::Lost { .. } => None,
    }
}

fn all() -> TopicFilter {
    TopicFilter::all()
}

fn lost(count: u64) -> Option<Delivery> {
    Some(Delivery::Lost { topic: Some(topic()), count })
}

#[test]
fn a_member_that_sends_what_nobody_may_publish_breaks_the_protocol() {
    let live = live();
    let mut incoming = Incoming::new(Arc::clone(&live), (LinkId(1), key(6)));
    let (alias, mut frame) = (Alias::in_turn(0), Vec::new());
    let body = encode_body(&Sample::good(Value::Float(1.5), UnixMillis(0))).expect("a body");
    live::put_value(&mut frame, alias, &body);
    assert!(matches!(come(&mut incoming, &[&frame]), Err(IncomingError::NoTopic(0))));

    let mut introduced = Vec::new();
    live::put_topic(&mut introduced, alias, &topic());
    come(&mut incoming, &[&introduced]).expect("a topic");
    come(&mut incoming, &[&frame]).expect("a value");
    assert_eq!(live.counters.dropped_grant.get(), 1, "a stranger may publish nothing");

    let at = frame.len() - 8;
    frame[at..].copy_from_slice(&f64::NAN.to_le_bytes());
    let error = come(&mut incoming, &[&frame]).expect_err("no finite number");
    assert!(error.is_malformed());
    assert_eq!(live.counters.dropped_grant.get(), 1, "the value is looked at first");
}

#[test]
fn one_who_may_not_publish_is_told_why() {
    let live = live();
    let publisher = live.publisher(&topic());
    let refused = publisher.publish_value(1.5).expect_err("no member");
    assert_eq!(
        refused,
        PublishError::Refused { refusal: Refusal::NotAMember, topic: topic() },
        "a node without a plant publishes nothing"
    );
    assert_eq!(live.counters.published.get(), 0);
}

#[test]
fn a_subscriber_that_does_not_read_keeps_the_newest_and_hears_of_the_rest() {
    let live = live();
    let slow = live.subscribe(all()).expect("a subscription");
    let more = SUBSCRIBER_BOUNDS.values as i64 + 3;
    deliver(&live, (0..more).map(Value::Integer));
    assert_eq!(slow.try_next(), lost(3));
    assert_eq!(live.counters.dropped_subscriber.get(), 3);
    assert_eq!(value(slow.try_next()), Some(Value::Integer(3)));
}

#[test]
fn the_bytes_of_a_subscriber_are_bounded_too() {
    let live = live();
    let slow = live.subscribe(all()).expect("a subscription");
    let fill = SUBSCRIBER_BOUNDS.bytes / SAMPLE_BYTES_MAX + 2;
    deliver(&live, (0..fill).map(|n| Value::Bytes(vec![n as u8; SAMPLE_BYTES_MAX])));
    let kept = SUBSCRIBER_BOUNDS.bytes / SAMPLE_BYTES_MAX - 1;
    assert_eq!(slow.try_next(), lost((fill - kept) as u64));
    let left = std::iter::from_fn(|| slow.try_next()).count();
    assert_eq!(left, kept);
}

#[tokio::test]
async fn a_slow_subscriber_costs_a_fast_one_nothing() {
    let live = live();
    let slow = live.subscribe(all()).expect("a subscription");
    let fast = live.subscribe("hall/#".parse().expect("a filter")).expect("a subscription");
    let mut read = Vec::new();
    for round in 0..4 {
        let from = round * SUBSCRIBER_BOUNDS.values as i64;
        deliver(&live, (from..from + SUBSCRIBER_BOUNDS.values as i64).map(Value::Integer));
        while read.len() < (round as usize + 1) * SUBSCRIBER_BOUNDS.values {
            fast.next_many(&mut read, 1000).await;
        }
    }
    let numbers = read.into_iter().map(|delivery| value(Some(delivery)));
    let expected = 0..4 * SUBSCRIBER_BOUNDS.values as i64;
    assert!(numbers.eq(expected.map(|number| Some(Value::Integer(number)))));
    assert_eq!(slow.try_next(), lost(3 * SUBSCRIBER_BOUNDS.values as u64));
}

#[test]
fn subscribers_share_a_value_and_each_reads_it() {
    let live = live();
    let one = live.subscribe(all()).expect("a subscription");
    let other = live.subscribe(all()).expect("a subscription");
    deliver(&live, [Value::Integer(7)]);
    assert_eq!(value(one.try_next()), Some(Value::Integer(7)));
    assert_eq!(value(other.try_next()), Some(Value::Integer(7)));
    assert_eq!(other.try_next(), None);
}

#[test]
fn what_a_link_lost_is_told_to_whom_it_may_concern() {
    let live = live();
    let one = live.subscribe(all()).expect("a subscription");
    live.report_lost(5);
    live.report_lost(u64::MAX);
    let unknown = Delivery::Lost { topic: None, count: u64::MAX };
    assert_eq!(one.try_next(), Some(unknown), "no claim of losses overflows");
    assert_eq!(one.try_next(), None);
}

#[test]
fn subscriptions_are_bounded_and_one_that_ends_makes_room() {
    let live = live();
    let mut held: Vec<_> =
        (0..SUBSCRIBERS_MAX).map(|_| live.subscribe(all()).expect("a subscription")).collect();
    assert_eq!(live.subscribe(all()).err(), Some(TooManySubscribers));
    held.pop();
    assert!(live.subscribe(all()).is_ok());
    drop(held);
    assert!(lock(&live.subscribers).index.is_empty(), "nothing is left behind");
}

#[test]
fn what_waits_for_a_link_that_closes_is_counted() {
    let live = live();
    let link = LinkId(1);
    let queue = live.open_queue(link);
    let topic = lock(&live.topics).number(&topic());
    for _ in 0..3 {
        queue.push(&topic, &mut Body::encoded(&[0; 4]));
    }
    live.close_queue(link);
    live.close_queue(link);
    assert_eq!(live.counters.dropped_link.get(), 3, "a link closes once");
}
