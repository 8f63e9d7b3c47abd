//! Once a node has applied a revocation, it has no link to that key that it does not close.

use super::Invariant;
use crate::world::network::{Side, Stage};
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "no_link_to_a_non_member"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        let Some(roster) = machine.roster() else { return Ok(()) };
        let is_member = |node: usize| roster.member(&world.machines()[node].key).is_some();
        for (name, connection) in world.network().connections() {
            for side in [Side::Dialer, Side::Listener] {
                let end = connection.end(side);
                let is_own = end.node == step.node && end.life == machine.life;
                if !is_own || end.stage != Stage::Up || end.is_closing {
                    continue;
                }
                let peer = connection.end(side.other()).node;
                if !is_member(peer) || !is_member(step.node) {
                    return Err(format!("connection {name} to node {peer} stays open"));
                }
            }
        }
        Ok(())
    }
}
