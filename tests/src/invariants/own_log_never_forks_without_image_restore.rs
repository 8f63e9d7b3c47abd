//! A node goes on where its log ended, however often it crashed: of two groups that follow the same,
//! an older image took one from its disk. Only a hostile member writes both on purpose.

use super::{Invariant, forked_without_cause};
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "own_log_never_forks_without_image_restore"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let Some(ledger) = world.machines()[step.node].ledger() else { return Ok(()) };
        if !step.wrote {
            return Ok(());
        }
        for machine in world.machines().iter().filter(|machine| !machine.is_hostile) {
            let Some(log) = ledger.log(&machine.key) else { continue };
            let taken = &machine.disk.taken().groups;
            forked_without_cause(log.in_order().into_iter(), |group| taken.contains(group))?;
        }
        Ok(())
    }
}
