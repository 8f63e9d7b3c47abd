//! Damage to a node's data logs as they lie on its disk.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use gearmesh_protocol::ids::PublicKey;

use super::disk::to_overwrite;
use crate::world::dice::Dice;

/// Bytes that are overwritten in one place, at most.
const PLACE_BYTES_MAX: usize = 4096;

/// The data logs of a home.
pub(super) fn data(home: &Path) -> PathBuf {
    home.join("data")
}

/// The segments of an author's longest row of files that are written on no more, in order.
pub(super) fn closed(home: &Path, author: &PublicKey) -> Vec<PathBuf> {
    let entries = fs::read_dir(data(home).join(author.to_string()));
    let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
    let is_first_row = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with("00000-") && name.ends_with(".seg"))
    };
    let mut found: Vec<PathBuf> = paths.filter(is_first_row).collect();
    found.sort();
    // The last is the one that grows.
    found.pop();
    found
}

/// Overwrites bytes in so many places of a file, each with something else than was there.
pub(super) fn overwrite(path: &Path, places: usize, dice: &mut Dice) -> std::io::Result<()> {
    let file = to_overwrite(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    for _ in 0..places {
        let at = dice.below(length);
        let mut bytes = vec![0; (1 + dice.below(PLACE_BYTES_MAX)).min(length - at)];
        file.read_exact_at(&mut bytes, at as u64)?;
        for byte in &mut bytes {
            *byte ^= 1 + (dice.below(255) as u8);
        }
        file.write_all_at(&bytes, at as u64)?;
    }
    file.sync_all()
}
