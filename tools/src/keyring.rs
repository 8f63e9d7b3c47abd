//! The admin keyring: a directory of its own that the daemon never opens.
//!
//! ```text
//!   <keyring>/       0700
//!     root.key       0600   the secret root key of a plant that has one; or
//!     admin.key      0600   the secret key of an admin, plain or behind a passphrase
//!     genesis        0600   how the plant began, where it was founded
//!     plant          0600   else the id of the plant that the keyring signed for first
//!     head           0600   the last group this keyring signed, stored before it was handed in
//! ```
//!
//! Whoever has the root's keyring has the plant. A copy of the directory is its backup.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use gearmesh_node::home::{HomeError, create_key, read_key, read_private, write_private};
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey, RecordId};
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::{Group, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::Act;
use gearmesh_protocol::words::check_words;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::output;

pub(crate) mod passphrase;
mod sealed;
pub(crate) mod stretch;

use sealed::{NotOpened, is_sealed, seal};

/// Whose key a keyring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Holder {
    /// The one root key of a plant.
    Root,
    /// An admin.
    Admin,
}

impl Holder {
    const fn file(self) -> &'static str {
        match self {
            Self::Root => "root.key",
            Self::Admin => "admin.key",
        }
    }

    /// Whose keyring lies there.
    fn of(path: &Path) -> Self {
        if path.join(Self::Root.file()).exists() { Self::Root } else { Self::Admin }
    }
}

/// Whose keyring lies at a path, as far as that is known without its key.
pub(crate) struct Known {
    /// Whose key it is.
    pub(crate) holder: Holder,
    /// The plant that it signs for, once it does.
    pub(crate) plant: Option<PlantId>,
    /// Whether its key is behind a passphrase.
    pub(crate) is_locked: bool,
}

/// All files that a keyring may have.
pub(crate) const FILES: [&str; 5] = ["root.key", "admin.key", "genesis", "plant", "head"];

/// The secret that signs for a plant.
pub(crate) struct Keyring {
    path: PathBuf,
    key: SigningKey,
    plant: PlantId,
    holder: Holder,
}

/// A keyring whose plant is not founded yet. Unless it is kept it goes again, so that a founding
/// that failed does not stand in the way of the next one.
pub(crate) struct NewKeyring {
    path: PathBuf,
    key: SigningKey,
    is_kept: bool,
}

impl NewKeyring {
    /// Draws a key in a new keyring.
    pub(crate) fn create(path: &Path, holder: Holder) -> Result<Self, Failure> {
        create_new_folder(path)?;
        create_key(&path.join(holder.file()))
            .map(|key| Self { path: path.to_owned(), key, is_kept: false })
            .map_err(|error| {
                // It holds no key of anything.
                drop(std::fs::remove_dir_all(path));
                unusable(&error)
            })
    }

    /// The key.
    pub(crate) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Stores how the plant began.
    pub(crate) fn store_genesis(&self, genesis: &Act) -> Result<(), Failure> {
        write_private(&self.path.join("genesis"), &codec::encode(genesis))
            .map_err(|error| unusable(&error))
    }

    /// Stores the first group it signed.
    pub(crate) fn store_head(&self, group: &VerifiedGroup) -> Result<(), Failure> {
        write_head(&self.path, group)
    }

    /// The plant is founded, or may be: from now on this may be its only key.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for NewKeyring {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is named by the next founding.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

impl Keyring {
    /// Opens the keyring of a plant. What another plant's keyring signs is worth nothing here. A new
    /// one signs for this plant from now on.
    pub(crate) fn open(path: &Path, wanted: &PlantId) -> Result<Self, Failure> {
        let keyring = Self::read(path, wanted)?;
        keyring.keep_plant()?;
        Ok(keyring)
    }

    /// Opens the keyring of a plant. A new one is bound to none by that.
    pub(crate) fn read(path: &Path, wanted: &PlantId) -> Result<Self, Failure> {
        if !path.exists() {
            return Err(missing(path));
        }
        let holder = Holder::of(path);
        let key = read_secret(path, holder)?;
        let plant = noted_plant(path)?.unwrap_or(*wanted);
        if plant != *wanted {
            return Err(Failure::from(Refusal::KeyringForeign)
                .saying(format!("the keyring at {} is of another plant", path.display())));
        }
        Ok(Self { path: path.to_owned(), key, plant, holder })
    }

    /// Binds a keyring to its plant that was bound to none.
    pub(crate) fn keep_plant(&self) -> Result<(), Failure> {
        match noted_plant(&self.path)? {
            Some(_) => Ok(()),
            None => note_plant(&self.path, &self.plant),
        }
    }

    /// The public key of an admin's keyring, which is made if there is none.
    pub(crate) fn of_admin(path: &Path) -> Result<PublicKey, Failure> {
        if !path.exists() {
            let keyring = NewKeyring::create(path, Holder::Admin)?;
            let key = PublicKey::of(keyring.key());
            keyring.keep();
            return Ok(key);
        }
        if Holder::of(path) == Holder::Root {
            return Err(Failure::from(Refusal::KeyringExists)
                .saying(format!("the keyring at {} holds the root key", path.display()))
                .mended_by("name another place for the admin's keyring: --keyring DIR"));
        }
        Ok(PublicKey::of(&read_secret(path, Holder::Admin)?))
    }

    /// Puts the key of a keyring behind another passphrase, or, without one, behind none. Whether it
    /// was behind one before.
    pub(crate) fn lock(path: &Path, is_locked: bool) -> Result<bool, Failure> {
        if !path.exists() {
            return Err(missing(path));
        }
        let holder = Holder::of(path);
        let file = path.join(holder.file());
        let was_locked = is_sealed(&read_private(&file).map_err(|error| unusable(&error))?);
        let key = read_secret(path, holder)?;
        let text = match is_locked {
            true => seal(&key, &passphrase::ask_new(&path.display().to_string())?)?,
            false => hexadecimal(&key),
        };
        let text = Zeroizing::new(text);
        write_private(&file, text.as_bytes()).map_err(|error| unusable(&error))?;
        Ok(was_locked)
    }

    /// The plant that somebody named, or else the one that a keyring signs for.
    pub(crate) fn plant_at(path: &Path, named: Option<PlantId>) -> Result<PlantId, Failure> {
        if !path.exists() {
            return Err(missing(path));
        }
        match named {
            Some(named) => Ok(named),
            None => noted_plant(path)?.ok_or_else(|| Refusal::KeyringNew.into()),
        }
    }

    /// What can be said of a keyring without its key.
    pub(crate) fn look(path: &Path) -> Result<Known, Failure> {
        let holder = Holder::of(path);
        let key = read_private(&path.join(holder.file())).map_err(|error| unusable(&error))?;
        Ok(Known { holder, plant: noted_plant(path)?, is_locked: is_sealed(&key) })
    }

    /// Whether it holds the root key.
    pub(crate) fn is_root(&self) -> bool {
        self.holder == Holder::Root
    }

    /// The record that its groups name as the one that lets it sign.
    pub(crate) fn acting_under(&self, told: Option<RecordId>) -> Result<RecordId, Failure> {
        match self.holder {
            Holder::Root => told.ok_or_else(|| Refusal::RootReplaced.into()),
            Holder::Admin => told.ok_or_else(|| Refusal::NotAnAdmin.into()),
        }
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
        let damaged = |_| damaged(&self.path, "head");
        Group::read(&self.plant, &read(&path)?).map(Some).map_err(damaged)
    }

    /// Remembers a group before it is handed in, so that a retry hands in the same bytes.
    pub(crate) fn store_head(&self, group: &VerifiedGroup) -> Result<(), Failure> {
        write_head(&self.path, group)
    }
}

fn missing(path: &Path) -> Failure {
    Failure::from(Refusal::KeyringMissing)
        .saying(format!("there is no keyring at {}", path.display()))
}

/// The key in a keyring; its passphrase is asked for if it has one.
fn read_secret(path: &Path, holder: Holder) -> Result<SigningKey, Failure> {
    let file = path.join(holder.file());
    let text = read_private(&file).map_err(|error| unusable(&error))?;
    if !is_sealed(&text) {
        return read_key(&file).map_err(|error| unusable(&error));
    }
    let passphrase = passphrase::ask(&path.display().to_string())?;
    sealed::open(&text, &passphrase).map_err(|error| match error {
        NotOpened::Wrong => Refusal::PassphraseWrong.into(),
        NotOpened::Damaged => damaged(path, holder.file()),
    })
}

/// A key as a file holds it that has no passphrase.
fn hexadecimal(key: &SigningKey) -> String {
    let mut text = hex(key.as_bytes());
    text.push('\n');
    text
}

/// The plant that a keyring signs for, if it knows one.
fn noted_plant(path: &Path) -> Result<Option<PlantId>, Failure> {
    let genesis = path.join("genesis");
    if genesis.exists() {
        let damaged = || damaged(path, "genesis");
        let act: Act = codec::decode(&read(&genesis)?, FRAME_BYTES_MAX).map_err(|_| damaged())?;
        let (plant, _, _) = act.verify_genesis().map_err(|_| damaged())?;
        return Ok(Some(plant));
    }
    let note = path.join("plant");
    if !note.exists() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&read(&note)?).trim().to_owned();
    text.parse().map(Some).map_err(|_| damaged(path, "plant"))
}

/// An admin's keyring signs for the plant of the node that it is first used at, and for no other.
fn note_plant(path: &Path, plant: &PlantId) -> Result<(), Failure> {
    write_private(&path.join("plant"), format!("{plant}\n").as_bytes())
        .map_err(|error| unusable(&error))?;
    output::note(format!(
        "from now on this keyring signs for the plant with the check words: {}",
        check_words(plant.as_bytes())
    ));
    Ok(())
}

fn write_head(path: &Path, group: &VerifiedGroup) -> Result<(), Failure> {
    write_private(&path.join("head"), &codec::encode(group.group()))
        .map_err(|error| unusable(&error))
}

/// A file of the keyring does not hold what it should.
fn damaged(path: &Path, file: &str) -> Failure {
    Failure::from(Refusal::KeyringDamaged)
        .saying(format!("{} is damaged", path.join(file).display()))
}

/// A file of the keyring cannot be used.
fn unusable(error: &HomeError) -> Failure {
    match error {
        HomeError::Open { path, .. } => Failure::from(Refusal::KeyringOpen)
            .saying(error)
            .mended_by(format!("chmod go-rwx {}, and look who had access", path.display())),
        HomeError::BadKey { path } => Failure::from(Refusal::KeyringDamaged)
            .saying(format!("{} is no key: 64 hexadecimal digits were expected", path.display())),
        HomeError::Random(_) => ErrorBody::from(error).into(),
        HomeError::Io { .. } | HomeError::NoFolder { .. } | HomeError::PathTooLong { .. } => {
            Failure::from(Refusal::KeyringUnusable).saying(error)
        }
    }
}

/// Makes a folder for secrets that was not there before: only what this run made may be removed by it.
pub(crate) fn create_new_folder(path: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        create_folders(parent)?;
    }
    match create_folder(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::from(Refusal::KeyringExists)
                .saying(format!("there is something at {} already", path.display())))
        }
        Err(error) => Err(not_created(path, &error)),
    }
}

/// Makes a folder and all that are missing above it.
fn create_folders(path: &Path) -> Result<(), Failure> {
    let missing: Vec<&Path> = path.ancestors().take_while(|at| !is_there(at)).collect();
    for folder in missing.into_iter().rev() {
        match create_folder(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(not_created(folder, &error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The empty path is the folder one is in.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

/// Makes a folder that outlives a power cut: its name is in the folder above, which has to reach
/// the disk as well.
fn create_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(path)?;
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    std::fs::File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

fn not_created(path: &Path, error: &std::io::Error) -> Failure {
    Failure::from(Refusal::KeyringUnusable)
        .saying(format!("cannot create {}: {error}", path.display()))
}

/// A life of the keyring: every act of signing is one.
pub(crate) fn incarnation() -> Result<Incarnation, Failure> {
    Ok(Incarnation(random()?))
}

/// Random bytes from the system.
pub(crate) fn random() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::from(HomeError::Random(error)))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_even =
        text.len().is_multiple_of(2) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    is_even.then(|| (0..text.len()).step_by(2).map(byte).collect())?
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::from(Refusal::KeyringUnusable)
            .saying(format!("cannot read {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyring_that_is_not_kept_goes_and_one_that_was_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep").join("keyring");
        drop(NewKeyring::create(&path, Holder::Root).expect("a keyring"));
        assert!(!path.exists(), "nothing stands in the way of the next founding");

        NewKeyring::create(&path, Holder::Root).expect("a keyring").keep();
        let key = std::fs::read(path.join("root.key")).expect("a key");
        assert!(NewKeyring::create(&path, Holder::Root).is_err());
        assert_eq!(std::fs::read(path.join("root.key")).expect("the key"), key);
    }
}
