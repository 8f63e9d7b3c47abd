//! A node whose disk never went back, and whose key nobody else has, knows every life of its key.

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "clones_are_cried_with_cause"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        if !step.wrote || machine.is_hostile || machine.disk.times_put_back() > 0 {
            return Ok(());
        }
        let strange = machine.plant.as_ref().map(|plant| plant.view().strange_lives);
        match strange.filter(|lives| !lives.is_empty()) {
            None => Ok(()),
            Some(lives) => Err(format!("strange lives of {:?}: {lives:?}", machine.key)),
        }
    }
}
