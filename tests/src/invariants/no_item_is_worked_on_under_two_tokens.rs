//! Nobody works on an item but under a token that its node has written down for that machine; and a node
//! gives a second token for an item only when it has written down that the first is good for nothing
//! any more.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::entry::{FencingToken, WorkState, WorkTaken};
use gearmesh_protocol::ids::WorkId;

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with how much of the list of work was looked at.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "no_item_is_worked_on_under_two_tokens"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let worked = world.offerers().worked();
        for work in &worked[self.looked_at..] {
            let machines = world.machines();
            let offerer = machines.iter().position(|machine| machine.key == work.offerer);
            let Some(offerer) = offerer else { continue };
            // An older image takes away what was written down.
            if machines[offerer].disk.times_put_back() > 0 {
                continue;
            }
            let records = world.recorded_work(offerer);
            let (by, token) = (machines[work.node].key, work.token);
            let given = WorkTaken { by, token };
            if !records.iter().any(|(_, record)| taken(&record.state) == Some(given)) {
                return Err(format!("{work:?}, and nobody wrote down that it may"));
            }
        }
        self.looked_at = worked.len();
        Ok(())
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let mut taken: BTreeMap<WorkId, FencingToken> = BTreeMap::new();
            let mut given: BTreeSet<FencingToken> = BTreeSet::new();
            for (_, record) in world.recorded_work(node) {
                match record.state {
                    WorkState::Taken { token, .. } => {
                        let is_new = given.insert(token);
                        if let Some(before) = taken.insert(record.id, token) {
                            return Err(format!("{token:?} beside {before:?} at node {node}"));
                        }
                        if !is_new && world.machines()[node].disk.times_put_back() == 0 {
                            return Err(format!("{token:?} twice at node {node}"));
                        }
                    }
                    // It says again what was said before.
                    WorkState::Stands(_) => {}
                    _ => drop(taken.remove(&record.id)),
                }
            }
        }
        Ok(())
    }
}

/// Who has an item, as a record says.
fn taken(state: &WorkState) -> Option<WorkTaken> {
    match state {
        WorkState::Taken { by, token } => Some(WorkTaken { by: *by, token: *token }),
        WorkState::Stands(standing) => standing.taken,
        _ => None,
    }
}
