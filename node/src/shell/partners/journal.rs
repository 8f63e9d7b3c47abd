//! The partner journal at the start of a gateway: it is written anew when most of it is of no use any more.

use std::fs;
use std::io;
use std::path::Path;

use super::super::journal::{Journal, OpenError, Record};
use crate::core::partner::{PartnerRecord, compacted};

/// Records below which a journal stays as it is.
const COMPACTED_FROM: usize = 1024;

/// Records that are written at once.
const AT_ONCE: usize = 8;

/// Opens the journal. What is in it of use.
///
/// # Errors
/// It cannot be opened.
pub(super) fn open(path: &Path) -> Result<(Journal, Vec<PartnerRecord>), OpenError> {
    let (journal, recovery) = Journal::open(path)?;
    let lines = recovery.records.len();
    let records = recovery.records.into_iter().filter_map(|record| {
        PartnerRecord::decode(record.kind, &record.payload)
            .inspect_err(|error| tracing::error!(%error, "a record about partners is not read"))
            .ok()
    });
    let records: Vec<PartnerRecord> = records.collect();
    // What this release cannot read, or is damaged, is kept for whoever can make something of it.
    let is_whole = records.len() == lines && recovery.damaged.is_empty();
    if !is_whole || lines < COMPACTED_FROM {
        return Ok((journal, records));
    }
    let of_use = compacted(records.clone());
    if 2 * of_use.len() > lines {
        return Ok((journal, records));
    }
    let fresh = path.with_extension("new");
    match write(journal, &fresh, &of_use).and_then(|()| fs::rename(&fresh, path)) {
        Ok(()) => tracing::info!(lines, left = of_use.len(), "the partner journal is written anew"),
        Err(error) => tracing::warn!(%error, "the partner journal stays as long as it is"),
    }
    let (journal, _) = Journal::open(path)?;
    Ok((journal, of_use))
}

/// Closes the old journal and writes one beside it; what was begun before is begun anew.
fn write(old: Journal, path: &Path, records: &[PartnerRecord]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The journal has a thread of its own, for which an async one may not wait.
    std::thread::scope(|scope| {
        let written = scope.spawn(move || {
            old.close_blocking();
            let (journal, _) = Journal::open(path).map_err(io::Error::other)?;
            for records in records.chunks(AT_ONCE) {
                let lines = records.iter().map(|record| {
                    let (kind, payload) = record.encode();
                    Record { kind, payload }
                });
                journal.append_blocking(lines.collect()).map_err(io::Error::other)?;
            }
            journal.close_blocking();
            Ok(())
        });
        written.join().unwrap_or_else(|_| Err(io::Error::other("it could not be written")))
    })
}
