//! What a folder of data logs holds, without a node: for what is to hold of every file, however damaged.

use std::collections::BTreeMap;
use std::path::Path;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;

use super::errors::DataError;
use super::index::Index;
use super::logs::Log;
use super::open;
use super::segment::header_of;

/// Bytes of groups in one page.
const PAGE_BYTES: usize = 256 << 10;

/// The groups of one log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SalvagedLog {
    /// In their canonical bytes, parents before children. Nobody has checked their signatures since
    /// they were stored.
    pub groups: Vec<Vec<u8>>,
    /// Entries that are missing in front of some of them.
    pub missing: u64,
}

/// Reads the data logs below `dir`, as a node that starts there would: torn ends are cut. Nothing in
/// a node calls it: it lets the fuzzer, and the corpus of what that found, read segments.
///
/// # Errors
/// Logs of another format, or under another name; or the operating system refuses something.
pub fn salvage(dir: &Path) -> Result<BTreeMap<PublicKey, SalvagedLog>, DataError> {
    let (logs, opened) = open::open(dir, None, &mut Index::default())?;
    opened.tell();
    Ok(logs.iter().map(|(author, log)| (*author, read(log))).collect())
}

/// As much of a log as can be read.
fn read(log: &Log) -> SalvagedLog {
    let mut found = SalvagedLog::default();
    let mut after = Vec::new();
    while let Ok(page) = log.page(&after, PAGE_BYTES)
        && !page.groups.is_empty()
    {
        found.missing = found.missing.saturating_add(page.gap);
        for group in page.groups {
            // What is no group to this release cannot be gone on from.
            let Some(header) = header_of(&group) else { return found };
            Tip::grow(&mut after, header.id(), &header);
            found.groups.push(group);
        }
        if page.is_last {
            break;
        }
    }
    found
}
