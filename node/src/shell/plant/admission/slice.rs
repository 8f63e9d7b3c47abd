//! Reading slices of a ledger that a peer sends.

use std::sync::Arc;

use gearmesh_protocol::ids::PlantId;
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::plant::LedgerPage;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::trust::Act;

use super::AdmissionError;
use crate::core::plant::ledger::Ledger;

/// Signatures checked before other tasks get their turn: about 3 ms of work.
const CHECKED_AT_ONCE: usize = 64;

/// The content of some pages, its signatures checked.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) acts: Vec<Act>,
    pub(super) groups: Vec<Arc<VerifiedGroup>>,
}

impl Slice {
    /// Checks all groups; one that is not what its author signed spoils the whole.
    pub(super) async fn check(
        pages: Vec<LedgerPage>,
        plant: &PlantId,
    ) -> Result<Self, AdmissionError> {
        let (mut acts, mut groups) = (Vec::new(), Vec::new());
        for page in pages {
            acts.extend(page.acts);
            for group in page.groups {
                let checked =
                    group.verify(plant).map_err(|_| AdmissionError::Refused(Refusal::Protocol))?;
                groups.push(Arc::new(checked));
                if groups.len() % CHECKED_AT_ONCE == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(Self { acts, groups })
    }

    /// The ledger that the slice alone makes.
    pub(super) fn ledger(&self) -> Result<Ledger, AdmissionError> {
        let protocol = AdmissionError::Refused(Refusal::Protocol);
        let (genesis, acts) = self.acts.split_first().ok_or(protocol.clone())?;
        let mut ledger = Ledger::found(genesis.clone()).map_err(|_| protocol.clone())?;
        for act in acts {
            ledger.merge_act(act.clone()).map_err(|_| protocol.clone())?;
        }
        for group in &self.groups {
            ledger.merge_group(group).map_err(|_| protocol.clone())?;
        }
        Ok(ledger)
    }
}

/// The plant that the first act of a slice founds.
pub(super) fn plant_of(pages: &[LedgerPage]) -> Result<PlantId, AdmissionError> {
    let genesis = pages.first().and_then(|page| page.acts.first());
    let founded = genesis.and_then(|act| act.clone().verify_genesis().ok());
    founded.map(|(plant, _, _)| plant).ok_or(AdmissionError::Refused(Refusal::Protocol))
}
