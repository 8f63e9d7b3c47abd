//! A small disk under one node's home, and how it is filled.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of the disk.
const DISK: &str = "size=16m,mode=0700";

/// Bytes of a home that is moved onto it: enough is left to fill.
pub(super) const HOME_BYTES_MAX: u64 = 13 << 20;

/// What is left free at first, for values to fill.
const LEFT_FREE: u64 = 768 << 10;

/// A home that lies on a small disk while this lives. The node must not run when it is made or
/// goes.
pub(super) struct SmallDisk {
    home: PathBuf,
    /// Where the home was before, and is again afterwards.
    aside: PathBuf,
}

impl SmallDisk {
    /// Moves a home onto a small disk that is full but for a little.
    pub(super) fn under(home: &Path) -> Result<Self, String> {
        let aside = home.with_extension("aside");
        fs::rename(home, &aside).map_err(|error| error.to_string())?;
        let made = DirBuilder::new().mode(0o700).create(home);
        made.map_err(|error| error.to_string())?;
        run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", &text(home)])?;
        let disk = Self { home: home.to_owned(), aside };
        copy(&disk.aside, &disk.home)?;
        disk.fill().map_err(|error| format!("filling the disk: {error}"))?;
        Ok(disk)
    }

    fn filler(&self) -> PathBuf {
        self.home.join("filler")
    }

    fn fill(&self) -> std::io::Result<()> {
        let mut file = File::create(self.filler())?;
        let chunk = vec![1; 64 << 10];
        let full = loop {
            if let Err(error) = file.write_all(&chunk) {
                break error;
            }
        };
        if full.kind() != ErrorKind::StorageFull {
            return Err(full);
        }
        let length = file.metadata()?.len();
        file.set_len(length.saturating_sub(LEFT_FREE))
    }

    /// Makes room.
    pub(super) fn make_room(&self) -> Result<(), String> {
        fs::remove_file(self.filler()).map_err(|error| error.to_string())
    }

    /// Puts the home back where it was, with what it holds now.
    pub(super) fn leave(self) -> Result<(), String> {
        fs::remove_dir_all(&self.aside).map_err(|error| error.to_string())?;
        let made = DirBuilder::new().mode(0o700).create(&self.aside);
        made.map_err(|error| error.to_string())?;
        copy(&self.home, &self.aside)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // After a failed round its node may run still; the mount goes when that ends.
        _ = run("umount", &["--lazy", &text(&self.home)]);
        _ = fs::remove_dir(&self.home);
        _ = fs::rename(&self.aside, &self.home);
    }
}

/// Whether a file system can be mounted here; why not, if not.
pub(super) fn missing() -> Option<String> {
    let probe = || {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let path = text(folder.path());
        run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", &path])?;
        run("umount", &[&path])
    };
    probe().err()
}

/// Bytes of all files below a folder.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) if found.is_file() => found.len(),
        Ok(_) | Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Opens a file to overwrite parts of it.
pub(super) fn to_overwrite(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Copies what a folder holds, but for sockets.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    for entry in fs::read_dir(from).map_err(|error| error.to_string())?.flatten() {
        let is_plain = entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_file());
        if is_plain {
            run("cp", &["-a", &text(&entry.path()), &text(to)])?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program} {}: {}", arguments.join(" "), said.trim()))
        }
    }
}
