//! All files below a folder, read once from end to end.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use bench_common::{DurableWords, Opened, Report, memory, ready};

/// Read at once: as much as the node reads.
const WINDOW_BYTES: usize = 1 << 20;

/// Reads everything, and says how long it took.
pub(crate) fn open(words: &DurableWords) -> Result<()> {
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let begun = Instant::now();
    let mut window = vec![0; WINDOW_BYTES];
    let mut bytes = 0;
    for file in below(&words.folder)? {
        let mut file = File::open(file)?;
        loop {
            let read = file.read(&mut window)?;
            if read == 0 {
                break;
            }
            bytes += read;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(bytes > 0, "there is nothing to read");
    Report::Opened(Opened { seconds, memory: memory() }).print();
    orders.wait_for_stop();
    Ok(())
}

/// The files below a folder, in order.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}
