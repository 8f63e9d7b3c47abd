//! Files that say how far the named consumers of an observer have come.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use gearmesh_protocol::entry::CursorRecord;
use gearmesh_protocol::log::LogId;
use gearmesh_protocol::topic::Name;

use super::super::home::{HomeError, write_private};
use crate::core::cursors::{decode, encode};

/// Names whose progress is kept; the one that was written longest ago makes room.
pub(in crate::shell) const NAMES_MAX: usize = 64;

/// The folder of these files.
#[derive(Clone, Debug)]
pub(in crate::shell) struct Cursors {
    folder: PathBuf,
}

impl Cursors {
    /// The files in a folder, which need not exist yet.
    pub(in crate::shell) const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// How far a consumer had come; nothing of one that is new or whose file is damaged.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) async fn read(&self, name: &Name) -> Result<Vec<CursorRecord>, HomeError> {
        let path = self.path(name);
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        // It is given up only when the node stops.
        read.unwrap_or_else(|_| Ok(Vec::new()))
    }

    /// Writes down how far a consumer has come in some logs; of others what was written stays.
    pub(super) async fn update(
        &self,
        name: &Name,
        news: Vec<CursorRecord>,
    ) -> Result<(), HomeError> {
        let (folder, path) = (self.folder.clone(), self.path(name));
        let written = tokio::task::spawn_blocking(move || {
            make_room(&folder, &path)?;
            let by_log = |cursor: CursorRecord| (cursor.log, cursor);
            let mut cursors: BTreeMap<LogId, CursorRecord> =
                read(&path)?.into_iter().map(by_log).collect();
            cursors.extend(news.into_iter().map(by_log));
            write_private(&path, &encode(cursors.into_values()))
        });
        // It is given up only when the node stops; what was not written comes a second time.
        written.await.unwrap_or(Ok(()))
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.as_str())
    }
}

/// What a file holds. One that cannot be read at the moment is not one that is not there.
fn read(path: &Path) -> Result<Vec<CursorRecord>, HomeError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(HomeError::Io { step: "read", path: path.to_owned(), source });
        }
    };
    Ok(decode(&bytes).unwrap_or_else(|| {
        tracing::warn!(path = %path.display(), "a consumer's progress is damaged; it begins anew");
        Vec::new()
    }))
}

/// Makes the folder, and room in it for one more name.
fn make_room(folder: &Path, path: &Path) -> Result<(), HomeError> {
    let io = |step| move |source| HomeError::Io { step, path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(io("create"))?;
    if path.exists() {
        return Ok(());
    }
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io("read"))? {
        let entry = entry.map_err(io("read"))?;
        let written = entry.metadata().and_then(|data| data.modified()).map_err(io("look at"))?;
        files.push((written, entry.path()));
    }
    files.sort_unstable();
    let spare = (files.len() + 1).saturating_sub(NAMES_MAX);
    for (_, oldest) in files.into_iter().take(spare) {
        tracing::warn!(path = %oldest.display(), "too many consumers; the oldest begins anew");
        std::fs::remove_file(&oldest).map_err(io("remove from"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::bounded::Bounded;
    use gearmesh_protocol::ids::PublicKey;
    use gearmesh_protocol::log::LogKind;

    use super::*;

    fn cursor(name: &Name, author: u8) -> CursorRecord {
        let author = PublicKey::of(&SigningKey::from_bytes(&[author; 32]));
        let log = LogId { author, kind: LogKind::Data };
        CursorRecord { consumer: name.clone(), log, leaves: Bounded::new() }
    }

    #[tokio::test]
    async fn progress_is_read_back_damage_is_nothing_and_the_oldest_makes_room() {
        let home = tempfile::TempDir::new().expect("a folder");
        let cursors = Cursors::in_folder(home.path().join("cursors"));
        let name = |number: usize| format!("mes-{number}").parse::<Name>().expect("a name");
        for number in 0..=NAMES_MAX {
            let name = name(number);
            cursors.update(&name, vec![cursor(&name, 7)]).await.expect("written");
            assert_eq!(cursors.read(&name).await.expect("read"), [cursor(&name, 7)]);
        }
        let last = name(NAMES_MAX);
        cursors.update(&last, vec![cursor(&last, 8)]).await.expect("written");
        let read = cursors.read(&last).await.expect("read");
        assert_eq!(read.len(), 2, "what is said of one log leaves the other");
        let kept = std::fs::read_dir(home.path().join("cursors")).expect("a folder").count();
        assert_eq!(kept, NAMES_MAX);
        let file = home.path().join("cursors").join(last.as_str());
        let mut bytes = std::fs::read(&file).expect("a file");
        bytes[20] ^= 1;
        std::fs::write(&file, bytes).expect("a file");
        assert!(cursors.read(&last).await.expect("read").is_empty());
    }

    #[tokio::test]
    async fn what_cannot_be_read_for_the_moment_is_not_written_over() {
        let home = tempfile::TempDir::new().expect("a folder");
        let cursors = Cursors::in_folder(home.path().join("cursors"));
        let name = "mes".parse::<Name>().expect("a name");
        cursors.update(&name, vec![cursor(&name, 7)]).await.expect("written");
        let file = home.path().join("cursors").join("mes");
        let aside = home.path().join("aside");
        std::fs::rename(&file, &aside).expect("moved");
        // Reading a folder as a file fails, for root too.
        std::fs::create_dir(&file).expect("a folder");
        assert!(cursors.read(&name).await.is_err());
        assert!(cursors.update(&name, vec![cursor(&name, 8)]).await.is_err());
        std::fs::remove_dir(&file).expect("removed");
        std::fs::rename(&aside, &file).expect("moved");
        cursors.update(&name, vec![cursor(&name, 8)]).await.expect("written");
        assert_eq!(cursors.read(&name).await.expect("read").len(), 2);
    }
}
