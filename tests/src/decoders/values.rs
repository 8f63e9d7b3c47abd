//! Values on their way: the live lane between nodes, and streams between a node and a program.

use gearmesh_protocol::framing::{framed, split_frame};
use gearmesh_protocol::limits::{LIVE_ALIASES_MAX, SAMPLE_BYTES_MAX, TOPIC_BYTES_MAX};
use gearmesh_protocol::live::{self, Alias, Bodies, Body, LiveFrame};
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::stream::{self, AnswerFrame, FollowFrame, PublishFrame};

use super::within;

/// A frame of the live lane has one form, and its value may be published as it was read. Where a
/// text is checked only by who needs it, a frame with a wrong one is not written again. The bytes are
/// also taken for frames that lie one behind the other.
pub fn live(bytes: &[u8]) {
    check_bodies(bytes);
    if let Ok(body) = Body::decode(bytes) {
        check_body(&body, bytes);
    }
    let mut again = Vec::new();
    match LiveFrame::decode(bytes) {
        Ok(LiveFrame::Topic { alias, topic }) => {
            check_alias(alias);
            within(topic.as_bytes(), TOPIC_BYTES_MAX);
            let Ok(topic) = topic.parse() else { return };
            live::put_topic(&mut again, alias, &topic);
        }
        Ok(LiveFrame::Value { alias, body }) => {
            check_alias(alias);
            check_body(&body, &bytes[live::VALUE_HEADER_BYTES..]);
            let written = &bytes[live::VALUE_HEADER_BYTES..];
            live::put_value(&mut again, alias, written);
            let mut twice = Vec::new();
            framed(&mut twice, |out| out.extend_from_slice(bytes));
            live::put_framed_value(&mut twice, alias, written);
            assert!(Bodies::of_link(&twice).eq([body, body]), "values that follow each other");
        }
        Ok(LiveFrame::Lost { alias, count }) => live::put_lost(&mut again, alias, count),
        Ok(LiveFrame::LostElsewhere { count }) => live::put_lost_elsewhere(&mut again, count),
        Err(_) => return,
    }
    assert_eq!(again, bytes, "a second form was read");
}

/// Of any bytes whole frames are taken, and of each what stands behind its head.
fn check_bodies(bytes: &[u8]) {
    let (mut bodies, mut rest) = (Bodies::of_link(bytes), bytes);
    while let Some(body) = bodies.next_bytes() {
        let Ok(Some((frame, behind))) = split_frame(rest) else { panic!("no frame: {rest:02x?}") };
        assert_eq!(frame.get(live::VALUE_HEADER_BYTES..), Some(body));
        assert_eq!(bodies.rest(), behind);
        rest = behind;
    }
}

/// A frame of a stream has one form in each direction.
pub fn stream(bytes: &[u8]) {
    check_publishing(bytes);
    check_answer(bytes);
    check_following(bytes);
}

fn check_publishing(bytes: &[u8]) {
    let mut again = Vec::new();
    match PublishFrame::decode(bytes) {
        Ok(PublishFrame::Topic { alias, topic }) => {
            check_alias(alias);
            stream::put_topic(&mut again, alias, topic);
        }
        Ok(PublishFrame::Value { alias, body }) => {
            check_alias(alias);
            if let Ok(read) = Body::decode(body) {
                check_body(&read, body);
            }
            stream::put_value_head(&mut again, alias);
            again.extend_from_slice(body);
        }
        Err(_) => return,
    }
    assert_eq!(again, bytes, "a second form was read");
}

fn check_answer(bytes: &[u8]) {
    if let Ok(answer) = AnswerFrame::decode(bytes) {
        let mut again = Vec::new();
        answer.put(&mut again);
        assert_eq!(again, bytes, "a second form was read");
    }
}

fn check_following(bytes: &[u8]) {
    let mut again = Vec::new();
    match FollowFrame::decode(bytes) {
        Ok(FollowFrame::Source { alias, author, name, topic }) => {
            check_alias(alias);
            let (Ok(name), Ok(topic)) = (name.parse(), topic.parse()) else { return };
            stream::put_source(&mut again, alias, &author, &name, &topic);
        }
        Ok(FollowFrame::Arrived { alias, age_ms, body }) => {
            check_alias(alias);
            check_body(&body, &bytes[stream::ARRIVED_HEADER_BYTES..]);
            stream::put_arrived_head(&mut again, alias, age_ms);
            again.extend_from_slice(&bytes[stream::ARRIVED_HEADER_BYTES..]);
            let mut twice = Vec::new();
            for _ in 0..2 {
                framed(&mut twice, |out| out.extend_from_slice(bytes));
            }
            assert!(stream::arrived_bodies(&twice).eq([body, body]), "values one after the other");
        }
        Ok(FollowFrame::Lost { alias, count }) => {
            stream::put_losses(&mut again, Some(alias), count);
        }
        Ok(FollowFrame::LostElsewhere { count }) => stream::put_losses(&mut again, None, count),
        Ok(FollowFrame::Ended { refusal }) => stream::put_ended(&mut again, refusal),
        Err(_) => return,
    }
    assert_eq!(again, bytes, "a second form was read");
}

fn check_alias(alias: Alias) {
    assert!(alias.index() < LIVE_ALIASES_MAX, "{alias:?}");
}

/// A body is that of a sample which may be published, whatever unit the topic had before.
fn check_body(body: &Body<'_>, bytes: &[u8]) {
    let Ok(sample) = body.to_sample(&mut None) else { return };
    assert_eq!(sample.check(), Ok(()));
    assert_eq!(body.view(sample.unit.as_ref()).to_sample(), sample, "where it lies");
    if let Sample { value: Value::Text(text), .. } = &sample {
        within(text.as_bytes(), SAMPLE_BYTES_MAX);
    }
    assert_eq!(live::encode_body(&sample).as_deref(), Ok(bytes), "a second form was read");
    for known in [sample.unit.clone(), "Cel".parse().ok()] {
        assert_eq!(body.to_sample(&mut known.clone()).as_ref(), Ok(&sample), "after {known:?}");
    }
}
