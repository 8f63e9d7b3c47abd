//! A node's home: one directory with its key, its journal and its socket, readable by its owner.
//!
//! ```text
//!   <home>/           0700
//!     node.key        0600   the node's secret key, 32 bytes in hexadecimal
//!     journal         0600   everything that must survive; locked while a node runs
//!     plant           0600   which plant the journal is of, so that its loss is noticed
//!     node.sock              the local API, while a node runs
//! ```

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of the longest path of a Unix socket (`sun_path` in Linux's unix(7)), without the NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// A node's home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The file system said no.
    #[error("cannot {step} {}: {source}", path.display())]
    Io {
        /// What was tried.
        step: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else than a directory has the name.
    #[error("{} is a file, not a directory", path.display())]
    NoFolder {
        /// What was named.
        path: PathBuf,
    },
    /// Others could read secrets there.
    #[error("{} can be read by others (mode {mode:o}); it holds secrets", path.display())]
    Open {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file is not what it should be.
    #[error("{} is no node key: 64 hexadecimal digits were expected", path.display())]
    BadKey {
        /// The key file.
        path: PathBuf,
    },
    /// The socket would have a name that the system cannot hold.
    #[error(
        "the path of the home is too long for a socket: {} has {bytes} bytes, {max} fit",
        path.display()
    )]
    PathTooLong {
        /// The socket's path.
        path: PathBuf,
        /// Its length.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// The system's source of randomness failed.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

impl Home {
    /// Opens the home at `path`, creating it if it does not exist.
    ///
    /// # Errors
    /// It cannot be created, is open to others, or has too long a path.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let io = |step| move |source| HomeError::Io { step, path: path.to_owned(), source };
        if !path.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io("create"))?;
        }
        let path = path.canonicalize().map_err(io("open"))?;
        if !path.is_dir() {
            return Err(HomeError::NoFolder { path });
        }
        let home = Self { path };
        check_private(&home.path)?;
        let socket = home.socket();
        let bytes = socket.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            return Err(HomeError::PathTooLong { path: socket, bytes, max: SOCKET_PATH_BYTES_MAX });
        }
        Ok(home)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The folder of the data logs.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The folder of a gateway's business with partners: its partner key, what was agreed, and what
    /// was shared.
    #[must_use]
    pub fn partners(&self) -> PathBuf {
        self.path.join("partner")
    }

    /// The socket of the local API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join("node.sock")
    }

    /// The plant that the node of this home belongs to, as it was noted beside the journal.
    ///
    /// # Errors
    /// The note cannot be read.
    pub fn plant(&self) -> Result<Option<String>, HomeError> {
        let path = self.plant_note();
        let io = |source| HomeError::Io { step: "read", path: path.clone(), source };
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(error)),
        }
    }

    /// Notes beside the journal which plant it is of. The journal stays the only truth; the note
    /// tells a home that lost it from one that never had a plant.
    ///
    /// # Errors
    /// The file system said no.
    pub fn note_plant(&self, plant: &str) -> Result<(), HomeError> {
        if self.plant()?.as_deref() == Some(plant) {
            return Ok(());
        }
        write_private(&self.plant_note(), format!("{plant}\n").as_bytes())
    }

    /// The folder that says how far its named consumers have come, where no data log does.
    #[must_use]
    pub fn cursors(&self) -> PathBuf {
        self.path.join("cursors")
    }

    /// Who claimed the machine of this home, as it was noted then: a document of JSON.
    ///
    /// # Errors
    /// The note cannot be read.
    pub(super) fn claimed(&self) -> Result<Option<Vec<u8>>, HomeError> {
        let path = self.path.join("claimed");
        match std::fs::read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HomeError::Io { step: "read", path, source }),
        }
    }

    /// Notes who claimed the machine.
    ///
    /// # Errors
    /// The file system said no.
    pub(super) fn note_claimed(&self, note: &[u8]) -> Result<(), HomeError> {
        write_private(&self.path.join("claimed"), note)
    }

    fn plant_note(&self) -> PathBuf {
        self.path.join("plant")
    }

    /// Whether a key was drawn before.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.path.join("node.key").exists()
    }

    /// The node's key, drawn and stored if there is none.
    ///
    /// # Errors
    /// It cannot be read, written or drawn, or others can read it.
    pub fn key(&self) -> Result<SigningKey, HomeError> {
        let path = self.path.join("node.key");
        if path.exists() { read_key(&path) } else { create_key(&path) }
    }
}

/// Reads a secret key from a file that nobody else can read.
///
/// # Errors
/// It cannot be read, is open to others, or is no key.
pub fn read_key(path: &Path) -> Result<SigningKey, HomeError> {
    let text = read_private(path)?;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    let digits = std::str::from_utf8(&text).map(str::trim).unwrap_or_default();
    let is_hex = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_hex {
        return Err(HomeError::BadKey { path: path.to_owned() });
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap_or(0);
    }
    Ok(SigningKey::from_bytes(&bytes))
}

/// Reads a file of secrets that nobody else can read.
///
/// # Errors
/// It cannot be read, or is open to others.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let io = |step| move |source| HomeError::Io { step, path: path.to_owned(), source };
    check_private(path)?;
    let mut text = Zeroizing::new(Vec::new());
    let mut file = OpenOptions::new().read(true).open(path).map_err(io("open"))?;
    file.read_to_end(&mut text).map_err(io("read"))?;
    Ok(text)
}

/// Draws a secret key and stores it durably in a new file that nobody else can read.
///
/// # Errors
/// No randomness, or the file cannot be written.
pub fn create_key(path: &Path) -> Result<SigningKey, HomeError> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *seed).map_err(HomeError::Random)?;
    let mut text: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    let stored = write_private(path, text.as_bytes());
    text.zeroize();
    stored?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes a file of secrets: complete and durable, or not there.
///
/// # Errors
/// The file system said no.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let io = |step| move |source| HomeError::Io { step, path: path.to_owned(), source };
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft).map_err(io("create"))?;
    file.write_all(bytes).map_err(io("write"))?;
    file.sync_all().map_err(io("write"))?;
    std::fs::rename(&draft, path).map_err(io("rename"))?;
    let folder = path.parent().unwrap_or(path);
    let folder = OpenOptions::new().read(true).open(folder).map_err(io("sync the folder of"))?;
    folder.sync_all().map_err(io("sync the folder of"))
}

fn check_private(path: &Path) -> Result<(), HomeError> {
    let found = std::fs::metadata(path).map_err(|source| HomeError::Io {
        step: "look at",
        path: path.to_owned(),
        source,
    })?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(HomeError::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_once_and_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(&folder.path().join("home")).expect("a home");
        let key = home.key().expect("a key");
        assert_eq!(home.key().expect("the key").to_bytes(), key.to_bytes());
        let mode = std::fs::metadata(home.path().join("node.key")).expect("a file");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_home_or_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("home");
        let home = Home::open(&path).expect("a home");
        home.key().expect("a key");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path.join("node.key"), open).expect("a chmod");
        assert!(matches!(home.key(), Err(HomeError::Open { .. })));
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, open).expect("a chmod");
        assert!(matches!(Home::open(&path), Err(HomeError::Open { .. })));
    }

    #[test]
    fn a_file_is_no_home() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let said = Home::open(file.path()).expect_err("no directory").to_string();
        assert!(said.ends_with("is a file, not a directory"), "{said}");
    }

    #[test]
    fn a_damaged_key_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::open(&folder.path().join("home")).expect("a home");
        for damaged in [&b"no key"[..], b"", &[0xff; 64]] {
            write_private(&home.path().join("node.key"), damaged).expect("a file");
            assert!(matches!(home.key(), Err(HomeError::BadKey { .. })));
        }
    }
}
