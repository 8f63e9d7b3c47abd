//! A work item of which its node said that it is on the disk is completed once, or reported as failed
//! once, when all is calm; and never both.

use std::collections::BTreeMap;

use gearmesh_protocol::entry::{WorkStage, WorkState};
use gearmesh_protocol::ids::WorkId;

use super::Invariant;
use crate::world::World;

pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "every_item_is_completed_once_or_failed"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            // An older image takes away what was written down of what was promised.
            if world.machines()[node].disk.times_put_back() > 0 {
                continue;
            }
            let mut ends: BTreeMap<WorkId, usize> = BTreeMap::new();
            for (_, record) in world.recorded_work(node) {
                // The log may have let go what it says again.
                if let WorkState::Stands(standing) = &record.state {
                    let is_over = !matches!(standing.stage, WorkStage::Open | WorkStage::Taken);
                    let said = ends.entry(record.id).or_default();
                    *said = (*said).max(usize::from(is_over));
                    continue;
                }
                let is_end =
                    matches!(record.state, WorkState::Completed { .. } | WorkState::Failed { .. });
                *ends.entry(record.id).or_default() += usize::from(is_end);
            }
            let promised = world.offerers().promised().iter();
            for (_, id) in promised.filter(|(offerer, _)| *offerer == node) {
                if !ends.contains_key(id) {
                    return Err(format!("item {id} of node {node} is gone"));
                }
            }
            if let Some((id, count)) = ends.into_iter().find(|(_, count)| *count != 1) {
                return Err(format!("item {id} of node {node} has {count} ends in its log"));
            }
        }
        Ok(())
    }
}
