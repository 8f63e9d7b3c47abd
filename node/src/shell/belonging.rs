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

pub(super) fn open_journal(home: &Home) -> Result<(Journal, Vec<Record>), StartError> {
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
    let Some(note) = home.plant()?.map(|text| Note::read(&text)) else {
        return Ok((journal, records));
    };
    let home = home.path().to_owned();
    if !belongs_to_plant(&records) {
        // As if it were new, the node would be a stranger to its plant, or found another one.
        return Err(StartError::JournalMissing { home, plant: note.plant });
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

/// The key of the member whose journal is in this home; a new one if there is no journal of a
/// member yet.
///
/// # Errors
/// It cannot be had, is gone, or is the key of another member.
pub(super) fn key_of(home: &Home, records: &[Record]) -> Result<SigningKey, StartError> {
    if belongs_to_plant(records) && !home.has_key() {
        return Err(StartError::KeyMissing { home: home.path().to_owned() });
    }
    let key = home.key()?;
    let member = home.plant()?.and_then(|text| Note::read(&text).member);
    if member.is_some_and(|member| member != PublicKey::of(&key)) {
        return Err(StartError::KeyForeign { home: home.path().to_owned() });
    }
    Ok(key)
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

/// Whether a journal holds the beginning of a plant.
pub(super) fn belongs_to_plant(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record, Record::Act(_)))
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
    let (journal, known) = open_journal(home)?;
    let belongs = belongs_to_plant(&known);
    let result = if belongs {
        Err(FoundError::Belongs { home: home.path().to_owned() })
    } else {
        journal.append_blocking(lines(records)).map_err(|error| StartError::from(error).into())
    };
    if result.is_ok()
        && let Some((plant, genesis)) = records.iter().find_map(genesis_of)
    {
        let member = home.key().map(|key| PublicKey::of(&key));
        let text = member.map(|member| Note::text(&plant, &genesis.name, &member));
        text.iter().for_each(|text| write_note(home, text));
    }
    journal.close_blocking();
    result
}

/// The key of a home, and whether its journal belongs to a plant, while no node runs there.
///
/// # Errors
/// The home cannot be used or a node runs there.
pub fn peek(home: &Home) -> Result<(SigningKey, bool), StartError> {
    let (journal, known) = open_journal(home)?;
    let key = key_of(home, &known);
    journal.close_blocking();
    Ok((key?, belongs_to_plant(&known)))
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
