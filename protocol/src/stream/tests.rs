//! Frames of streams are read back, and nothing else is read.

use ed25519_dalek::SigningKey;

use super::*;
use crate::live::encode_body;
use crate::sample::{Sample, Value};
use crate::time::UnixMillis;

fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out);
    out
}

fn alias() -> Alias {
    Alias::in_turn(300)
}

fn body() -> Vec<u8> {
    encode_body(&Sample::good(Value::Integer(-7), UnixMillis(9))).expect("a body")
}

fn source() -> (PublicKey, Vec<u8>) {
    let author = PublicKey::of(&SigningKey::from_bytes(&[3; 32]));
    let name: Name = "press-1".parse().expect("a name");
    let topic: Topic = "hall/press-1/force".parse().expect("a topic");
    (author, written(|out| put_source(out, alias(), &author, &name, &topic)))
}

#[test]
fn what_a_program_says_is_read_back() {
    let topic = written(|out| put_topic(out, alias(), "/hall/+"));
    let read = PublishFrame::decode(&topic);
    assert_eq!(read, Ok(PublishFrame::Topic { alias: alias(), topic: "/hall/+" }));
    let mut value = written(|out| put_value_head(out, alias()));
    assert_eq!(value.len(), VALUE_HEADER_BYTES);
    value.extend_from_slice(&body());
    let read = PublishFrame::decode(&value);
    assert_eq!(read, Ok(PublishFrame::Value { alias: alias(), body: &body() }));
}

#[test]
fn what_a_node_answers_is_read_back() {
    let refusal = Refusal::TopicNotGranted;
    for answer in [
        AnswerFrame::Refused { alias: alias(), refusal },
        AnswerFrame::Taken { alias: alias() },
        AnswerFrame::Ended { refusal },
    ] {
        let bytes = written(|out| answer.put(out));
        assert_eq!(AnswerFrame::decode(&bytes), Ok(answer));
        for length in 0..bytes.len() {
            assert!(AnswerFrame::decode(&bytes[..length]).is_err(), "{answer:?}");
        }
        assert!(AnswerFrame::decode(&[bytes, vec![0]].concat()).is_err(), "{answer:?}");
    }
}

#[test]
fn what_a_follower_is_told_is_read_back() {
    let (author, bytes) = source();
    let (name, topic) = ("press-1", "hall/press-1/force");
    let told = FollowFrame::Source { alias: alias(), author, name, topic };
    assert_eq!(FollowFrame::decode(&bytes), Ok(told));

    let mut bytes = written(|out| put_arrived_head(out, alias(), 70_000));
    bytes.extend_from_slice(&body());
    let arrived = FollowFrame::decode(&bytes);
    let Ok(FollowFrame::Arrived { age_ms: 70_000, body: read, .. }) = arrived else {
        panic!("{arrived:?}")
    };
    assert_eq!(read.to_sample(&mut None).expect("a sample").value, Value::Integer(-7));

    let lost = written(|out| put_losses(out, Some(alias()), u64::MAX));
    assert_eq!(
        FollowFrame::decode(&lost),
        Ok(FollowFrame::Lost { alias: alias(), count: u64::MAX })
    );
    let others = written(|out| put_losses(out, None, 3));
    assert_eq!(FollowFrame::decode(&others), Ok(FollowFrame::LostElsewhere { count: 3 }));
    let ended = written(|out| put_ended(out, Refusal::StreamStalled));
    let refusal = Refusal::StreamStalled;
    assert_eq!(FollowFrame::decode(&ended), Ok(FollowFrame::Ended { refusal }));
}

#[test]
fn a_frame_of_another_direction_or_cut_short_is_none() {
    let (_, source) = source();
    assert!(PublishFrame::decode(&source).is_err() && AnswerFrame::decode(&source).is_err());
    // Its topic is the rest, whatever that is; all before it must be there.
    for length in 0..source.len() - "hall/press-1/force".len() {
        assert!(FollowFrame::decode(&source[..length]).is_err(), "{length} bytes");
    }
    let topic = written(|out| put_topic(out, alias(), "a"));
    assert!(FollowFrame::decode(&topic).is_err() && AnswerFrame::decode(&topic).is_err());
    for frame in [&[][..], &[0, 0], &[1, 0xff, 0xff], &[0, 0, 0, 0xff], &[9, 0, 0]] {
        assert!(PublishFrame::decode(frame).is_err(), "{frame:?}");
    }
    let weak = [&[4, 0, 0][..], &[0; 32], &[1], b"ab"].concat();
    assert!(FollowFrame::decode(&weak).is_err(), "a key that is none");
}
