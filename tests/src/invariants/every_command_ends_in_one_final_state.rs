//! A command that was accepted has one outcome in its target's log, once all is calm; and whoever
//! was told that it was done, or failed, is never told anything else.

use std::collections::BTreeMap;

use gearmesh_protocol::entry::CommandState;
use gearmesh_protocol::ids::{CommandId, PublicKey};
use gearmesh_protocol::refusal::Refusal;

use super::Invariant;
use crate::world::{Step, World};

type Key = (usize, PublicKey, CommandId);

/// The rule, with what was told of what was executed, and how much of the list was looked at.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
    told: BTreeMap<Key, CommandState>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "every_command_ends_in_one_final_state"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let told = world.callers().told();
        for told in &told[self.looked_at..] {
            // That is said of another command under the same id.
            if told.state == CommandState::Refused(Refusal::CommandIdTaken) {
                continue;
            }
            let key = (told.node, told.caller, told.id);
            match self.told.get(&key) {
                Some(before) if *before != told.state => {
                    return Err(format!("{told:?} after {before:?}"));
                }
                Some(_) => {}
                None if is_of_an_execution(&told.state) => {
                    self.told.insert(key, told.state.clone());
                }
                None => {}
            }
        }
        self.looked_at = told.len();
        Ok(())
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let mut outcomes: BTreeMap<(PublicKey, CommandId), usize> = BTreeMap::new();
            for (_, record) in world.recorded(node) {
                let outcomes = outcomes.entry((record.caller, record.id)).or_default();
                *outcomes += usize::from(record.state.is_final());
            }
            if let Some((command, count)) = outcomes.into_iter().find(|(_, count)| *count != 1) {
                return Err(format!("{command:?} has {count} outcomes in the log of node {node}"));
            }
        }
        Ok(())
    }
}

/// Whether a state says that a program was at work, and how that ended.
const fn is_of_an_execution(state: &CommandState) -> bool {
    matches!(state, CommandState::Done { .. } | CommandState::Failed { .. })
}
