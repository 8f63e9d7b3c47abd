//! Whoever holds a group of a trust log holds its parents.

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "logs_hang_together"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let Some(ledger) = world.machines()[step.node].ledger().filter(|_| step.wrote) else {
            return Ok(());
        };
        for log in ledger.logs_by_key() {
            for group in log.in_order() {
                if !group.header().parents.iter().all(|parent| log.contains(parent)) {
                    return Err(format!("{:?} is held without its parents", group.id()));
                }
            }
        }
        Ok(())
    }
}
