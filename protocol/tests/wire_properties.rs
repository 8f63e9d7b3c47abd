//! What holds for all bytes, not only for the golden ones: a value has one form, and bytes that
//! are not that form are refused without harm.
//!
//! Cases come from a fixed seed, so a failure is the same on every machine and in every run.
#![allow(clippy::expect_used, reason = "a test that cannot build its values has failed")]

mod fixtures;
mod properties;

use std::fmt::Debug;

use gearmesh_protocol::codec::{DecodeError, decode, encode};
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::live::{self, LiveFrame};
use gearmesh_protocol::stream::{self, AnswerFrame, FollowFrame, PublishFrame};
use properties::{arbitrary, run};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

/// A type that is decoded from bytes of others.
trait Wire: Serialize + DeserializeOwned + Debug {}
impl<T: Serialize + DeserializeOwned + Debug> Wire for T {}

fn read<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode(bytes, FRAME_BYTES_MAX)
}

/// Whether the bytes are refused, or are the only form of what they are read as.
fn is_refused_or_canonical<T: Wire>(bytes: &[u8]) -> bool {
    read::<T>(bytes).map_or(true, |value| encode(&value) == bytes)
}

/// The properties of one type; `varint` is where its first variable-length integer begins.
fn check<T: Wire>(cases: u32, varint: usize, values: impl Strategy<Value = T>) {
    run(cases, &(values, 1..=u8::MAX), |(value, mask)| {
        let bytes = encode(&value);
        prop_assert_eq!(read::<T>(&bytes).map(|read| encode(&read)), Ok(bytes.clone()));
        for length in 0..bytes.len() {
            prop_assert!(read::<T>(&bytes[..length]).is_err(), "cut to {} bytes", length);
        }
        let longer = [bytes.as_slice(), &[mask]].concat();
        let is_trailing = matches!(read::<T>(&longer), Err(DecodeError::Trailing { bytes: 1, .. }));
        prop_assert!(is_trailing, "a byte more was accepted");
        for at in 0..bytes.len() {
            let mutated = with(&bytes, at, &[bytes[at] ^ mask]);
            prop_assert!(is_refused_or_canonical::<T>(&mutated), "byte {}", at);
        }
        check_integers::<T>(&bytes, varint)
    });
    run(cases * 4, &vec(arbitrary::hostile_byte(), 0..256), |garbage| {
        prop_assert!(is_refused_or_canonical::<T>(&garbage));
        Ok(())
    });
}

/// The same integer in more bytes, and lengths that no memory holds, at every place.
fn check_integers<T: Wire>(bytes: &[u8], varint: usize) -> Result<(), TestCaseError> {
    for at in 0..bytes.len() {
        let overlong = with(bytes, at, &[bytes[at] | 0x80, 0x00]);
        prop_assert!(is_refused_or_canonical::<T>(&overlong), "overlong at byte {}", at);
        for huge in [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0xff; 9], HIGHEST_U64] {
            let swollen = with(bytes, at, huge);
            prop_assert!(is_refused_or_canonical::<T>(&swollen), "huge at byte {}", at);
        }
    }
    let end = varint + bytes[varint..].iter().take_while(|byte| **byte >= 0x80).count();
    let overlong = with(bytes, end, &[bytes[end] | 0x80, 0x00]);
    prop_assert!(read::<T>(&overlong).is_err(), "an overlong integer was accepted");
    Ok(())
}

const HIGHEST_U64: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];

/// The bytes with the one at `at` replaced.
fn with(bytes: &[u8], at: usize, by: &[u8]) -> Vec<u8> {
    [&bytes[..at], by, &bytes[at + 1..]].concat()
}

#[test]
fn a_sample_is_written_alone_as_it_is_written_as_an_entry() {
    run(256, &(arbitrary::topic(), arbitrary::sample()), |(topic, sample)| {
        let alone = DataEntry::encode_sample(&topic, &sample);
        prop_assert_eq!(alone, encode(&DataEntry::Sample { topic, sample }));
        Ok(())
    });
}

#[test]
fn a_group_has_one_form() {
    check(32, 0, arbitrary::group().prop_map(|group| group.group().clone()));
}

#[test]
fn an_act_has_one_form() {
    check(32, 0, arbitrary::act());
}

#[test]
fn a_trust_entry_has_one_form() {
    check(48, 0, arbitrary::trust_entry());
}

#[test]
fn a_data_entry_has_one_form() {
    check(48, 0, arbitrary::data_entry());
}

#[test]
fn an_admission_message_has_one_form() {
    check(32, 0, arbitrary::admission_message());
}

#[test]
fn a_command_frame_has_one_form() {
    check(32, 0, arbitrary::command_frame());
}

#[test]
fn a_data_frame_has_one_form() {
    check(32, 0, arbitrary::data_frame());
}

#[test]
fn a_control_frame_has_one_form() {
    check(32, 0, arbitrary::control_frame());
}

/// A frame of the live lane written again from what was read.
fn rewritten(frame: &LiveFrame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match frame {
        LiveFrame::Topic { alias, topic } => match topic.parse() {
            Ok(topic) => live::put_topic(&mut out, *alias, &topic),
            Err(_) => return Vec::new(),
        },
        LiveFrame::Value { alias, body } => match body.to_sample(&mut None) {
            Ok(sample) => {
                let body = live::encode_body(&sample).expect("what was read may be published");
                live::put_value(&mut out, *alias, &body);
            }
            Err(_) => return Vec::new(),
        },
        LiveFrame::Lost { alias, count } => live::put_lost(&mut out, *alias, *count),
        LiveFrame::LostElsewhere { count } => live::put_lost_elsewhere(&mut out, *count),
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn a_live_frame_has_one_form(kind in 0u8..5, alias in 0u8..3, head in 0u8..48, rest in vec(any::<u8>(), 0..24)) {
        for bytes in [rest.clone(), [&[kind, alias, 0, head][..], &rest].concat()] {
            if let Ok(frame) = LiveFrame::decode(&bytes) {
                let again = rewritten(&frame);
                prop_assert!(again.is_empty() || again == bytes, "{again:?} is not {bytes:?}");
            }
        }
    }
}

/// A frame that a follower is told, written again from what was read.
fn retold(frame: &FollowFrame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match frame {
        FollowFrame::Source { alias, author, name, topic } => {
            if let (Ok(name), Ok(topic)) = (name.parse(), topic.parse()) {
                stream::put_source(&mut out, *alias, author, &name, &topic);
            }
        }
        FollowFrame::Arrived { alias, age_ms, body } => {
            if let Ok(sample) = body.to_sample(&mut None) {
                stream::put_arrived_head(&mut out, *alias, *age_ms);
                live::put_body(&mut out, &sample);
            }
        }
        FollowFrame::Lost { alias, count } => stream::put_losses(&mut out, Some(*alias), *count),
        FollowFrame::LostElsewhere { count } => stream::put_losses(&mut out, None, *count),
        FollowFrame::Ended { refusal } => stream::put_ended(&mut out, *refusal),
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn a_frame_of_a_stream_has_one_form(kind in 0u8..10, alias in 0u8..3, rest in vec(any::<u8>(), 0..64)) {
        for bytes in [rest.clone(), [&[kind, alias, 0][..], &rest].concat(), vec![kind, alias, 0]] {
            if let Ok(frame) = FollowFrame::decode(&bytes) {
                let again = retold(&frame);
                prop_assert!(again.is_empty() || again == bytes, "{again:?} is not {bytes:?}");
            }
            if let Ok(frame) = AnswerFrame::decode(&bytes) {
                let mut again = Vec::new();
                frame.put(&mut again);
                prop_assert_eq!(&again, &bytes);
            }
            if let Ok(PublishFrame::Topic { alias, topic }) = PublishFrame::decode(&bytes) {
                let mut again = Vec::new();
                stream::put_topic(&mut again, alias, topic);
                prop_assert_eq!(&again, &bytes);
            }
        }
    }
}

#[test]
fn a_sheet_has_one_form() {
    // After the share's id and the first plant's id comes the length of a title.
    check(24, 16 + 32, arbitrary::sheet());
}

#[test]
fn a_receipt_has_one_form() {
    check(48, 32, arbitrary::receipt());
}

#[test]
fn an_envelope_has_one_form() {
    check(48, 16, arbitrary::envelope());
}

#[test]
fn a_mutated_group_is_never_believed() {
    use fixtures::PLANT;
    use gearmesh_protocol::log::Group;
    run(48, &(arbitrary::group(), 1..=u8::MAX), |(group, mask)| {
        let bytes = encode(group.group());
        prop_assert!(Group::read(&PLANT, &bytes).is_ok_and(|read| read == group));
        for at in 0..bytes.len() {
            let mutated = with(&bytes, at, &[bytes[at] ^ mask]);
            prop_assert!(Group::read(&PLANT, &mutated).is_err(), "byte {}", at);
        }
        Ok(())
    });
}

#[test]
fn a_mutated_act_is_never_believed() {
    use fixtures::PLANT;
    use gearmesh_protocol::trust::Act;
    let root = fixtures::trust::root();
    let is_believed =
        |act: Act| act.clone().verify_genesis().is_ok() || act.verify(&PLANT, &root).is_ok();
    run(48, &(arbitrary::act(), 1..=u8::MAX), |(act, mask)| {
        let bytes = encode(&act);
        prop_assert!(is_believed(act));
        for at in 0..bytes.len() {
            let mutated = with(&bytes, at, &[bytes[at] ^ mask]);
            prop_assert!(!read::<Act>(&mutated).is_ok_and(is_believed), "byte {}", at);
        }
        Ok(())
    });
}

#[test]
fn an_invitation_code_is_read_from_any_text_without_harm() {
    use gearmesh_protocol::invite::Code;
    run(256, &"(gm1:)?\\PC{0,120}", |text| {
        if let Ok(code) = text.parse::<Code>() {
            prop_assert!(code.to_text().parse::<Code>().is_ok_and(|read| read == code));
        }
        Ok(())
    });
}
