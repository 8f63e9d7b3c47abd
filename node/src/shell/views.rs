//! Views: what can be made from the logs at any time, kept so that it need not be.
//!
//! They lie in sled, below `<home>/views`. Nothing acknowledged ever rests on them: sled answers
//! damage with errors, and some of it with panics, so it has a thread of its own, and whatever goes
//! wrong there costs the views and nothing else. Views that cannot be read are taken away and made
//! anew from the logs.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

/// The name of the thread. A panic there, or in sled's own threads, ends no node.
const THREAD: &str = "views";

/// Memory for what was read (1 MiB).
const CACHE_BYTES: u64 = 1 << 20;

/// The step in which the file grows (64 KiB): a home is small.
const GROWTH_BYTES: usize = 64 << 10;

/// How long a start waits for the views; without them it only takes longer.
const LOAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a stop waits for them.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How often it is tried again to open them, and after what pause.
const TRIES_MAX: usize = 10;
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Changes that may wait for the thread; further ones are left out and made at the next start.
const CHANGES_MAX: usize = 1024;

/// All that a view says.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// The open views.
#[derive(Debug)]
pub(super) struct Views {
    changes: SyncSender<Change>,
}

/// Something new in a view.
#[derive(Debug)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    /// Ends it; whoever waits hears by the end of this that the files are let go.
    Close(SyncSender<()>),
}

impl Views {
    /// Opens the views below `dir`, and reads what they say.
    pub(super) fn open(dir: &Path) -> (Self, Rows) {
        let (changes, waiting) = mpsc::sync_channel(CHANGES_MAX);
        let (told, rows) = mpsc::sync_channel(1);
        let dir = dir.to_owned();
        let thread = std::thread::Builder::new().name(THREAD.into());
        if let Err(error) = thread.spawn(move || serve(&dir, &told, &waiting)) {
            tracing::warn!(%error, "no thread for the views; the start takes longer");
        }
        // A thread that is gone or stuck leaves the views empty.
        (Self { changes }, rows.recv_timeout(LOAD_WITHIN).unwrap_or_default())
    }

    /// Remembers something. It may be lost.
    pub(super) fn put(&self, key: Vec<u8>, value: Vec<u8>) {
        drop(self.changes.try_send(Change::Put(key, value)));
    }

    /// Forgets something. It may come back.
    pub(super) fn remove(&self, key: Vec<u8>) {
        drop(self.changes.try_send(Change::Remove(key)));
    }

    /// Writes down what was put, lets the files go, and takes no more; waits for that, but not
    /// for ever. A thread that is stuck is left behind.
    pub(super) fn close(&self) {
        let (told, closed) = mpsc::sync_channel(1);
        if self.changes.try_send(Change::Close(told)).is_ok() {
            let _ = closed.recv_timeout(CLOSE_WITHIN);
        }
    }
}

/// Whether a panic in this thread costs the views and not the node.
pub(super) fn may_panic(thread: Option<&str>) -> bool {
    thread.is_some_and(|name| name == THREAD || name.starts_with("sled"))
}

fn serve(dir: &Path, told: &SyncSender<Rows>, changes: &Receiver<Change>) {
    let Some((db, rows)) = opened(dir) else { return };
    // Who asked may have gone on without an answer.
    drop(told.send(rows));
    let worked = guarded(|| work(&db, changes));
    // Letting them go may fail for the same reason.
    drop(guarded(|| {
        drop(db);
        Ok(())
    }));
    if let Err(cause) = worked {
        tracing::warn!(%cause, "the views are kept no longer; they are made anew at the next start");
        take_away(dir);
    }
}

/// Makes changes until it is to end; then whoever waits for that is told by dropping what is returned.
fn work(db: &sled::Db, changes: &Receiver<Change>) -> Result<Option<SyncSender<()>>, sled::Error> {
    for change in changes {
        match change {
            Change::Put(key, value) => drop(db.insert(key, value)?),
            Change::Remove(key) => drop(db.remove(key)?),
            Change::Close(told) => {
                db.flush()?;
                return Ok(Some(told));
            }
        }
    }
    db.flush()?;
    Ok(None)
}

/// Opens the views, made anew if they cannot be read.
fn opened(dir: &Path) -> Option<(sled::Db, Rows)> {
    let was_there = dir.exists();
    let cause = match opened_in_time(dir) {
        Ok(found) => return Some(found),
        Err(cause) => cause,
    };
    if was_there {
        tracing::warn!(%cause, "the views cannot be read; they are made anew from the logs");
    }
    take_away(dir);
    let found = opened_in_time(dir);
    found.inspect_err(|cause| tracing::warn!(%cause, "there can be no views")).ok()
}

/// Opens them. Whoever had them before may hold them a moment longer than it knows.
fn opened_in_time(dir: &Path) -> Result<(sled::Db, Rows), String> {
    // A folder that cannot be made is found out by opening it.
    drop(DirBuilder::new().mode(0o700).create(dir));
    let mut found = guarded(|| open(dir));
    for _ in 0..TRIES_MAX {
        if found.is_ok() {
            break;
        }
        std::thread::sleep(TRY_EVERY);
        found = guarded(|| open(dir));
    }
    found
}

fn open(dir: &Path) -> Result<(sled::Db, Rows), sled::Error> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
    let config = config.segment_size(GROWTH_BYTES).flush_every_ms(None);
    let db = config.mode(sled::Mode::LowSpace).open()?;
    let row = |row: sled::Result<(sled::IVec, sled::IVec)>| {
        row.map(|(key, value)| (key.to_vec(), value.to_vec()))
    };
    let rows = db.iter().map(row).collect::<Result<Rows, _>>()?;
    Ok((db, rows))
}

fn take_away(dir: &Path) {
    if let Err(error) = std::fs::remove_dir_all(dir) {
        tracing::warn!(%error, path = %dir.display(), "the views cannot be taken away");
    }
}

/// Carries out what may panic on damage.
fn guarded<T>(work: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[(&str, &str)]) -> Rows {
        let row =
            |(key, value): &(&str, &str)| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        texts.iter().map(row).collect()
    }

    fn reopened(dir: &Path) -> Rows {
        let (views, rows) = Views::open(dir);
        views.close();
        rows
    }

    fn filled(dir: &Path) -> Rows {
        let (views, found) = Views::open(dir);
        assert_eq!(found, Rows::new());
        for (key, value) in rows(&[("a", "1"), ("b", "2"), ("c", "3")]) {
            views.put(key, value);
        }
        views.remove(b"b".to_vec());
        views.close();
        rows(&[("a", "1"), ("c", "3")])
    }

    #[test]
    fn what_was_put_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("views");
        let put = filled(&dir);
        assert_eq!(reopened(&dir), put);
        assert_eq!(reopened(&dir), put);
    }

    /// Whatever is done to the files: views open, with what was put or with nothing, and keep what is
    /// put then.
    #[test]
    fn damaged_views_are_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        for (number, damage) in [|_: usize| 0xFF, |_| 0, |at: usize| at as u8].iter().enumerate() {
            let dir = folder.path().join(number.to_string());
            let put = filled(&dir);
            for entry in std::fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let bytes: Vec<u8> =
                        (0..path.metadata().unwrap().len() as usize).map(damage).collect();
                    std::fs::write(path, bytes).unwrap();
                }
            }
            let found = reopened(&dir);
            assert!(found == put || found.is_empty(), "{found:?}");
            std::fs::remove_dir_all(&dir).unwrap();
            assert_eq!(filled(&dir), put);
        }
    }

    #[test]
    fn a_stuck_thread_with_a_full_queue_holds_up_nobody() {
        let (changes, _waiting) = mpsc::sync_channel(1);
        let views = Views { changes };
        for _ in 0..2 {
            views.put(Vec::new(), Vec::new());
        }
        views.close();
    }

    #[test]
    fn panics_are_forgiven_to_the_views_alone() {
        for name in [Some("views"), Some("sled-io-0")] {
            assert!(may_panic(name));
        }
        for name in [None, Some("data"), Some("main")] {
            assert!(!may_panic(name));
        }
    }
}
