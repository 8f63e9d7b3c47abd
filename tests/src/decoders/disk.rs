//! What a node finds in its home: its journal, the records in it, and its key.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use gearmesh_node::Record;
use gearmesh_node::core::cursors;
use gearmesh_node::home::read_key;
use gearmesh_node::shell::journal::{Journal, RECORD_BYTES_MAX, Record as Line, Recovery};
use gearmesh_protocol::limits::LEAVES_MAX;
use tempfile::NamedTempFile;

use super::frames::check_addresses;
use super::within;

/// Bytes of the journal's header.
const HEADER_BYTES: usize = 10;

/// Bytes of a record before its payload.
const HEAD_BYTES: usize = 11;

/// A file that is refused stays as it is. Of any other every byte is a record, damage or a torn
/// tail, the intact records are all found at their places, and the journal goes on behind them.
pub fn journal(bytes: &[u8]) {
    let file = stored(bytes);
    let Ok((journal, found)) = Journal::open(file.path()) else {
        assert_eq!(fs::read(file.path()).expect("the file"), bytes, "a refused file was changed");
        return;
    };
    let later = Line { kind: 200, payload: b"later".to_vec() };
    journal.append_blocking(vec![later.clone()]).expect("a record");
    journal.close_blocking();
    let kept = check_recovery(bytes, &found);
    let now = fs::read(file.path()).expect("the file");
    assert_eq!(now.get(..kept), Some(&bytes[..kept]), "what was kept was changed");

    let (journal, again) = Journal::open(file.path()).expect("a journal that was opened before");
    journal.close_blocking();
    let mut records = found.records;
    records.push(later);
    assert_eq!(again, Recovery { records, torn_tail: None, damaged: found.damaged });
}

/// How many bytes of the file stay: all but the torn tail.
fn check_recovery(bytes: &[u8], found: &Recovery) -> usize {
    let mut damaged = found.damaged.iter().map(|part| (place(part.offset), place(part.bytes)));
    let mut records = found.records.iter();
    let mut next = damaged.next();
    let torn_whole = found.torn_tail.is_some_and(|tail| tail.offset == 0);
    let mut at = match next {
        Some((0, _)) => 0,
        _ if torn_whole || bytes.is_empty() => 0,
        _ => HEADER_BYTES,
    };
    loop {
        match next {
            Some((offset, length)) if offset == at => {
                assert!(length > 0, "damage without bytes");
                check_lost(bytes, at, at + length);
                at += length;
                next = damaged.next();
            }
            _ => {
                let Some(record) = records.next() else { break };
                at = check_intact(bytes, at, record);
            }
        }
    }
    assert_eq!(next, None, "damage behind the last record");
    let torn = found.torn_tail.map_or(0, |tail| place(tail.bytes));
    assert!(found.torn_tail.is_none_or(|tail| place(tail.offset) == at && torn > 0));
    assert_eq!(at + torn, bytes.len(), "bytes that nothing accounts for");
    check_lost(bytes, at, bytes.len());
    at
}

/// Where the record ends that stands there.
fn check_intact(bytes: &[u8], at: usize, record: &Line) -> usize {
    let end = at + HEAD_BYTES + record.payload.len();
    assert_eq!(end_of_intact(bytes, at), Some(end), "no such record at {at}");
    let there = (bytes[at + 2], &bytes[at + HEAD_BYTES..end]);
    assert_eq!(there, (record.kind, record.payload.as_slice()), "another record at {at}");
    end
}

/// No record is lost that is intact.
fn check_lost(bytes: &[u8], from: usize, to: usize) {
    let mut places = from.max(HEADER_BYTES)..to;
    let lost = places.find(|at| end_of_intact(bytes, *at).is_some());
    assert_eq!(lost, None, "an intact record was taken for damage");
}

/// Where the record ends that starts there, if one does and its checksum holds.
fn end_of_intact(bytes: &[u8], at: usize) -> Option<usize> {
    let (head, rest) = bytes.get(at..)?.split_first_chunk::<HEAD_BYTES>()?;
    let [0xF5, 0x9C, covered @ .., c0, c1, c2, c3] = head else { return None };
    let [_kind, length @ ..] = covered;
    let length = usize::try_from(u32::from_le_bytes(*length)).expect("a length");
    let payload = rest.get(..length).filter(|payload| payload.len() <= RECORD_BYTES_MAX)?;
    let offset = u64::try_from(at).expect("a place").to_le_bytes();
    let checksum = crc32fast::hash(&[&offset[..], covered, payload].concat());
    (checksum.to_le_bytes() == [*c0, *c1, *c2, *c3]).then_some(at + HEAD_BYTES + length)
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("a place in a file")
}

/// A record of the journal, its kind first, has one form.
pub fn record(bytes: &[u8]) {
    let Some((kind, payload)) = bytes.split_first() else { return };
    let Ok(record) = Record::decode(*kind, payload) else { return };
    assert_eq!(record.encode(), (*kind, payload.to_vec()), "a second form was read");
    if let Record::Addresses(addresses) = &record {
        check_addresses(addresses);
    }
}

/// A key file holds 64 hexadecimal digits between white space, and the key is what they say.
pub fn node_key(bytes: &[u8]) {
    let digits = std::str::from_utf8(bytes).map(str::trim).unwrap_or_default();
    let is_key = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let key = read_key(stored(bytes).path());
    assert_eq!(key.is_ok(), is_key, "{digits:?}");
    if let Ok(key) = key {
        let written: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, digits.to_ascii_lowercase());
    }
}

/// A file for its owner alone, in memory where the system has a place for such: nobody waits for a
/// disk here.
fn stored(bytes: &[u8]) -> NamedTempFile {
    let memory = Path::new("/dev/shm");
    let file = if memory.is_dir() { NamedTempFile::new_in(memory) } else { NamedTempFile::new() };
    let mut file = file.expect("a file");
    file.write_all(bytes).expect("the bytes");
    file
}

/// A file of a consumer's progress is whole or nothing, and has one form.
pub fn consumer(bytes: &[u8]) {
    // What stands behind a checksum that holds is read too.
    let sum = blake3::hash(bytes);
    for bytes in [bytes, &[&sum.as_bytes()[..16], bytes].concat()] {
        let Some(found) = cursors::decode(bytes) else { continue };
        within(&found, cursors::CURSOR_LOGS_MAX);
        found.iter().for_each(|cursor| within(&cursor.leaves, LEAVES_MAX));
        assert_eq!(cursors::encode(found), bytes, "a second form was read");
    }
}
