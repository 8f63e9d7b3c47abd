//! Whether a home belongs to a plant, and to which: its journal, and the note beside it.

use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::PlantId;
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
    match home.plant()? {
        // As if it were new, the node would be a stranger to its plant, or found another one.
        Some(plant) if !belongs_to_plant(&records) => {
            // The note holds the plant's id and name.
            let plant = plant.split_once(' ').map_or(&plant[..], |(_, name)| name).to_owned();
            Err(StartError::JournalMissing { home: home.path().to_owned(), plant })
        }
        Some(_) | None => Ok((journal, records)),
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
    let plant = plant_text(&roster.plant(), roster.name());
    // Its two syncs are not for the thread that carries the links.
    drop(tokio::task::spawn_blocking(move || note_plant(&home, &plant)).await);
}

fn plant_text(plant: &PlantId, name: &Title) -> String {
    format!("{plant} {}", name.as_str())
}

/// The next start notes it if this one cannot.
fn note_plant(home: &Home, plant: &str) {
    if let Err(error) = home.note_plant(plant) {
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
        note_plant(home, &plant_text(&plant, &genesis.name));
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
    let key = home.key();
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
