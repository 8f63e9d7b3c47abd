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
    seen: BTreeSet<(usize, u64, PublicKey, CommandId)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "no_command_is_executed_twice"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let executed = world.callers().executed();
        for done in &executed[self.looked_at..] {
            // An older image takes away what was written down of what was done.
            let images = world.machines()[done.node].disk.times_put_back();
            if !self.seen.insert((done.node, images, done.caller, done.id)) {
                return Err(format!("{done:?} once more"));
            }
        }
        self.looked_at = executed.len();
        Ok(())
    }
}
