//! Whatever crashes, is lost, comes twice or is asked for again: no program is handed the same command
//! a second time.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::{CommandId, PublicKey};

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with what was executed and how much of the list was looked at.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
    seen: BTreeSet<(usize, PublicKey, CommandId)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "no_command_is_executed_twice"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let executed = world.callers().executed();
        for done in &executed[self.looked_at..] {
            let is_first = self.seen.insert((done.node, done.caller, done.id));
            // An older image takes away what was written down of what was done.
            if !is_first && !world.machines()[done.node].disk.was_put_back() {
                return Err(format!("{done:?} once more"));
            }
        }
        self.looked_at = executed.len();
        Ok(())
    }
}
