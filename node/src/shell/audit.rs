//! Looking at a home without a node: what its journal proves, and how whole the file is. Nothing is
//! locked or changed, so it may be done while the node runs.

use std::fs::File;
use std::io::ErrorKind;

use super::home::{Home, HomeError};
use super::journal::{Damage, look};
pub use crate::core::plant::audit::Audited;
use crate::core::plant::audit::audit;
use crate::core::record::Record;

/// What a look at a journal found.
#[derive(Debug)]
pub struct Looked {
    /// What it proves of the plant; none if it holds no plant.
    pub plant: Option<Audited>,
    /// Intact records.
    pub records: usize,
    /// Records that this release cannot read.
    pub unread: usize,
    /// Places that are no records although records follow, each with its offset and its bytes.
    pub damaged: Vec<(u64, u64)>,
}

/// Looks at the journal of a home; none if it has none yet.
///
/// # Errors
/// It cannot be read.
pub fn journal(home: &Home) -> Result<Option<Looked>, HomeError> {
    let path = home.journal();
    let io = |source| HomeError::Io { step: "read", path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(io)?,
    };
    look_at(&file).map(Some).map_err(io)
}

/// Looks at a journal that lies somewhere else than in a home.
///
/// # Errors
/// It cannot be read.
pub fn look_at(journal: &File) -> std::io::Result<Looked> {
    let (lines, damaged) = look(journal)?;
    let records: Vec<Record> =
        lines.iter().filter_map(|line| Record::decode(line.kind, &line.payload).ok()).collect();
    let unread = lines.len() - records.len();
    let damaged = damaged.into_iter().map(|Damage { offset, bytes }| (offset, bytes)).collect();
    Ok(Looked { plant: audit(records), records: lines.len(), unread, damaged })
}
