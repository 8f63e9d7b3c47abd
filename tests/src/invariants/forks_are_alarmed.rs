//! A node says of which data logs it knows that they forked, and of no other. Where a person joins the
//! branches, that ends.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::PublicKey;

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "forks_are_alarmed"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let machine = &world.machines()[node];
            let Some(plant) = machine.plant.as_ref().filter(|_| machine.is_member()) else {
                continue;
            };
            let logs = machine.store.logs().iter();
            let forked = logs.filter(|(_, log)| log.ends().len() > 1).map(|(author, _)| *author);
            let forked: BTreeSet<PublicKey> = forked.collect();
            let said: BTreeSet<PublicKey> = plant.view().forked_data.iter().copied().collect();
            if said != forked {
                return Err(format!("node {node} says {said:?} forked, and {forked:?} did"));
            }
            if world.people().settles() && forked.contains(&machine.key) {
                return Err(format!("node {node} was not settled"));
            }
        }
        Ok(())
    }
}
