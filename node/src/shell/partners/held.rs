//! What lines hold back for their delay, in a file: a stop does not lose it.
//!
//! It says how long each value has still to wait, not until when: while the gateway is stopped nothing of
//! that passes, so nothing crosses too early, whatever clocks do.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gearmesh_protocol::codec;
use gearmesh_protocol::partner_local::Held;

/// Bytes of a checksum in front of the rest.
const SUM_BYTES: usize = 32;

/// Bytes of a file that is read: what all lines of many agreements can hold.
const BYTES_MAX: usize = 1 << 30;

/// The file.
pub(super) struct HeldFile {
    path: PathBuf,
    /// The checksum of what it holds.
    written: Option<[u8; SUM_BYTES]>,
}

impl HeldFile {
    pub(super) const fn at(path: PathBuf) -> Self {
        Self { path, written: None }
    }

    /// What was held back when it was written. What is damaged, or of another release, is gone.
    pub(super) fn read(&self) -> Vec<Held> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            bytes => bytes,
        };
        let sound = bytes.ok().and_then(|bytes| {
            let (sum, rest) = bytes.split_at_checked(SUM_BYTES)?;
            (*sum == sum_of(rest)).then(|| codec::decode(rest, BYTES_MAX).ok())?
        });
        sound.unwrap_or_else(|| {
            tracing::error!("what was held back for partners cannot be read; it is lost");
            Vec::new()
        })
    }

    /// Writes down what is held back, if it is not what the file holds.
    pub(super) fn write(&mut self, held: &Vec<Held>) {
        let bytes = codec::encode(held);
        let sum = sum_of(&bytes);
        if self.written == Some(sum) || (held.is_empty() && !self.path.exists()) {
            return;
        }
        match replace(&self.path, &[&sum[..], &bytes].concat()) {
            Ok(()) => self.written = Some(sum),
            Err(error) => {
                tracing::warn!(%error, "what is held back for partners is not on the disk")
            }
        }
    }
}

fn sum_of(bytes: &[u8]) -> [u8; SUM_BYTES] {
    *blake3::hash(bytes).as_bytes()
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
