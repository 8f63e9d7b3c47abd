//! What the storage thread asks of the file system.
//!
//! A trait because the promises that matter most are about disks that fail, and a disk does not
//! fail on demand.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The owner alone: the logs hold the plant's data.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Files held open for writing between commits: opening one costs little, and a node that keeps the
/// logs of thousands must not run out of descriptors.
pub(super) const OPEN_FILES_MAX: usize = 64;

/// Changes to files, each of which either happens or fails with any part of it done.
pub(super) trait Files: Send + 'static {
    /// Makes sure that there is a directory.
    fn make_folder(&mut self, folder: &Path) -> io::Result<()>;
    /// Makes a new, empty file.
    fn create(&mut self, file: &Path) -> io::Result<()>;
    /// How long a file is, in bytes.
    fn length(&mut self, file: &Path) -> io::Result<u64>;
    /// Writes all of `bytes` at `offset`.
    fn write(&mut self, file: &Path, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything written to a file durable.
    fn sync(&mut self, file: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_folder(&mut self, folder: &Path) -> io::Result<()>;
    /// Makes `len` the length, durably.
    fn cut(&mut self, file: &Path, len: u64) -> io::Result<()>;
    /// Takes a file away; [`Files::sync_folder`] makes that durable.
    fn remove(&mut self, file: &Path) -> io::Result<()>;
    /// Called between commits: lets go of what need not be held.
    fn rest(&mut self) {}
}

/// The file system.
#[derive(Debug, Default)]
pub(super) struct Disk {
    open: BTreeMap<PathBuf, File>,
}

impl Disk {
    fn file(&mut self, path: &Path) -> io::Result<&File> {
        if !self.open.contains_key(path) {
            let file = OpenOptions::new().read(true).write(true).open(path)?;
            self.open.insert(path.to_owned(), file);
        }
        self.open.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for Disk {
    fn make_folder(&mut self, folder: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn create(&mut self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)?;
        self.open.insert(path.to_owned(), file);
        Ok(())
    }

    fn length(&mut self, path: &Path) -> io::Result<u64> {
        Ok(self.file(path)?.metadata()?.len())
    }

    fn write(&mut self, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file(path)?.write_all_at(bytes, offset)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?.sync_data()
    }

    fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn cut(&mut self, path: &Path, len: u64) -> io::Result<()> {
        let file = self.file(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.open.remove(path);
        fs::remove_file(path)
    }

    fn rest(&mut self) {
        // All were synced, so that closing them hides no failed write.
        if self.open.len() > OPEN_FILES_MAX {
            self.open.clear();
        }
    }
}
