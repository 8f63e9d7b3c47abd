//! A data log goes on where it ended, however often its author crashed, and every copy of it says
//! the same. Only a disk that went back to an older image may lead to a fork.

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "data_logs_never_fork_without_image_restore"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let honest = world
            .machines()
            .iter()
            .filter(|machine| !machine.is_hostile && !machine.disk.was_put_back());
        let copies = world.machines()[step.node].store.logs();
        for machine in honest {
            if copies.get(&machine.key).is_some_and(|log| log.ends().len() > 1) {
                return Err(format!("the data log of {:?} has two branches", machine.key));
            }
        }
        Ok(())
    }
}
