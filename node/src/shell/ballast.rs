//! Room that is held back on the disk.
//!
//! A full disk must not keep a node from starting, nor a revocation from being stored: that is how
//! a plant is put right again. So a file without use lies in the home, and goes when the journal
//! finds no room. Durable values are refused meanwhile, as if it were not there. What there is no
//! room for stays away, and what is there stays: flash is not worn by trying again.

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

    /// Adds what it lacks.
    ///
    /// # Errors
    /// The file system said no; then as much of it is there as there was room for.
    fn lay(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
        let lacks = BALLAST_BYTES.saturating_sub(file.metadata()?.len() as usize);
        if lacks == 0 {
            return Ok(());
        }
        // No zeros: some file systems store none.
        file.write_all(&vec![0xBA; lacks])?;
        file.sync_all()
    }

    /// Lets go what there is of it. Whether that made room.
    pub(super) fn release(&self) -> bool {
        let holds_room = self.path.metadata().is_ok_and(|there| there.len() > 0);
        let made_room = holds_room && std::fs::remove_file(&self.path).is_ok();
        if made_room {
            tracing::error!("the disk is full; the room that was held back is used now");
        }
        made_room
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
    fn a_part_of_it_is_kept_and_added_to_and_goes_too() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&folder.path().join("journal"));
        let part = [1; 1000];
        std::fs::write(&ballast.path, part).unwrap();
        ballast.lay().unwrap();
        let laid = std::fs::read(&ballast.path).unwrap();
        assert!(laid.len() == BALLAST_BYTES && laid.starts_with(&part), "{} bytes", laid.len());
        std::fs::write(&ballast.path, part).unwrap();
        assert!(ballast.release() && !ballast.path.exists());
        std::fs::write(&ballast.path, b"").unwrap();
        assert!(!ballast.release(), "no room comes of nothing");
    }

    #[test]
    fn a_full_disk_takes_nothing_away_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&folder.path().join("journal"));
        std::os::unix::fs::symlink("/dev/full", &ballast.path).unwrap();
        for _ in 0..2 {
            assert_eq!(ballast.lay().unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert!(ballast.path.is_symlink());
        }
    }
}
