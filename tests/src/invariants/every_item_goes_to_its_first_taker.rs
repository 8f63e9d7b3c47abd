//! Where nothing goes wrong, every work item is taken once, and completed by the machine that took it.

use std::collections::BTreeMap;

use gearmesh_protocol::entry::WorkState;
use gearmesh_protocol::ids::WorkId;

use super::Invariant;
use crate::world::World;

pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "every_item_goes_to_its_first_taker"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let promised = world.offerers().promised();
        if promised.is_empty() {
            return Err("nothing was offered".to_owned());
        }
        for node in 0..world.machines().len() {
            let mut steps: BTreeMap<WorkId, Vec<&str>> = BTreeMap::new();
            for (_, record) in world.recorded_work(node) {
                steps.entry(record.id).or_default().push(match record.state {
                    WorkState::New(_) => "new",
                    WorkState::Taken { .. } => "taken",
                    WorkState::Offered => "offered",
                    WorkState::Completed { .. } => "completed",
                    WorkState::Failed { .. } => "failed",
                    WorkState::Stands(_) => "stands",
                });
            }
            for (_, id) in promised.iter().filter(|(offerer, _)| *offerer == node) {
                let steps = steps.get(id).map_or(&[][..], Vec::as_slice);
                if *steps != ["new", "taken", "completed"] {
                    return Err(format!("item {id} of node {node} went {steps:?}"));
                }
            }
        }
        Ok(())
    }
}
