//! Destroying what a home holds: before a machine is sold, or where a copied disk is to become a
//! machine of its own.
//!
//! Files are overwritten before they are removed. Flash memory may keep what was there before for a
//! while; who must be sure has the key revoked.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gearmesh_protocol::local::ErrorBody;

use super::belonging::Held;
use super::contents::CONTENTS;
use super::home::{Home, HomeError};
use super::run::StartError;
use crate::config::FILE_NAME;
use crate::core::plant::ledger::Ledger;
use crate::core::plant::roster::Roster;
use crate::core::record::Record;

/// Bytes that are overwritten at once.
const PIECE_BYTES: usize = 64 * 1024;

/// How the node of a home stands, as far as it knows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belonging {
    /// It joined no plant, was thrown out, or what it holds cannot be read.
    Nobody,
    /// It is a member.
    Member {
        /// Its name.
        name: String,
        /// What people call the plant.
        plant: String,
    },
}

/// How the node of a home stands, while it does not run.
///
/// # Errors
/// A node runs there.
pub fn belonging(home: &Home) -> Result<Belonging, ErrorBody> {
    let held = match Held::open(home) {
        Ok(held) => held,
        Err(error @ StartError::Running { .. }) => return Err(ErrorBody::from(&error)),
        // What cannot be used can be destroyed.
        Err(_) => return Ok(Belonging::Nobody),
    };
    let key = held.key(home).ok();
    held.journal.close_blocking();
    let member = key.and_then(|key| {
        let roster = roster_of(&held.records)?;
        let me = gearmesh_protocol::ids::PublicKey::of(&key);
        let name = roster.member(&me)?.name().to_string();
        Some(Belonging::Member { name, plant: roster.name().as_str().to_owned() })
    });
    Ok(member.unwrap_or(Belonging::Nobody))
}

fn roster_of(records: &[Record]) -> Option<Roster> {
    let mut acts = records.iter().filter_map(|record| match record {
        Record::Act(act) => Some(act.clone()),
        _ => None,
    });
    let mut ledger = Ledger::found(acts.next()?).ok()?;
    acts.for_each(|act| drop(ledger.merge_act(act)));
    let plant = ledger.plant();
    let groups = records.iter().filter_map(|record| match record {
        Record::Group(group) => group.clone().verify(&plant).ok().map(std::sync::Arc::new),
        _ => None,
    });
    drop(ledger.merge_groups(groups.collect()));
    Some(Roster::of(&ledger))
}

/// Destroys what the node of a home has stored, the home itself left out. What else lies there.
///
/// # Errors
/// A node runs there, or the file system said no.
pub fn erase_home(home: &Home) -> Result<Vec<PathBuf>, ErrorBody> {
    drop(belonging(home)?);
    erase_names(home.path(), |_| true).map_err(|error| ErrorBody::from(&error))
}

/// Destroys what makes the node of a home this node, its tokens and its dealings with partners
/// included. The settings stay: they say where the next one listens.
///
/// # Errors
/// A node runs there, or the file system said no.
pub(super) fn erase_identity(home: &Home) -> Result<(), ErrorBody> {
    drop(belonging(home)?);
    let erased = erase_names(home.path(), |name| name != FILE_NAME);
    erased.map(drop).map_err(|error| ErrorBody::from(&error))
}

fn erase_names(home: &Path, goes: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, HomeError> {
    for name in CONTENTS.iter().map(|kept| kept.name).filter(|name| goes(name)) {
        let path = home.join(name);
        let failed = |source| HomeError::Io { step: "destroy", path: path.clone(), source };
        destroy(&path).map_err(failed)?;
        // What follows goes only once this is gone from the disk.
        File::open(home).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    let failed = |source| HomeError::Io { step: "read", path: home.to_owned(), source };
    let rest = std::fs::read_dir(home).map_err(failed)?;
    rest.map(|entry| entry.map(|entry| entry.path()).map_err(failed)).collect()
}

/// Overwrites and removes a file, or all files of a folder and it. Links are removed and not
/// followed.
fn destroy(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if found.is_dir() {
        for entry in std::fs::read_dir(path)? {
            destroy(&entry?.path())?;
        }
        return std::fs::remove_dir(path);
    }
    if found.is_file() {
        overwrite(path, found.len())?;
    }
    std::fs::remove_file(path)
}

fn overwrite(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let piece = vec![0; PIECE_BYTES];
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let now = left.min(PIECE_BYTES);
        file.write_all(&piece[..now])?;
        left -= now;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_stored_goes_and_what_lies_beside_it_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(&folder.path().join("home")).expect("a home");
        home.key().expect("a key");
        let outside = folder.path().join("outside");
        std::fs::write(&outside, b"precious").expect("a file");
        std::fs::create_dir_all(home.data().join("deep")).expect("folders");
        std::fs::write(home.data().join("deep").join("segment"), vec![7; 200_000]).expect("a file");
        std::os::unix::fs::symlink(&outside, home.data().join("link")).expect("a link");
        std::fs::create_dir(home.partners()).expect("a folder");
        for name in ["partner/partner.key", "tokens", FILE_NAME, "notes.txt"] {
            std::fs::write(home.path().join(name), b"mine").expect("a file");
        }
        assert_eq!(belonging(&home).expect("nobody runs"), Belonging::Nobody);
        erase_identity(&home).expect("erased");
        assert!(!home.has_key() && !home.partners().exists());
        assert!(home.path().join(FILE_NAME).exists() && !home.path().join("tokens").exists());
        let left = erase_home(&home).expect("erased");
        assert_eq!(left, [home.path().join("notes.txt")]);
        assert!(!home.has_key() && !home.data().exists());
        assert_eq!(std::fs::read(&outside).expect("a file"), b"precious");
        assert_eq!(erase_home(&home).expect("nothing to do"), left);
    }
}
