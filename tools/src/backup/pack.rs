//! Writing a backup: complete and durable under its name, or not there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use gearmesh_protocol::refusal::Refusal;

use super::seal::Sealing;
use super::{About, Entry, Source};
use crate::exit::Failure;

/// Bytes copied at once; between two pieces it is looked whether to stop.
const COPIED_AT_ONCE: usize = 256 * 1024;

/// What was written.
pub(crate) struct Packed {
    /// What is in it.
    pub(crate) about: About,
    /// How many files.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// A file that goes unless it is kept.
struct Draft {
    path: PathBuf,
    is_kept: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is sealed, has another name, and is written over by the next.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// Writes a backup into a new file that nobody else can read.
pub(crate) fn pack(
    source: &Source,
    to: &Path,
    passphrase: &str,
    stop: &AtomicBool,
) -> Result<Packed, Failure> {
    let failed = |error: io::Error| match stop.load(Ordering::Relaxed) {
        true => Failure::from(Refusal::Stopped),
        false => Failure::system(format!("{} cannot be written: {error}", to.display())),
    };
    let about = source.about()?;
    let (mut draft, file) = begin(to).map_err(failed)?;
    let mut sealing = Sealing::begin(file, passphrase)?;
    line(&mut sealing, &about).map_err(failed)?;
    let (mut files, mut bytes) = (0, 0);
    for found in source.files().map_err(failed)? {
        let Some((length, from)) = found.open().map_err(failed)? else { continue };
        line(&mut sealing, &Entry { path: found.name, bytes: length }).map_err(failed)?;
        copy(from, &mut sealing, length, stop).map_err(failed)?;
        (files, bytes) = (files + 1, bytes + length);
    }
    let file = sealing.finish().map_err(failed)?;
    file.sync_all().map_err(failed)?;
    keep(&mut draft, to).map_err(failed)?;
    Ok(Packed { about, files, bytes })
}

/// Puts the file under its name, unless something has it by now.
fn keep(draft: &mut Draft, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(&draft.path, to)?;
    draft.is_kept = true;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn begin(to: &Path) -> io::Result<(Draft, File)> {
    let mut path = to.as_os_str().to_owned();
    path.push(".part");
    let draft = Draft { path: PathBuf::from(path), is_kept: false };
    if let Err(error) = std::fs::remove_file(&draft.path)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.path)?;
    Ok((draft, file))
}

fn line(out: &mut impl Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Copies so many bytes, unless it is to stop.
pub(super) fn copy(
    mut from: impl Read,
    into: &mut impl Write,
    bytes: u64,
    stop: &AtomicBool,
) -> io::Result<()> {
    let mut piece = zeroize::Zeroizing::new(vec![0; COPIED_AT_ONCE]);
    let mut left = bytes;
    while left > 0 {
        if stop.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(COPIED_AT_ONCE);
        from.read_exact(&mut piece[..now])?;
        into.write_all(&piece[..now])?;
        left -= now as u64;
    }
    Ok(())
}
