//! The file of a segment of a data log.

use std::fs;
use std::path::Path;

use gearmesh_node::shell::salvage;
use gearmesh_protocol::log::Group;
use tempfile::TempDir;

use super::read;

/// The first segment of a log.
const NAME: &str = "00000-00000000000000000000.seg";

/// Behind the key of an author, the bytes of a segment. A file that is refused stays as it is. Of any
/// other, whatever is given out fits a record and lies in the file, and opening it again finds the same.
pub fn segment(bytes: &[u8]) {
    let Some((author, file)) = bytes.split_first_chunk::<32>() else { return };
    let home = folder();
    let log = home
        .path()
        .join("data")
        .join(author.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    fs::create_dir_all(&log).expect("a folder");
    let path = log.join(NAME);
    fs::write(&path, file).expect("the bytes");
    let data = home.path().join("data");
    let Ok(found) = salvage(&data) else {
        assert_eq!(fs::read(&path).expect("the file"), file, "a refused file was changed");
        return;
    };
    // A key that is none has no log.
    let found = found.into_values().next().unwrap_or_default();
    for group in &found.groups {
        let is_there = file.windows(group.len()).any(|part| part == group.as_slice());
        assert!(is_there, "a group that is not in the file");
        // Its checksum held, so somebody wrote it; whether it is a group is for its reader to say.
        drop(read::<Group>(group, group.len()));
    }
    if path.exists() {
        let kept = fs::read(&path).expect("the file");
        assert!(file.starts_with(&kept), "what was kept was changed");
    }
    let again = salvage(&data).expect("a log that was opened before").into_values().next();
    assert_eq!(again.unwrap_or_default(), found, "another log when it is opened again");
}

/// A folder in memory where there is one.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("a folder")
}
