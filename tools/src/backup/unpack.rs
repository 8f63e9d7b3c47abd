//! Reading a backup: what it says of itself, and its files, each once.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gearmesh_protocol::refusal::Refusal;
use serde::de::DeserializeOwned;

use super::pack::copy;
use super::seal::Opening;
use super::{About, Entry, HOME, KEYRING, LINE_BYTES_MAX};
use crate::exit::Failure;
use crate::keyring::passphrase;

/// The part of a backup that is wanted.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// The home of the node.
    Node,
    /// The keyring.
    Keyring,
}

impl Only {
    fn of(name: &str) -> Option<(Self, &str)> {
        let (part, rest) = name.split_once('/')?;
        match part {
            HOME => Some((Self::Node, rest)),
            KEYRING => Some((Self::Keyring, rest)),
            _ => None,
        }
    }
}

/// A backup that was opened.
pub(crate) struct Backup {
    from: BufReader<Opening<File>>,
    /// What it says of itself.
    pub(crate) about: About,
}

/// What was in it.
#[derive(Default)]
pub(crate) struct Passed {
    /// How many files.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The journal of the node.
    pub(crate) journal: Option<File>,
}

impl Backup {
    /// Opens a file with its passphrase.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error| {
            let text = format!("{} cannot be read: {error}", path.display());
            Failure::from(Refusal::BackupUnreadable).saying(text)
        };
        let file = File::open(path).map_err(cannot)?;
        let opening = Opening::open(file, || passphrase::ask(&path.display().to_string()))?;
        let mut from = BufReader::new(opening);
        let about = line(&mut from).map_err(wrong)?;
        let about = about.ok_or_else(|| wrong(io::ErrorKind::UnexpectedEof.into()))?;
        Ok(Self { from, about })
    }

    /// Goes through all of it, and puts nothing anywhere. The journal is kept in memory.
    pub(crate) fn look(mut self) -> Result<Passed, Failure> {
        let never = AtomicBool::new(false);
        let mut passed = Passed::default();
        while let Some(entry) = line::<Entry>(&mut self.from).map_err(wrong)? {
            match entry.path == "home/journal" {
                true => {
                    let mut journal = in_memory().map_err(Failure::system)?;
                    copy(&mut self.from, &mut journal, entry.bytes, &never).map_err(wrong)?;
                    passed.journal = Some(journal);
                }
                false => {
                    let mut nowhere = io::sink();
                    copy(&mut self.from, &mut nowhere, entry.bytes, &never).map_err(wrong)?;
                }
            }
            (passed.files, passed.bytes) = (passed.files + 1, passed.bytes + entry.bytes);
        }
        Ok(passed)
    }

    /// Writes the files of these parts below the folder that stands beside each.
    pub(crate) fn write(
        mut self,
        parts: &[(Only, &Path)],
        stop: &AtomicBool,
    ) -> Result<Passed, Failure> {
        let failed = |error: io::Error| match stop.load(Ordering::Relaxed) {
            true => Failure::from(Refusal::Stopped),
            false if error.kind() == io::ErrorKind::InvalidData => wrong(error),
            false => Failure::system(format!("it cannot be written: {error}")),
        };
        let mut passed = Passed::default();
        while let Some(entry) = line::<Entry>(&mut self.from).map_err(wrong)? {
            let (part, below) = safe(&entry.path)?;
            match parts.iter().find(|(wanted, _)| *wanted == part) {
                Some((_, folder)) => {
                    let mut file = create(folder, &below).map_err(failed)?;
                    copy(&mut self.from, &mut file, entry.bytes, stop).map_err(failed)?;
                    file.sync_all().map_err(failed)?;
                    (passed.files, passed.bytes) = (passed.files + 1, passed.bytes + entry.bytes);
                }
                None => {
                    copy(&mut self.from, &mut io::sink(), entry.bytes, stop).map_err(failed)?;
                }
            }
        }
        Ok(passed)
    }
}

fn wrong(error: io::Error) -> Failure {
    let text = format!("the backup is damaged: {error}");
    Failure::from(Refusal::BackupWrong).saying(text)
}

/// A line of JSON; none at the end.
fn line<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut text = Vec::new();
    from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
    match text.is_empty() {
        true => Ok(None),
        false => Ok(Some(serde_json::from_slice(&text)?)),
    }
}

/// A place below the folder of its part, and nowhere else.
fn safe(name: &str) -> Result<(Only, PathBuf), Failure> {
    let outside = || {
        let text = format!("the backup holds a file that belongs nowhere: {name}");
        Failure::from(Refusal::BackupUnreadable).saying(text)
    };
    let (part, below) = Only::of(name).ok_or_else(outside)?;
    let below = PathBuf::from(below);
    let is_below = below.components().all(|step| matches!(step, Component::Normal(_)));
    match is_below && below.file_name().is_some() {
        true => Ok((part, below)),
        false => Err(outside()),
    }
}

fn create(folder: &Path, below: &Path) -> io::Result<File> {
    let path = folder.join(below);
    let above = path.parent().unwrap_or(folder);
    DirBuilder::new().recursive(true).mode(0o700).create(above)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A file that no disk holds.
fn in_memory() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(File::from(rustix::fs::memfd_create("journal", flags)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_below_their_folder_and_nowhere_else() {
        for name in ["home/journal", "home/data/00/1.seg", "keyring/root.key"] {
            assert!(safe(name).is_ok(), "{name}");
        }
        for name in
            ["home", "home/", "/etc/passwd", "home//etc/passwd", "home/../x", "sheets/1", ""]
        {
            assert!(safe(name).is_err(), "{name}");
        }
    }
}
