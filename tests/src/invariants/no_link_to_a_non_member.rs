//! Once a node has applied a revocation, it has no link to that key that it does not close. One
//! that was thrown out itself may keep its links as long as it takes to tell the others.

use std::collections::BTreeMap;
use std::time::Duration;

use gearmesh_node::core::plant::{OWN_FAREWELL, TICK};

use super::Invariant;
use crate::world::network::{Side, Stage};
use crate::world::{Step, World};

/// The farewell, and the tick that ends it, which may be late where the machine is slow.
const OWN_FAREWELL_MAX: Duration = OWN_FAREWELL.saturating_add(TICK.saturating_mul(4));

/// The rule, with the nodes that are out, by node and life, and since when.
#[derive(Default)]
pub(super) struct Rule {
    out_since: BTreeMap<(usize, u64), Duration>,
    /// Since when a node has each link: whoever takes it for a member may say so anew.
    up_since: BTreeMap<(u64, usize), Duration>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "no_link_to_a_non_member"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        let Some(roster) = machine.roster() else { return Ok(()) };
        let is_member = |node: usize| roster.member(&world.machines()[node].key).is_some();
        let is_out = !is_member(step.node);
        let since = self.out_since.entry((step.node, machine.life)).or_insert_with(|| world.now());
        if !is_out {
            *since = world.now();
        }
        // Whoever stood still meanwhile takes what came first, and then the tick.
        let since = (*since).max(machine.frozen_until);
        let is_over = |since: Duration| world.now().saturating_sub(since) > OWN_FAREWELL_MAX;
        for (name, connection) in world.network().connections() {
            for side in [Side::Dialer, Side::Listener] {
                let end = connection.end(side);
                let is_own = end.node == step.node && end.life == machine.life;
                if !is_own || end.stage != Stage::Up || end.is_closing {
                    continue;
                }
                let peer = connection.end(side.other()).node;
                let up_since = self.up_since.entry((name, step.node)).or_insert(world.now());
                if !is_member(peer) || (is_out && is_over(since.max(*up_since))) {
                    return Err(format!("connection {name} to node {peer} stays open"));
                }
            }
        }
        Ok(())
    }
}
