//! A data log goes on where it ended, however often its author crashed, and every copy of it says
//! the same: of two groups that follow the same, an older image took one from the author's disk.

use super::{Invariant, forked_without_cause};
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "data_logs_never_fork_without_image_restore"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let copies = world.machines()[step.node].store.logs();
        for machine in world.machines().iter().filter(|machine| !machine.is_hostile) {
            let Some(log) = copies.get(&machine.key).filter(|log| log.has_branches()) else {
                continue;
            };
            forked_without_cause(log.groups(), |group| machine.store.was_taken(group))?;
        }
        Ok(())
    }
}
