//! Live frames are read back, and nothing else is read.

use super::*;
use crate::framing::framed;

fn samples() -> Vec<Sample> {
    let unit: Unit = "Cel".parse().expect("a unit");
    let values = [
        Value::Bool(false),
        Value::Bool(true),
        Value::Integer(-7),
        Value::Float(3.5),
        Value::Text("läuft".to_owned()),
        Value::Text(String::new()),
        Value::Bytes(vec![0, 255]),
    ];
    let qualities = [Quality::Good, Quality::Uncertain, Quality::Bad];
    let mut samples = Vec::new();
    for value in values {
        for quality in qualities {
            for unit in [None, Some(unit.clone())] {
                let source_time = UnixMillis(1_753_000_000_123);
                for replay in [false, true] {
                    let (value, unit) = (value.clone(), unit.clone());
                    samples.push(Sample { value, quality, source_time, unit, replay });
                }
            }
        }
    }
    samples
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_value(&mut frame, Alias::in_turn(300), body);
    frame
}

#[test]
fn every_sample_is_read_back() {
    for sample in samples() {
        let body = encode_body(&sample).expect("a body");
        let frame = frame(&body);
        assert_eq!(frame.len(), VALUE_HEADER_BYTES + body.len());
        let (mut written, mut framed_value) = (Vec::new(), Vec::new());
        framed(&mut written, |out| put_value(out, Alias::in_turn(300), &body));
        put_framed_value(&mut framed_value, Alias::in_turn(300), &body);
        assert_eq!(framed_value, written);
        assert!(Bodies::of_link(&written).eq(Body::decode(&body)));
        let LiveFrame::Value { alias, body } = LiveFrame::decode(&frame).expect("a frame") else {
            panic!("no value")
        };
        assert_eq!(alias.index(), 300);
        assert_eq!(body.to_sample(&mut None), Ok(sample));
    }
}

#[test]
fn every_other_frame_is_read_back() {
    let alias = Alias::new(9).expect("an alias");
    let topic: Topic = "hall/line/press-1/temp".parse().expect("a topic");
    let mut bytes = Vec::new();
    put_topic(&mut bytes, alias, &topic);
    let read = LiveFrame::decode(&bytes);
    assert_eq!(read, Ok(LiveFrame::Topic { alias, topic: topic.as_str() }));
    bytes.clear();
    put_lost(&mut bytes, alias, u64::MAX);
    assert_eq!(LiveFrame::decode(&bytes), Ok(LiveFrame::Lost { alias, count: u64::MAX }));
    bytes.clear();
    put_lost_elsewhere(&mut bytes, 3);
    assert_eq!(LiveFrame::decode(&bytes), Ok(LiveFrame::LostElsewhere { count: 3 }));
}

#[test]
fn a_frame_cut_short_or_drawn_out_is_another_or_none() {
    for sample in samples() {
        let whole = frame(&encode_body(&sample).expect("a body"));
        let is_open = matches!(sample.value, Value::Text(_) | Value::Bytes(_));
        for length in 0..whole.len() {
            let cut = LiveFrame::decode(&whole[..length]);
            assert!(cut.is_err() || is_open, "{length} bytes of {whole:?}");
        }
        let longer = [whole, vec![0]].concat();
        assert!(LiveFrame::decode(&longer).is_err() || is_open, "{longer:?}");
    }
}

#[test]
fn what_nobody_may_publish_is_no_frame() {
    let number = |value: f64| {
        let mut body = encode_body(&Sample::good(Value::Float(0.0), UnixMillis(0))).expect("body");
        let at = body.len() - 8;
        body[at..].copy_from_slice(&value.to_le_bytes());
        LiveFrame::decode(&frame(&body)).map(drop)
    };
    assert_eq!(number(1.5), Ok(()));
    assert_eq!(number(f64::NAN), Err(SampleError::NotFinite.into()));
    assert_eq!(number(f64::INFINITY), Err(SampleError::NotFinite.into()));
    assert!(encode_body(&Sample::good(Value::Float(f64::NAN), UnixMillis(0))).is_err());

    let mut large =
        encode_body(&Sample::good(Value::Bytes(Vec::new()), UnixMillis(0))).expect("a body");
    large.resize(large.len() + SAMPLE_BYTES_MAX, 0);
    assert!(LiveFrame::decode(&frame(&large)).is_ok());
    large.push(0);
    let (bytes, max) = (SAMPLE_BYTES_MAX + 1, SAMPLE_BYTES_MAX);
    let too_large = LiveError::Sample(SampleError::TooLarge { bytes, max });
    assert_eq!(LiveFrame::decode(&frame(&large)), Err(too_large));
}

#[test]
fn numbers_without_a_meaning_are_named() {
    let body = encode_body(&Sample::good(Value::Bool(true), UnixMillis(0))).expect("a body");
    let with_head = |head: u8| {
        let mut body = body.clone();
        body[0] = head;
        LiveFrame::decode(&frame(&body)).map(drop)
    };
    assert_eq!(with_head(0b11), Err(LiveError::Unknown { what: "quality", found: 3 }));
    assert_eq!(with_head(6 << 2), Err(LiveError::Unknown { what: "type", found: 6 }));
    assert_eq!(with_head(1 << 7), Err(LiveError::Unknown { what: "head", found: 128 }));
    assert_eq!(LiveFrame::decode(&[9]), Err(LiveError::Unknown { what: "kind", found: 9 }));
    let alias = u16::try_from(LIVE_ALIASES_MAX).expect("a number");
    let beyond = [&[VALUE][..], &alias.to_le_bytes(), &body].concat();
    let unknown = LiveError::UnknownAlias { found: alias };
    assert_eq!(LiveFrame::decode(&beyond), Err(unknown));
}

#[test]
fn a_unit_that_stays_the_same_is_shared() {
    let unit: Unit = "Cel".parse().expect("a unit");
    let sample = Sample { unit: Some(unit), ..Sample::good(Value::Bool(true), UnixMillis(0)) };
    let bytes = encode_body(&sample).expect("a body");
    let body = Body::decode(&bytes).expect("a body");
    let mut known = None;
    let first = body.to_sample(&mut known).expect("a sample").unit.expect("a unit");
    let second = body.to_sample(&mut known).expect("a sample").unit.expect("a unit");
    assert!(std::ptr::eq(first.as_str(), second.as_str()));
}
