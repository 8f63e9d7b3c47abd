//! What comes over a live lane, well formed or not.

use futures::FutureExt;
use futures::io::Cursor;
use gearmesh_protocol::live::{put_lost_elsewhere, put_topic};

use super::super::tests::{come, key, live, topic};
use super::*;

fn framed(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).expect("a length");
    [&length.to_be_bytes()[..], frame].concat()
}

fn read_all(bytes: Vec<u8>) -> IncomingError {
    let ended = read(&live(), (LinkId(1), key(6)), Cursor::new(bytes)).now_or_never();
    ended.expect("all bytes are there").expect_err("a lane never ends well")
}

#[test]
fn half_a_frame_is_the_end_of_the_lane_and_no_fault() {
    let mut frame = Vec::new();
    put_topic(&mut frame, Alias::in_turn(7), &topic());
    let whole = framed(&frame);
    for length in 0..=whole.len() {
        let error = read_all(whole[..length].to_vec());
        assert!(!error.is_malformed(), "{length} bytes: {error}");
    }
}

#[test]
fn garbage_is_named() {
    assert!(matches!(read_all(vec![0xff; 100]), IncomingError::TooLong { .. }));
    assert!(matches!(read_all(framed(&[])), IncomingError::Malformed(_)));
    assert!(matches!(read_all(framed(&[9, 9])), IncomingError::Malformed(_)));
    let wildcard = [&[0, 0, 0][..], b"hall/+"].concat();
    assert!(matches!(read_all(framed(&wildcard)), IncomingError::Malformed(LiveError::Text(_))));
    let too_long = [&[0, 0, 0][..], &[b'x'; 300]].concat();
    assert!(matches!(read_all(framed(&too_long)), IncomingError::Malformed(LiveError::Text(_))));
}

#[test]
fn every_report_of_losses_is_counted() {
    let live = live();
    let mut incoming = Incoming::new(Arc::clone(&live), (LinkId(1), key(6)));
    let mut frame = Vec::new();
    put_lost_elsewhere(&mut frame, 5);
    come(&mut incoming, &[&frame]).expect("a report");
    assert_eq!(live.counters.lost_remote.get(), 5);
}
