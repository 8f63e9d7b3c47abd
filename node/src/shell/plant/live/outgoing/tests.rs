//! What goes over a live lane.

use futures::FutureExt;
use futures::io::Cursor;
use gearmesh_protocol::live::LiveFrame;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Topic;

use super::super::body::with_body;
use super::super::topics::Topics;
use super::*;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn push(queue: &LinkQueue, topic: &Arc<PublishedTopic>, value: impl Into<Value>) -> u64 {
    let sample = Sample::good(value.into(), UnixMillis(0));
    with_body(&sample, |body| queue.push(topic, body)).expect("a body")
}

/// The frames that the writer makes of what waits now.
fn written(queue: &LinkQueue) -> Vec<Vec<u8>> {
    let mut lane = Cursor::new(Vec::new());
    assert!(write(queue, &mut lane).now_or_never().is_none(), "the writer waits for more");
    let bytes = lane.into_inner();
    let (mut rest, mut frames) = (&bytes[..], Vec::new());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        LiveFrame::decode(frame).expect("a frame");
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

fn kinds(frames: &[Vec<u8>]) -> String {
    let kind = |frame: &Vec<u8>| match LiveFrame::decode(frame).expect("a frame") {
        LiveFrame::Topic { .. } => 't',
        LiveFrame::Value { .. } => 'v',
        LiveFrame::Lost { .. } => 'l',
        LiveFrame::LostElsewhere { .. } => 'e',
    };
    frames.iter().map(kind).collect()
}

#[test]
fn a_topic_costs_its_bytes_once() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let (a, b) = (topics.number(&topic("press-1/a")), topics.number(&topic("press-1/b")));
    for number in 0..3 {
        push(&queue, &a, number);
        push(&queue, &b, number);
    }
    assert_eq!(kinds(&written(&queue)), "tvtvvvvv");
}

#[test]
fn more_topics_than_aliases_take_them_in_turn() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let many: Vec<_> =
        (0..=LIVE_ALIASES_MAX).map(|n| topics.number(&topic(&format!("press-1/t{n}")))).collect();
    for numbered in &many {
        push(&queue, numbered, 1);
    }
    push(&queue, &many[1], 2);
    push(&queue, &many[0], 2);
    let frames = written(&queue);
    let LiveFrame::Topic { topic, .. } = LiveFrame::decode(&frames[frames.len() - 2]).expect("it")
    else {
        panic!("the first topic lost its alias to the last and is introduced again")
    };
    assert_eq!(topic, "press-1/t0");
    assert_eq!(kinds(&frames[frames.len() - 3..]), "vtv", "the second one still has its own");
}

#[test]
fn losses_are_told_before_what_comes_after_them() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let busy = topics.number(&topic("press-1/busy"));
    let rare = topics.number(&topic("press-1/rare"));
    push(&queue, &rare, 7);
    let lost: u64 = (0..LINK_BOUNDS.values as i32 + 2).map(|n| push(&queue, &busy, n)).sum();
    assert_eq!(lost, 3);
    let frames = written(&queue);
    assert_eq!(kinds(&frames[..5]), "tltvv");
    let LiveFrame::Lost { alias, count } = LiveFrame::decode(&frames[1]).expect("a report") else {
        panic!("no report")
    };
    assert_eq!((alias, count), (busy.alias(), 3));
    assert_eq!(frames.len(), 3 + LINK_BOUNDS.values, "all that stayed is written");
}

#[test]
fn large_values_are_written_whole() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let numbered = topics.number(&topic("press-1/picture"));
    let picture: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    push(&queue, &numbered, picture.clone());
    push(&queue, &numbered, 1);
    let frames = written(&queue);
    assert_eq!(kinds(&frames), "tvv");
    assert!(frames[1].ends_with(&picture));
}

#[test]
fn values_keep_their_order_in_series_and_out_of_them() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let (a, b) = (topics.number(&topic("press-1/a")), topics.number(&topic("press-1/b")));
    let sizes = [1, 80, 3000, SERIES_VALUE_BYTES_MAX, 200, COPY_BYTES_MAX + 1, 7, 7];
    let mut pushed = Vec::new();
    for round in 0..40_u8 {
        for (at, size) in sizes.into_iter().enumerate() {
            let topic = if (usize::from(round) + at) % 5 == 0 { &b } else { &a };
            assert_eq!(push(&queue, topic, vec![round; size]), 0);
            pushed.push((topic.alias(), Value::from(vec![round; size])));
        }
    }
    let frames = written(&queue);
    let values = frames.iter().filter_map(|frame| match LiveFrame::decode(frame) {
        Ok(LiveFrame::Value { alias, body }) => Some((alias, body.view(None).value.to_value())),
        _ => None,
    });
    assert_eq!(values.collect::<Vec<_>>(), pushed);
    assert_eq!(frames.len(), pushed.len() + 2, "two topics are introduced");
}

#[test]
fn memory_of_series_is_kept_under_load_and_given_back_after_it() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let numbered = topics.number(&topic("press-1/a"));
    let (mut taken, mut done) = (Vec::new(), Vec::new());
    for _ in 0..2 * TAKE_VALUES {
        push(&queue, &numbered, vec![7; 60]);
    }
    queue.take(&mut taken, &mut done);
    done.extend((0..2 * SPARE_MAX).map(|_| Vec::with_capacity(SERIES_BYTES_MAX)));
    queue.take(&mut taken, &mut done);
    assert_eq!(lock(&queue.waiting).spare.len(), SPARE_MAX);
    assert_eq!(taken.iter().map(LiveSeries::values).sum::<usize>(), 2 * TAKE_VALUES);
    queue.take(&mut taken, &mut done);
    assert_eq!(lock(&queue.waiting).spare.len(), 0);
}

#[tokio::test]
async fn a_publisher_that_paces_itself_waits_for_room() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let numbered = topics.number(&topic("press-1/a"));
    while !queue.is_full() {
        assert_eq!(push(&queue, &numbered, 1), 0, "it is told to wait before it loses");
    }
    let mut room = std::pin::pin!(queue.room());
    assert!((&mut room).now_or_never().is_none());
    let mut lane = Cursor::new(Vec::new());
    assert!(write(&queue, &mut lane).now_or_never().is_none());
    room.await;
    assert!(!queue.is_full());
}

#[tokio::test]
async fn a_publisher_does_not_wait_for_a_link_that_is_gone() {
    let (mut topics, queue) = (Topics::default(), LinkQueue::default());
    let numbered = topics.number(&topic("press-1/a"));
    while !queue.is_full() {
        push(&queue, &numbered, 1);
    }
    queue.close();
    queue.room().await;
}
