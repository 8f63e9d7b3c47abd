//! Runs in the hands of subscribers.

use gearmesh_protocol::framing::framed;
use gearmesh_protocol::live::{Alias, encode_body, put_value};
use gearmesh_protocol::time::UnixMillis;

use super::super::subscription::{Delivery, SUBSCRIBER_BOUNDS, SeriesDelivery, hand_over};
use super::super::tests::{key, live, origin, topic};
use super::super::{Live, Subscription};
use super::*;

fn unit() -> Option<Unit> {
    Some("Cel".parse().expect("a unit"))
}

fn samples(values: impl IntoIterator<Item = impl Into<Value>>) -> Vec<Sample> {
    let sample = |value: Value| Sample { unit: unit(), ..Sample::good(value, UnixMillis(7)) };
    values.into_iter().map(|value| sample(value.into())).collect()
}

/// Samples as they come over a link.
fn series(samples: &[Sample]) -> Series {
    let mut frames = Vec::new();
    for sample in samples {
        let body = encode_body(sample).expect("a body");
        framed(&mut frames, |out| put_value(out, Alias::in_turn(3), &body));
    }
    Series::of_frames(origin(), (&frames, samples.len()), unit(), Duration::default())
}

/// Hands series to whoever follows them. How many values were given up.
fn deliver(live: &Live, pieces: impl IntoIterator<Item = Series>) -> u64 {
    let subscribers = live.local_route(&key(5), &topic()).subscribers;
    pieces.into_iter().map(|series| hand_over(&subscribers, series)).sum()
}

fn one_by_one(subscription: &Subscription) -> Vec<Sample> {
    let next = || match subscription.try_next()? {
        Delivery::Value(arrived) => Some(arrived.sample),
        Delivery::Lost { .. } => panic!("nothing is lost"),
    };
    std::iter::from_fn(next).collect()
}

#[tokio::test]
async fn every_subscriber_reads_a_series_as_it_likes() {
    let live = live();
    let follow = || live.subscribe("hall/#".parse().expect("a filter")).expect("a subscription");
    let (one, other) = (follow(), follow());
    let values: [Value; 5] = [1.into(), 2.5.into(), true.into(), "three".into(), vec![4; 9].into()];
    let sent = samples(values);
    assert_eq!(
        deliver(
            &live,
            [series(&sent[..4]), Series::one(origin(), sent[4].clone(), Duration::ZERO)]
        ),
        0
    );
    assert_eq!(one_by_one(&one), sent);

    let mut pieces = Vec::new();
    assert_eq!(other.next_series(&mut pieces, 8).await, 2);
    let mut read = Vec::new();
    for delivery in pieces {
        let SeriesDelivery::Series(series) = delivery else { panic!("nothing is lost") };
        assert_eq!((series.topic(), series.author()), (&topic(), &key(5)));
        assert_eq!(series.iter().count(), series.len());
        read.extend(series.iter().map(|sample| sample.to_sample()));
    }
    assert_eq!(read, sent);
}

#[test]
fn a_series_that_was_begun_goes_on_where_it_was_left() {
    let live = live();
    let subscription = live.subscribe("hall/#".parse().expect("a filter")).expect("a subscription");
    let sent = samples(0..10);
    deliver(&live, [series(&sent)]);
    let first = subscription.try_next();
    assert!(matches!(first, Some(Delivery::Value(value)) if value.sample == sent[0]));
    assert_eq!(one_by_one(&subscription), sent[1..]);
}

#[test]
fn what_is_given_up_of_series_is_counted_by_value() {
    let live = live();
    let slow = live.subscribe("hall/#".parse().expect("a filter")).expect("a subscription");
    let (pieces, each) = (SUBSCRIBER_BOUNDS.values as i64 / 100 + 3, 100);
    let sent = samples(0..pieces * each);
    let given_up = sent.len() - SUBSCRIBER_BOUNDS.values;
    assert_ne!(given_up % 100, 0, "it ends within a series");
    assert_eq!(deliver(&live, sent.chunks(100).map(series)), given_up as u64);
    let lost = Delivery::Lost { topic: Some(topic()), count: given_up as u64 };
    assert_eq!(slow.try_next(), Some(lost));
    assert_eq!(one_by_one(&slow), sent[given_up..]);
}

#[test]
fn the_last_value_that_stays_of_a_series_keeps_nothing_of_it() {
    let mut waiting = Waiting(series(&samples(0..1000)));
    for _ in 1..1000 {
        waiting.give_up_first();
    }
    let alone = waiting.alone();
    assert!(matches!(&alone.0.values, Values::One(sample) if *sample == samples([999])[0]));
    assert_eq!(alone.bytes(), size_of::<Waiting>());
}
