//! Files cut, flipped and overwritten at every place.

use super::super::open::FORMAT;
use super::super::{Damage, RECORD_BYTES_MAX, Record, Recovery, TornTail};
use super::{Place, boundaries, record, reopen, samples, write_each};
use crate::shell::frames::HEADER_BYTES;

/// Opens `bytes` as a journal, appends, and checks that the appended record joins the recovered.
fn recover_and_go_on(bytes: &[u8]) -> Recovery {
    let place = Place::new();
    place.put(bytes);
    let added = record(200, b"after the restart");
    let recovery = write_each(&place.path, std::slice::from_ref(&added));
    let again = reopen(&place.path);
    let mut expected = recovery.records.clone();
    expected.push(added);
    assert_eq!(again.records, expected);
    assert_eq!(again.damaged, recovery.damaged);
    assert_eq!(again.torn_tail, None);
    recovery
}

fn sample_file() -> Vec<u8> {
    let place = Place::new();
    write_each(&place.path, &samples());
    place.bytes()
}

#[test]
fn every_truncation_recovers_a_prefix() {
    let bytes = sample_file();
    let starts = boundaries(&samples());
    for kept in 0..=bytes.len() {
        let recovery = recover_and_go_on(&bytes[..kept]);
        let kept = kept as u64;
        let whole = starts.iter().filter(|&&start| start <= kept).count().saturating_sub(1);
        let end = if kept < HEADER_BYTES { 0 } else { starts[whole] };
        let torn_tail = (kept > end).then_some(TornTail { offset: end, bytes: kept - end });
        let records = samples()[..whole].to_vec();
        assert_eq!(recovery, Recovery { records, torn_tail, damaged: vec![] }, "cut at {kept}");
    }
}

#[test]
fn every_flipped_bit_costs_one_record_at_most() {
    let bytes = sample_file();
    let starts = boundaries(&samples());
    let place = Place::new();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        place.put(&flipped);
        let recovery = reopen(&place.path);

        let mut records = samples();
        let (mut damaged, mut torn_tail) = (vec![], None);
        // The header is the place before the first record's start.
        match starts.iter().position(|&start| (bit as u64 / 8) < start).unwrap() {
            0 => damaged.push(Damage { offset: 0, bytes: HEADER_BYTES }),
            hit => {
                records.remove(hit - 1);
                let (offset, bytes) = (starts[hit - 1], starts[hit] - starts[hit - 1]);
                if hit == samples().len() {
                    torn_tail = Some(TornTail { offset, bytes });
                } else {
                    damaged.push(Damage { offset, bytes });
                }
            }
        }
        assert_eq!(recovery, Recovery { records, torn_tail, damaged }, "bit {bit}");
    }
    // Going on afterwards does not depend on the bit; one in each record and the header will do.
    for start in starts {
        let mut flipped = bytes.clone();
        flipped[start as usize - 1] ^= 1;
        recover_and_go_on(&flipped);
    }
}

#[test]
fn damage_to_neighbours_is_one_place_and_is_never_overwritten() {
    let mut bytes = sample_file();
    let starts = boundaries(&samples());
    let (from, to) = (starts[1] as usize, starts[3] as usize);
    bytes[from..to].fill(0xA5);
    let place = Place::new();
    place.put(&bytes);
    let recovery = write_each(&place.path, &[record(8, b"new")]);
    assert_eq!(
        recovery.damaged,
        [Damage { offset: from as u64, bytes: (to - from) as u64 }],
        "two broken records in a row"
    );
    assert_eq!(recovery.records, [&samples()[..1], &samples()[3..]].concat());
    assert_eq!(place.bytes()[..bytes.len()], bytes);
}

#[test]
fn a_header_and_its_first_record_damaged_together_are_one_place() {
    let mut bytes = sample_file();
    let second = boundaries(&samples())[1] as usize;
    bytes[..second].fill(0);
    let recovery = recover_and_go_on(&bytes);
    assert_eq!(recovery.damaged, [Damage { offset: 0, bytes: second as u64 }]);
    assert_eq!(recovery.records, samples()[1..]);
}

#[test]
fn a_zero_filled_tail_is_torn() {
    let bytes = sample_file();
    let end = bytes.len() as u64;
    for zeros in [1, 11, 4096, 3 * RECORD_BYTES_MAX] {
        let mut filled = bytes.clone();
        filled.resize(bytes.len() + zeros, 0);
        let recovery = recover_and_go_on(&filled);
        assert_eq!(recovery.torn_tail, Some(TornTail { offset: end, bytes: zeros as u64 }));
        assert_eq!(recovery.records, samples());
    }
}

#[test]
fn a_frame_inside_a_valid_record_is_not_looked_at() {
    // Made for the very place where it will lie: 11 bytes of frame head after the header.
    let mut inner = Vec::new();
    record(99, b"forged").encode(HEADER_BYTES + 11, &mut inner);
    let place = Place::new();
    let outer = [record(1, &inner), record(2, b"next")];
    write_each(&place.path, &outer);
    assert_eq!(reopen(&place.path), Recovery { records: outer.to_vec(), ..Recovery::default() });
}

#[test]
fn longest_records_survive_around_a_broken_one() {
    let place = Place::new();
    let long: Vec<Record> =
        (0..20u8).map(|kind| record(kind, &vec![0xF5 ^ (kind & 1); RECORD_BYTES_MAX])).collect();
    write_each(&place.path, &long);
    let starts = boundaries(&long);
    let mut bytes = place.bytes();
    for broken in [7, 12] {
        bytes[starts[broken] as usize + 3] ^= 0x40;
    }
    place.put(&bytes);
    let recovery = reopen(&place.path);
    assert_eq!(recovery.damaged.len(), 2);
    let kinds: Vec<u8> = recovery.records.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, (0..20).filter(|kind| ![7, 12].contains(kind)).collect::<Vec<u8>>());
    assert!(recovery.records.iter().all(|record| long.contains(record)));
}

#[test]
fn nothing_but_a_torn_record_leaves_an_empty_journal() {
    let mut bytes = FORMAT.encode().to_vec();
    bytes.extend_from_slice(&[0xF5, 0x9C, 1]);
    let recovery = recover_and_go_on(&bytes);
    assert_eq!(recovery.records, []);
    assert_eq!(recovery.torn_tail, Some(TornTail { offset: HEADER_BYTES, bytes: 3 }));
}
