//! The admin keyring: a directory of its own that the daemon never opens.
//!
//! ```text
//!   <keyring>/       0700
//!     root.key       0600   the secret root key of the plant
//!     genesis        0600   how the plant began, so that the keyring knows its plant
//!     head           0600   the last group this keyring signed, stored before it was handed in
//! ```
//!
//! Whoever has the keyring has the plant. A copy of the directory is its backup.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use gearmesh_node::home::{create_key, read_key, write_private};
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::log::{Group, VerifiedGroup};
use gearmesh_protocol::trust::Act;

use crate::exit::Failure;

/// The secret that signs for a plant.
pub(crate) struct Keyring {
    path: PathBuf,
    key: SigningKey,
    plant: PlantId,
}

impl Keyring {
    /// Draws a root key in a new keyring.
    pub(crate) fn create(path: &Path) -> Result<SigningKey, Failure> {
        if path.exists() {
            return Err(Failure::new(
                format!("there is a keyring at {} already", path.display()),
                "it may hold the only key of a plant: name another with --keyring DIR",
            ));
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
            Failure::plain(format!("cannot create {}: {error}", path.display()))
        })?;
        Ok(create_key(&path.join("root.key"))?)
    }

    /// Stores how the plant began.
    pub(crate) fn store_genesis(path: &Path, genesis: &Act) -> Result<(), Failure> {
        Ok(write_private(&path.join("genesis"), &codec::encode(genesis))?)
    }

    /// Opens the keyring of a plant. What another plant's keyring signs is worth nothing here.
    pub(crate) fn open(path: &Path, wanted: &PlantId) -> Result<Self, Failure> {
        if !path.exists() {
            return Err(Failure::new(
                format!("there is no keyring at {}", path.display()),
                "run this where the plant was founded, or name the keyring with --keyring DIR",
            ));
        }
        let key = read_key(&path.join("root.key"))?;
        let genesis = read(&path.join("genesis"))?;
        let damaged = || {
            Failure::new("the keyring's genesis is damaged", "restore the keyring from its copy")
        };
        let genesis: Act = codec::decode(&genesis, FRAME_BYTES_MAX).map_err(|_| damaged())?;
        let (plant, _, _) = genesis.verify_genesis().map_err(|_| damaged())?;
        if plant != *wanted {
            return Err(Failure::new(
                format!("the keyring at {} is of another plant", path.display()),
                "name the right one with --keyring DIR",
            ));
        }
        Ok(Self { path: path.to_owned(), key, plant })
    }

    /// The plant it signs for.
    pub(crate) const fn plant(&self) -> PlantId {
        self.plant
    }

    /// The key that signs.
    pub(crate) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Its public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::of(&self.key)
    }

    /// The last group it signed, if any.
    pub(crate) fn head(&self) -> Result<Option<VerifiedGroup>, Failure> {
        let path = self.path.join("head");
        if !path.exists() {
            return Ok(None);
        }
        let damaged =
            |_| Failure::new("the keyring's head is damaged", "restore the keyring from its copy");
        Group::read(&self.plant, &read(&path)?).map(Some).map_err(damaged)
    }

    /// Remembers a group before it is handed in, so that a retry hands in the same bytes.
    pub(crate) fn store_head(&self, group: &VerifiedGroup) -> Result<(), Failure> {
        Self::write_head(&self.path, group)
    }

    /// As [`Keyring::store_head`], for a keyring that is being made.
    pub(crate) fn write_head(path: &Path, group: &VerifiedGroup) -> Result<(), Failure> {
        Ok(write_private(&path.join("head"), &codec::encode(group.group()))?)
    }
}

/// A life of the keyring: every act of signing is one.
pub(crate) fn incarnation() -> Result<Incarnation, Failure> {
    Ok(Incarnation(random()?))
}

/// Random bytes from the system.
pub(crate) fn random() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::plain(format!("the system gave no random bytes: {error}")))?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::plain(format!("cannot read {}: {error}", path.display())))
}
