//! Looking at the papers of an agreement without a node: nothing is locked or changed, so it may be done
//! while the node runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::topic::Name;

use super::super::home::{Home, HomeError};
use super::super::journal::look;
use super::super::partner::logs;
pub use crate::core::partner::{Paper, Papers};
use crate::core::partner::{PartnerRecord, Partners, Start};
use crate::core::random::Random;

/// What the home of a gateway holds of an agreement, checked; none if it holds none of this name.
///
/// # Errors
/// It cannot be read.
pub fn agreement(home: &Home, name: &Name) -> Result<Option<Papers>, HomeError> {
    let folder = home.partners();
    let path = folder.join("journal");
    let unread = |source| HomeError::Io { step: "read", path: path.clone(), source };
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unread)?,
    };
    let (lines, _) = look(&file).map_err(unread)?;
    let records = lines.iter().filter_map(|it| PartnerRecord::decode(it.kind, &it.payload).ok());
    let start = Start {
        // Nothing is signed: every key does to read what was.
        key: SigningKey::from_bytes(&[0; 32]),
        incarnation: Incarnation([0; 16]),
        random: Random::new([0; 32]),
        records: records.collect(),
        tips: BTreeMap::new(),
    };
    let (core, _) = Partners::restore(start);
    let Some(mut papers) = core.papers(name) else { return Ok(None) };
    for paper in &mut papers.logs {
        check(&folder.join("shares"), paper).map_err(|source| HomeError::Io {
            step: "read",
            path: folder.join("shares"),
            source,
        })?;
        paper.finish();
    }
    Ok(Some(papers))
}

/// Looks at the groups of all gateways that a side has had, in the order of their numbers.
fn check(folder: &Path, paper: &mut Paper) -> io::Result<()> {
    let all = paper.logs.clone();
    if let [log] = &all[..] {
        return logs::walk(folder, log, |bytes| paper.take(bytes));
    }
    let mut groups: BTreeMap<u64, Vec<Vec<u8>>> = BTreeMap::new();
    for log in &all {
        logs::walk(folder, log, |bytes| {
            groups.entry(logs::number_of(bytes)).or_default().push(bytes.to_vec());
        })?;
    }
    groups.values().flatten().for_each(|bytes| paper.take(bytes));
    Ok(())
}
