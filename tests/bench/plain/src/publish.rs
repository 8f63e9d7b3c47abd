//! The plain loop: everything in flight goes into one write and one sync.
//!
//! Into a file that grows, as a log is usually written, or over what is there already, so that a
//! sync has no length and no blocks to write down.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use bench_common::{Acks, DurableWords, ready, settle_disks};
use nix::fcntl::{FallocateFlags, fallocate};

/// Bytes of a file that is written over: as long as the node's segments.
const RECYCLED_BYTES: u64 = 8 << 20;
/// So many of them, in turn.
const RECYCLED_FILES: usize = 4;

/// A page of the cache.
const PAGE_BYTES: usize = 4096;

/// Where entries go.
enum Log {
    Growing(File),
    Recycled { files: Vec<File>, at: usize, offset: u64 },
}

pub(crate) fn run(words: &DurableWords) -> Result<()> {
    let mut log = Log::create(words)?;
    settle_disks();
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut acks = Acks::begin(words.span());
    let (mut batch, mut commit, mut more) = (Vec::new(), 0, true);
    while more {
        let begun = Instant::now();
        batch.clear();
        for _ in 0..words.in_flight {
            batch.extend_from_slice(&acks.payload());
        }
        log.commit(&batch)?;
        let now = Instant::now();
        for _ in 0..words.in_flight {
            more = acks.count(begun, now, commit)?;
        }
        commit += 1;
    }
    acks.report()?.print();
    orders.wait_for_stop();
    Ok(())
}

impl Log {
    fn create(words: &DurableWords) -> Result<Self> {
        if !words.recycled {
            return Ok(Self::Growing(new(&words.folder.join("log"))?));
        }
        let files = (0..RECYCLED_FILES).map(|number| {
            let file = new(&words.folder.join(number.to_string()))?;
            fallocate(&file, FallocateFlags::empty(), 0, RECYCLED_BYTES.try_into()?)?;
            // Blocks that were never written are marked so, and the mark would be part of a sync.
            // Page by page: what is written at once is one piece in the cache, all of which counts
            // as written when a byte of it is.
            for offset in (0..RECYCLED_BYTES).step_by(PAGE_BYTES) {
                file.write_all_at(&[0; PAGE_BYTES], offset)?;
            }
            file.sync_all()?;
            Ok(file)
        });
        Ok(Self::Recycled { files: files.collect::<Result<_>>()?, at: 0, offset: 0 })
    }

    fn commit(&mut self, batch: &[u8]) -> Result<()> {
        match self {
            Self::Growing(file) => {
                file.write_all(batch)?;
                file.sync_data()?;
            }
            Self::Recycled { files, at, offset } => {
                if *offset + batch.len() as u64 > RECYCLED_BYTES {
                    (*at, *offset) = ((*at + 1) % files.len(), 0);
                }
                files[*at].write_all_at(batch, *offset)?;
                files[*at].sync_data()?;
                *offset += batch.len() as u64;
            }
        }
        Ok(())
    }
}

fn new(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().write(true).create_new(true).open(path)?)
}
