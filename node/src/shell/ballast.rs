//! Room that is held back on the disk.
//!
//! A full disk must not keep a node from starting, nor a revocation from being stored: that is how
//! a plant is put right again. So a file without use lies in the home, and goes when the journal
//! finds no room. Durable values are refused meanwhile, as if it were not there.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::core_handle::CoreHandle;
use crate::core::plant::Input;

/// How much is held back (1 MiB): room for some thousand records of a plant.
const BALLAST_BYTES: usize = 1 << 20;

/// How often it is tried to hold it back again.
const LAY_EVERY: Duration = Duration::from_secs(10);

/// The file that lies there for nothing.
#[derive(Clone, Debug)]
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// The ballast of the home in which this file lies.
    pub(super) fn beside(file: &Path) -> Self {
        Self { path: file.with_file_name("ballast") }
    }

    /// Makes sure that it is there.
    ///
    /// # Errors
    /// The file system said no; then nothing is left of it.
    fn lay(&self) -> io::Result<()> {
        if self.path.metadata().is_ok_and(|there| there.len() == BALLAST_BYTES as u64) {
            return Ok(());
        }
        let laid = fill(&self.path);
        if laid.is_err() {
            drop(std::fs::remove_file(&self.path));
        }
        laid
    }

    /// Lets it go. Whether that made room.
    pub(super) fn release(&self) -> bool {
        let was_there = std::fs::remove_file(&self.path).is_ok();
        if was_there {
            tracing::error!("the disk is full; the room that was held back is used now");
        }
        was_there
    }

    /// Keeps it there as far as that is possible, and tells the core when it is not.
    pub(super) async fn keep(self, core: CoreHandle) {
        loop {
            let ballast = self.clone();
            let laid = tokio::task::spawn_blocking(move || ballast.lay()).await;
            let is_short =
                matches!(laid, Ok(Err(error)) if error.kind() == io::ErrorKind::StorageFull);
            if !core.tell(Input::DiskRoom { is_short }).await {
                return;
            }
            tokio::time::sleep(LAY_EVERY).await;
        }
    }
}

fn fill(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // No zeros: some file systems store none.
    file.write_all(&vec![0xBA; BALLAST_BYTES])?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_laid_once_and_goes_once() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&folder.path().join("journal"));
        assert!(!ballast.release());
        ballast.lay().unwrap();
        let first = ballast.path.metadata().unwrap().modified().unwrap();
        ballast.lay().unwrap();
        assert_eq!(ballast.path.metadata().unwrap().modified().unwrap(), first);
        assert!(ballast.release() && !ballast.path.exists());
        assert!(!ballast.release());
    }

    #[test]
    fn a_part_of_it_is_not_left_lying() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("ballast")).unwrap();
        assert!(Ballast::beside(&folder.path().join("journal")).lay().is_err());
    }
}
