//! A node goes on where its log ended, however often it crashed. Only a disk that went back to an
//! older image may lead to a fork, and only a hostile member writes one on purpose.

use super::Invariant;
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
        let honest = world
            .machines()
            .iter()
            .filter(|machine| !machine.is_hostile && !machine.disk.was_put_back());
        for machine in honest {
            if ledger.log(&machine.key).is_some_and(|log| log.is_forked()) {
                return Err(format!("the log of {:?} has two branches", machine.key));
            }
        }
        Ok(())
    }
}
