//! Disks that are full or fail.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::open::FORMAT;
use super::super::writer::Medium;
use super::super::{AppendError, Fault, Journal, JournalStats, Record, Step};
use super::{Place, record, reopen};
use crate::shell::frames::HEADER_BYTES;

/// A real file that fails the steps the test names, in that order; a write fails after half of it
/// has been written.
struct Failing {
    file: File,
    plan: Mutex<VecDeque<(Step, ErrorKind)>>,
    /// Times that room can be made.
    rooms: AtomicUsize,
}

impl Failing {
    fn due(&self, step: Step) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        match plan.front() {
            Some(&(next, kind)) if next == step => {
                plan.pop_front();
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }
}

impl Medium for Failing {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.due(Step::Write) {
            self.file.write(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.file.write(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.due(Step::Sync)?;
        self.file.sync()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.due(Step::Truncate)?;
        self.file.cut(len)
    }

    fn release(&self) {
        self.file.release();
    }

    fn make_room(&self) -> bool {
        let take = |rooms: usize| rooms.checked_sub(1);
        self.rooms.try_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// A journal on a file that will fail as planned.
fn failing(place: &Place, plan: &[(Step, ErrorKind)]) -> Journal {
    failing_with_room(place, plan, 0)
}

/// The same, where room can be made so many times.
fn failing_with_room(place: &Place, plan: &[(Step, ErrorKind)], rooms: usize) -> Journal {
    place.put(&FORMAT.encode());
    let file = File::options().read(true).write(true).open(&place.path).unwrap();
    let plan = Mutex::new(plan.iter().copied().collect());
    let rooms = AtomicUsize::new(rooms);
    Journal::start(Failing { file, plan, rooms }, HEADER_BYTES).unwrap()
}

fn one(kind: u8) -> Vec<Record> {
    vec![record(kind, b"a record that is long enough to be cut in half")]
}

#[test]
fn a_full_disk_takes_records_in_the_room_that_is_held_back_and_then_no_more() {
    let (full, other) = ((Step::Write, ErrorKind::StorageFull), (Step::Write, ErrorKind::Other));
    for (plan, refused) in
        [(vec![full], None), (vec![full, full], Some(full)), (vec![other], Some(other))]
    {
        let place = Place::new();
        let journal = failing_with_room(&place, &plan, 1);
        let fault =
            |(step, kind)| AppendError::Refused { fault: Fault { step, kind, os_code: None } };
        assert_eq!(journal.append_blocking(one(1)).err(), refused.map(fault), "{plan:?}");
        journal.append_blocking(one(2)).unwrap();
        journal.close_blocking();
        let first = if refused.is_none() { one(1) } else { Vec::new() };
        assert_eq!(reopen(&place.path).records, [first, one(2)].concat(), "{plan:?}");
    }
}

#[test]
fn a_failed_write_is_undone_and_the_journal_goes_on() {
    let place = Place::new();
    let journal = failing(&place, &[(Step::Write, ErrorKind::StorageFull)]);
    let fault = Fault { step: Step::Write, kind: ErrorKind::StorageFull, os_code: None };
    assert_eq!(journal.append_blocking(one(1)), Err(AppendError::Refused { fault }));
    assert_eq!(place.bytes().len() as u64, HEADER_BYTES);
    assert_eq!(journal.append_blocking(one(2)), Ok(()));
    let stats = journal.stats();
    assert_eq!((stats.records, stats.commits, stats.refused), (1, 1, 1));
    journal.close_blocking();
    assert_eq!(reopen(&place.path).records, one(2));
}

#[test]
fn a_failed_sync_ends_the_journal() {
    let place = Place::new();
    let plan = [(Step::Sync, ErrorKind::Other), (Step::Sync, ErrorKind::TimedOut)];
    let journal = failing(&place, &plan);
    let cause = Fault { step: Step::Sync, kind: ErrorKind::Other, os_code: None };
    for kind in 1..4 {
        assert_eq!(journal.append_blocking(one(kind)), Err(AppendError::Poisoned { cause }));
    }
    assert_eq!(journal.stats(), JournalStats { refused: 3, ..JournalStats::default() });
    journal.close_blocking();
    assert_eq!(reopen(&place.path).records, [], "what was never synced is not replayed");
}

#[test]
fn a_failed_truncation_ends_the_journal() {
    let place = Place::new();
    let journal = failing(
        &place,
        &[(Step::Write, ErrorKind::StorageFull), (Step::Truncate, ErrorKind::ReadOnlyFilesystem)],
    );
    let kind = ErrorKind::ReadOnlyFilesystem;
    let cause = Fault { step: Step::Truncate, kind, os_code: None };
    for kind in 1..4 {
        assert_eq!(journal.append_blocking(one(kind)), Err(AppendError::Poisoned { cause }));
    }
    journal.close_blocking();
    let recovery = reopen(&place.path);
    assert_eq!(recovery.records, []);
    assert!(recovery.torn_tail.is_some(), "the half-written record is cut at the next opening");
}

/// A file system of 256 KiB, unmounted at the end.
struct Tiny {
    directory: tempfile::TempDir,
}

impl Tiny {
    /// `None` where mounting is not allowed.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(directory.path())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self { directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "unmount {:?}", self.path());
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let Some(tiny) = Tiny::mount() else {
        eprintln!("SKIPPED: a_full_disk_refuses_and_recovers must be root to mount a tmpfs");
        return;
    };
    let (path, filler) = (tiny.path().join("journal"), tiny.path().join("filler"));
    fs::write(&filler, vec![1; 128 << 10]).unwrap();
    let (journal, _) = Journal::open(&path).unwrap();

    let mut acknowledged = Vec::new();
    let mut refused = 0;
    // Batches of two records, the second of which no longer fits when the first may.
    for number in 0..60u32 {
        let batch =
            vec![record(1, &number.to_le_bytes().repeat(200)), record(2, &[number as u8; 3000])];
        match journal.append_blocking(batch.clone()) {
            Ok(()) => acknowledged.extend(batch),
            Err(AppendError::Refused { fault }) => {
                assert_eq!((fault.step, fault.kind), (Step::Write, ErrorKind::StorageFull));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0 && !acknowledged.is_empty());
    assert_eq!(journal.stats().refused, refused);

    fs::remove_file(&filler).unwrap();
    let after = record(3, &[7; 3000]);
    journal.append_blocking(vec![after.clone()]).unwrap();
    acknowledged.push(after);
    journal.close_blocking();
    let recovery = reopen(&path);
    assert_eq!(recovery.records, acknowledged);
    assert_eq!((recovery.torn_tail, recovery.damaged), (None, vec![]));
}
