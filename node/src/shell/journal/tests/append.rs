//! Appending: shared commits, limits, and letting go.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use futures::future::join_all;
use futures::poll;

use super::super::open::FORMAT;
use super::super::writer::Medium;
use super::super::{
    AppendError, BATCH_BYTES_MAX, Journal, JournalStats, QUEUE_BATCHES_MAX, RECORD_BYTES_MAX,
};
use super::{Place, record, reopen, wait_for_release};
use crate::shell::frames::{FRAME_HEAD_BYTES, HEADER_BYTES};

/// A real file whose syncs wait until the test drops the gate.
struct Gated {
    file: File,
    gate: Receiver<()>,
}

impl Medium for Gated {
    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // An error is the gate being gone: open for good.
        let _ = self.gate.recv();
        self.file.sync()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.cut(len)
    }

    fn release(&self) {
        self.file.release();
    }
}

fn gated(path: &Path) -> (Journal, SyncSender<()>) {
    std::fs::write(path, FORMAT.encode()).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    file.try_lock().unwrap();
    let (gate, wait) = sync_channel(0);
    (Journal::start(Gated { file, gate: wait }, HEADER_BYTES).unwrap(), gate)
}

#[tokio::test]
async fn concurrent_appends_share_commits() {
    let place = Place::new();
    let (journal, gate) = gated(&place.path);
    let count = QUEUE_BATCHES_MAX as u64;
    let mut all = Box::pin(join_all(
        (0..count)
            .map(|number| journal.append(vec![record(1, &number.to_le_bytes()), record(2, b"")])),
    ));
    assert!(poll!(&mut all).is_pending(), "nothing is acknowledged before its sync");
    drop(gate);
    assert!(all.await.iter().all(Result::is_ok));

    // What the first sync took, and everything that came meanwhile.
    let stats = journal.stats();
    assert!(stats.commits <= 2, "{stats:?}");
    let bytes = count * (2 * FRAME_HEAD_BYTES as u64 + 8);
    let commits = stats.commits;
    assert_eq!(stats, JournalStats { records: 2 * count, bytes, commits, refused: 0 });
    journal.close().await;
    assert_eq!(reopen_off_the_runtime(&place).await as u64, 2 * count);
}

#[test]
fn appends_from_many_threads_and_tasks_all_come_back() {
    let place = Place::new();
    let (journal, _) = Journal::open(&place.path).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    std::thread::scope(|scope| {
        for kind in 0..4 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..50u8 {
                    journal.append_blocking(vec![record(kind, &[number])]).unwrap();
                }
            });
        }
        let tasks = (0..200u8).map(|number| journal.append(vec![record(9, &[number])]));
        assert!(runtime.block_on(join_all(tasks)).iter().all(Result::is_ok));
    });
    journal.close_blocking();
    let records = reopen(&place.path).records;
    for kind in 0..4 {
        let numbers = records.iter().filter(|record| record.kind == kind);
        let numbers: Vec<u8> = numbers.map(|record| record.payload[0]).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<u8>>(), "one appender's order holds");
    }
    assert_eq!(records.len(), 4 * 50 + 200);
}

#[test]
fn what_is_too_large_is_refused_before_anything_is_written() {
    let place = Place::new();
    let (journal, _) = Journal::open(&place.path).unwrap();
    let fits = record(1, &vec![1; RECORD_BYTES_MAX]);
    let over = record(1, &vec![1; RECORD_BYTES_MAX + 1]);
    assert_eq!(
        journal.append_blocking(vec![record(0, b""), over]),
        Err(AppendError::RecordTooLarge { bytes: RECORD_BYTES_MAX + 1 })
    );
    let count = BATCH_BYTES_MAX / RECORD_BYTES_MAX;
    let bytes = count * (RECORD_BYTES_MAX + FRAME_HEAD_BYTES);
    assert_eq!(
        journal.append_blocking(vec![fits.clone(); count]),
        Err(AppendError::BatchTooLarge { bytes })
    );
    assert_eq!(journal.stats(), JournalStats { refused: 2, ..JournalStats::default() });
    journal.append_blocking(vec![fits.clone(); count - 1]).unwrap();
    journal.close_blocking();
    assert_eq!(reopen(&place.path).records, vec![fits; count - 1]);
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_is_queued() {
    let place = Place::new();
    let (journal, gate) = gated(&place.path);
    let mut all = Box::pin(join_all((0..20).map(|kind| journal.append(vec![record(kind, b"")]))));
    assert!(poll!(&mut all).is_pending());
    drop(all);
    drop(journal);
    drop(gate);
    wait_for_release(&place.path);
    assert_eq!(reopen_off_the_runtime(&place).await, 20);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let place = Place::new();
    let (journal, gate) = gated(&place.path);
    let clone = journal.clone();
    let mut all = Box::pin(join_all((0..20).map(|kind| clone.append(vec![record(kind, b"")]))));
    assert!(poll!(&mut all).is_pending());
    drop(gate);
    journal.close().await;
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(clone.append(vec![record(1, b"late")]).await, Err(AppendError::Closed));
    assert_eq!(reopen_off_the_runtime(&place).await, 20);
    clone.close().await;
}

async fn reopen_off_the_runtime(place: &Place) -> usize {
    let path = place.path.clone();
    tokio::task::spawn_blocking(move || reopen(&path).records.len()).await.unwrap()
}

#[test]
fn an_empty_batch_is_acknowledged_and_leaves_no_trace() {
    let place = Place::new();
    let (journal, _) = Journal::open(&place.path).unwrap();
    journal.append_blocking(vec![]).unwrap();
    journal.close_blocking();
    assert_eq!(place.bytes(), FORMAT.encode());
}
