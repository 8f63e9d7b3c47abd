//! Whether a home belongs to a plant, and to which: its journal, and the note beside it.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::topic::Title;
use gearmesh_protocol::trust::Genesis;

use super::core_handle::CoreHandle;
use super::home::Home;
use super::journal::{Journal, OpenError};
use super::run::StartError;
use super::runtime::lines;
use crate::core::record::Record;

/// What a home holds of its plant: the journal, open and locked, and the note beside it.
pub(super) struct Held {
    pub(super) journal: Journal,
    pub(super) records: Vec<Record>,
    note: Option<Note>,
}

impl Held {
    /// Opens the journal of a home.
    ///
    /// # Errors
    /// A node runs there, the journal cannot be used, or it lost the plant that the note names.
    pub(super) fn open(home: &Home) -> Result<Self, StartError> {
        let (journal, records) = open_journal(home)?;
        let note = home.plant()?.map(|text| Note::read(&text));
        let held = Self { journal, records, note };
        match &held.note {
            // As if it were new, the node would be a stranger to its plant, or found another one.
            Some(note) if !held.belongs_to_plant() => Err(StartError::JournalMissing {
                home: home.path().to_owned(),
                plant: note.plant.clone(),
            }),
            Some(_) | None => Ok(held),
        }
    }

    /// Whether the journal holds the beginning of a plant.
    fn belongs_to_plant(&self) -> bool {
        self.records.iter().any(|record| matches!(record, Record::Act(_)))
    }

    /// The key of the member whose journal it is; a new one if it is of no member yet.
    ///
    /// # Errors
    /// It cannot be had, is gone, or is the key of another member.
    pub(super) fn key(&self, home: &Home) -> Result<SigningKey, StartError> {
        if self.belongs_to_plant() && !home.has_key() {
            return Err(StartError::KeyMissing { home: home.path().to_owned() });
        }
        let key = home.key()?;
        let member = self.note.as_ref().and_then(|note| note.member);
        if member.is_some_and(|member| member != PublicKey::of(&key)) {
            return Err(StartError::KeyForeign { home: home.path().to_owned() });
        }
        Ok(key)
    }
}

fn open_journal(home: &Home) -> Result<(Journal, Vec<Record>), StartError> {
    let opened = Journal::open(&home.journal()).map_err(|error| match error {
        OpenError::Locked { .. } => StartError::Running { home: home.path().to_owned() },
        other => StartError::Journal(other),
    });
    let (journal, recovery) = opened?;
    if let Some(tail) = &recovery.torn_tail {
        tracing::warn!(bytes = tail.bytes, "the journal's last write was torn; it was cut off");
    }
    for damage in &recovery.damaged {
        tracing::error!(
            offset = damage.offset,
            bytes = damage.bytes,
            "the journal is damaged here; what is missing comes again from other members"
        );
    }
    let mut records = Vec::new();
    for line in recovery.records {
        match Record::decode(line.kind, &line.payload) {
            Ok(record) => records.push(record),
            Err(error) => tracing::error!(%error, "a record of the journal was not understood"),
        }
    }
    Ok((journal, records))
}

/// What stands beside the journal: the plant's id and name, and in a second line the member's key.
struct Note {
    plant: String,
    member: Option<PublicKey>,
}

impl Note {
    fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let plant = lines.next().unwrap_or_default();
        let plant = plant.split_once(' ').map_or(plant, |(_, name)| name).to_owned();
        Self { plant, member: lines.next().and_then(|key| key.trim().parse().ok()) }
    }

    fn text(plant: &PlantId, name: &Title, member: &PublicKey) -> String {
        format!("{plant} {}\n{member}", name.as_str())
    }
}

/// Notes the plant in the home once the journal holds it.
pub(super) async fn keep_plant_note(core: CoreHandle, home: Home) {
    let mut views = core.views();
    let Ok(view) = views.wait_for(|view| view.roster.is_some()).await.map(|view| view.clone())
    else {
        return;
    };
    let Some(roster) = &view.roster else { return };
    let note = Note::text(&roster.plant(), roster.name(), &view.me);
    // Its two syncs are not for the thread that carries the links.
    drop(tokio::task::spawn_blocking(move || write_note(&home, &note)).await);
}

/// The next start notes it if this one cannot.
fn write_note(home: &Home, note: &str) {
    if let Err(error) = home.note_plant(note) {
        tracing::warn!(%error, "the plant could not be noted in the home");
    }
}

fn genesis_of(record: &Record) -> Option<(PlantId, Genesis)> {
    let Record::Act(act) = record else { return None };
    let (plant, genesis, _) = act.clone().verify_genesis().ok()?;
    Some((plant, genesis))
}

/// Writes what founds a plant into the journal of a home whose node does not run.
///
/// # Errors
/// The home is in use, belongs to a plant already, or cannot be written.
pub fn found(home: &Home, records: &[Record]) -> Result<(), FoundError> {
    let held = Held::open(home)?;
    let result = if held.belongs_to_plant() {
        Err(FoundError::Belongs { home: home.path().to_owned() })
    } else {
        let written = held.journal.append_blocking(lines(records));
        written.map_err(|error| StartError::from(error).into())
    };
    if result.is_ok()
        && let Some((plant, genesis)) = records.iter().find_map(genesis_of)
    {
        let member = home.key().map(|key| PublicKey::of(&key));
        let text = member.map(|member| Note::text(&plant, &genesis.name, &member));
        text.iter().for_each(|text| write_note(home, text));
    }
    held.journal.close_blocking();
    result
}

/// The key of a home, and whether its journal belongs to a plant, while no node runs there.
///
/// # Errors
/// The home cannot be used or a node runs there.
pub fn peek(home: &Home) -> Result<(SigningKey, bool), StartError> {
    let held = Held::open(home)?;
    let (key, belongs) = (held.key(home), held.belongs_to_plant());
    held.journal.close_blocking();
    Ok((key?, belongs))
}

/// Why a plant is not founded.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// The home cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A node belongs to one plant for ever.
    #[error("the node in {} belongs to a plant already", home.display())]
    Belongs {
        /// The home.
        home: PathBuf,
    },
}
