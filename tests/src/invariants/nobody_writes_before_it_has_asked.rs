//! A node that just started may be older than what members hold of its logs: before its first group
//! it asks somebody, or has tried to for long enough.

use std::collections::BTreeSet;

use gearmesh_node::core::plant::data::DataEffect;
use gearmesh_node::core::plant::{Effect, OWN_LOG_WAIT};
use gearmesh_node::core::record::Record;
use gearmesh_protocol::log::Header;

use super::Invariant;
use crate::world::network::{Side, Stage};
use crate::world::{Step, World};

/// The rule, with the lives that have written, by node.
#[derive(Default)]
pub(super) struct Rule {
    have_written: BTreeSet<(usize, u64)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "nobody_writes_before_it_has_asked"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        let is_own = |header: &Header| {
            header.log.author == machine.key && header.incarnation == machine.incarnation
        };
        let writes = step.effects.iter().any(|effect| match effect {
            Effect::Persist { records, .. } => records.iter().any(|record| match record {
                Record::Group(group) => group.peek().is_ok_and(|(_, header)| is_own(&header)),
                _ => false,
            }),
            Effect::Data(DataEffect::Store { groups, .. }) => {
                groups.iter().any(|group| is_own(group.header()))
            }
            _ => false,
        });
        if !writes || !self.have_written.insert((step.node, machine.life)) {
            return Ok(());
        }
        let is_alone = machine.roster().is_none_or(|roster| roster.members().len() <= 1);
        let has_waited = world.now() >= machine.booted() + OWN_LOG_WAIT;
        match is_alone || has_waited || is_linked(world, step.node) {
            true => Ok(()),
            false => Err("it wrote without a word to anybody".to_owned()),
        }
    }
}

fn is_linked(world: &World, node: usize) -> bool {
    let life = world.machines()[node].life;
    world.network().connections().any(|(_, connection)| {
        let mut ends = [Side::Dialer, Side::Listener].map(|side| connection.end(side)).into_iter();
        ends.any(|end| end.node == node && end.life == life && end.stage == Stage::Up)
    })
}
