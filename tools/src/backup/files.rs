//! Which files a backup takes, and in which order.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gearmesh_node::CONTENTS;
use gearmesh_node::audit;
use gearmesh_node::home::Home;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::refusal::Refusal;
use rustix::fs::OFlags;

use super::{About, AboutKeyring, AboutNode, HOME, KEYRING};
use crate::exit::Failure;
use crate::keyring::{FILES, Keyring};
use crate::signing::now;

/// Where a backup is taken from.
pub(crate) struct Source {
    home: Option<Home>,
    keyring: Option<PathBuf>,
}

/// A file as it is now: what comes behind this length is not taken.
pub(super) struct Found {
    /// How it is called in the backup.
    pub(super) name: String,
    path: PathBuf,
    bytes: u64,
    number: u64,
}

impl Source {
    /// What there is at these places.
    pub(crate) fn at(home: &Path, keyring: &Path) -> Result<Self, Failure> {
        let home = match home.exists() {
            true => Some(Home::open(home)?).filter(Home::has_key),
            false => None,
        };
        let keyring = keyring.exists().then(|| keyring.to_owned());
        match home.is_none() && keyring.is_none() {
            true => Err(Refusal::BackupEmpty.into()),
            false => Ok(Self { home, keyring }),
        }
    }

    /// What the backup says of itself.
    pub(crate) fn about(&self) -> Result<About, Failure> {
        let node = self.home.as_ref().map(about_node).transpose()?;
        let keyring = self.keyring.as_deref().map(about_keyring).transpose()?;
        let release = env!("CARGO_PKG_VERSION").to_owned();
        Ok(About { release, at: now(), node, keyring })
    }

    /// Everything that belongs to it, in the order in which it is to be read: of a node that runs, the
    /// journal before the data logs, and the newest of these first, since the oldest may be let go
    /// meanwhile.
    pub(super) fn files(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        if let Some(home) = &self.home {
            let names = CONTENTS.iter().filter(|kept| kept.is_backed_up);
            for kept in names {
                gather(&home.path().join(kept.name), format!("{HOME}/{}", kept.name), &mut found)?;
            }
        }
        for name in FILES {
            if let Some(keyring) = &self.keyring {
                gather(&keyring.join(name), format!("{KEYRING}/{name}"), &mut found)?;
            }
        }
        Ok(found)
    }
}

fn about_node(home: &Home) -> Result<AboutNode, Failure> {
    let key = PublicKey::of(&home.key()?);
    let plant = audit::journal(home)?.and_then(|looked| looked.plant);
    Ok(AboutNode {
        key,
        name: plant.as_ref().and_then(|plant| plant.members.get(&key).cloned()),
        plant: plant.as_ref().map(|plant| plant.plant),
        plant_name: plant.map(|plant| plant.name),
    })
}

fn about_keyring(path: &Path) -> Result<AboutKeyring, Failure> {
    let known = Keyring::look(path)?;
    Ok(AboutKeyring { holder: known.holder, plant: known.plant, passphrase: known.is_locked })
}

/// Adds a file, or all files of a folder, the last name first. What is neither, or is gone by now, is
/// left out: no link leads a backup elsewhere.
fn gather(path: &Path, name: String, into: &mut Vec<Found>) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if found.is_file() {
        into.push(Found { name, path: path.to_owned(), bytes: found.len(), number: found.ino() });
    } else if found.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
        names.sort();
        for below in names.iter().rev().filter_map(|below| below.to_str()) {
            gather(&path.join(below), format!("{name}/{below}"), into)?;
        }
    }
    Ok(())
}

impl Found {
    /// Its length and its bytes; none if it is gone by now, as old segments go. A file that was
    /// written anew meanwhile is taken as it is now.
    pub(super) fn open(&self) -> io::Result<Option<(u64, impl Read + use<>)>> {
        let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
        let file = match OpenOptions::new().read(true).custom_flags(no_follow).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let now = file.metadata()?;
        let bytes = if now.ino() == self.number { self.bytes } else { now.len() };
        if now.len() < bytes {
            return Err(io::Error::other(format!("{} got shorter", self.path.display())));
        }
        Ok(Some((bytes, file.take(bytes))))
    }
}
