//! The promises of the journal, on real files. What a failing disk does is in [`trouble`].

mod append;
mod recovery;
mod trouble;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::open::FORMAT;
use super::{Journal, OpenError, Record, Recovery};
use crate::shell::frames::{Format, HEADER_BYTES};

/// A journal file in a directory of its own.
struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        Self { _directory: directory, path }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).unwrap();
    }
}

fn record(kind: u8, payload: &[u8]) -> Record {
    Record { kind, payload: payload.to_vec() }
}

/// A few records of different lengths, an empty one and one that looks like frames.
fn samples() -> Vec<Record> {
    let mut frames = Vec::new();
    record(66, b"not a record of this file").encode(0, &mut frames);
    record(67, b"nor this").encode(10, &mut frames);
    vec![
        record(1, b"press 4 joined"),
        record(2, b""),
        record(3, &frames),
        record(4, &[0xF5; 7]),
        record(5, b"spindle at 3000 rpm"),
    ]
}

/// Opens, appends each record as a batch of its own, and closes.
fn write_each(path: &Path, records: &[Record]) -> Recovery {
    let (journal, recovery) = Journal::open(path).unwrap();
    for record in records {
        journal.append_blocking(vec![record.clone()]).unwrap();
    }
    journal.close_blocking();
    recovery
}

/// Opens and closes.
fn reopen(path: &Path) -> Recovery {
    write_each(path, &[])
}

/// Where each frame starts, and where the last ends, for records written back to back.
fn boundaries(records: &[Record]) -> Vec<u64> {
    let mut at = HEADER_BYTES;
    let mut all = vec![at];
    for record in records {
        at += record.frame_bytes() as u64;
        all.push(at);
    }
    all
}

#[test]
fn what_was_appended_comes_back_in_order() {
    let place = Place::new();
    assert_eq!(write_each(&place.path, &samples()), Recovery::default());
    let recovery = write_each(&place.path, &[record(9, b"later")]);
    assert_eq!(recovery, Recovery { records: samples(), ..Recovery::default() });
    let mut all = samples();
    all.push(record(9, b"later"));
    assert_eq!(reopen(&place.path).records, all);
    assert_eq!(*boundaries(&all).last().unwrap(), place.bytes().len() as u64);
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    reopen(&place.path);
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let place = Place::new();
    let (journal, _) = Journal::open(&place.path).unwrap();
    let error = Journal::open(&place.path).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { path } if *path == place.path), "{error}");
    journal.append_blocking(samples()).unwrap();
    journal.close_blocking();
    assert_eq!(reopen(&place.path).records, samples());
}

#[test]
fn another_version_is_refused_naming_both_and_left_alone() {
    let place = Place::new();
    let mut bytes = Format { version: 2, ..FORMAT }.encode().to_vec();
    bytes.extend_from_slice(b"whatever version 2 holds");
    place.put(&bytes);
    let error = Journal::open(&place.path).unwrap_err();
    assert!(matches!(error, OpenError::UnsupportedVersion { found: 2, supported: 1, .. }));
    let text = error.to_string();
    assert!(text.contains("version 2") && text.contains("version 1"), "{text}");
    assert_eq!(place.bytes(), bytes);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_alone() {
    let place = Place::new();
    for bytes in [&b"[plant]\nname = \"north\"\n"[..], b"short", &[0; 64]] {
        place.put(bytes);
        let error = Journal::open(&place.path).unwrap_err();
        assert!(matches!(error, OpenError::NotAJournal { .. }), "{error}");
        assert_eq!(place.bytes(), bytes);
    }
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let place = Place::new();
    let error = Journal::open(&place.path.join("below")).unwrap_err();
    assert!(error.to_string().contains(&place.path.display().to_string()), "{error}");
}

/// Waits until the storage thread has let the file go.
fn wait_for_release(path: &Path) {
    let file = File::open(path).unwrap();
    file.lock().unwrap();
    file.unlock().unwrap();
}
