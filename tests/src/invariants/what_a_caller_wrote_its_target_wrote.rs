//! Whatever a caller wrote down of how its command was executed stands in its target's log too. A caller
//! writes beside its target and not after it; but nobody hears of an outcome that is not on its target's disk.

use std::collections::BTreeMap;

use gearmesh_protocol::entry::{CallState, CommandState};
use gearmesh_protocol::ids::{CommandId, PublicKey};

use super::Invariant;
use crate::world::World;

pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "what_a_caller_wrote_its_target_wrote"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let machines = world.machines();
        for target in (0..machines.len()).filter(|node| world.is_sound(*node)) {
            // An older image takes away what was written down.
            if machines[target].disk.times_put_back() > 0 {
                continue;
            }
            let outcomes = world.recorded(target).into_iter().map(|(_, record)| record);
            let outcomes = outcomes.filter(|record| record.state.is_final());
            let outcomes: BTreeMap<(PublicKey, CommandId), CommandState> =
                outcomes.map(|record| ((record.caller, record.id), record.state)).collect();
            for (caller, machine) in machines.iter().enumerate() {
                for record in world.recorded_calls(caller) {
                    let CallState::Ended(state) = record.state else { continue };
                    let is_executed =
                        matches!(state, CommandState::Done { .. } | CommandState::Failed { .. });
                    let is_here = record.target == machines[target].key;
                    let outcome = outcomes.get(&(machine.key, record.id));
                    if is_here && is_executed && outcome != Some(&state) {
                        let (id, wrote) =
                            (record.id, format!("{state:?}, node {target} {outcome:?}"));
                        return Err(format!("of {id:?} node {caller} wrote {wrote}"));
                    }
                }
            }
        }
        Ok(())
    }
}
