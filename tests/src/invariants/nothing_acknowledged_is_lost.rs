//! What a publisher was told to be safe is where it was told to be, whatever crashes: on its own
//! disk, and on those of as many members as it asked for. Only an older image takes it away again, or
//! age: its publisher lets it go when another disk has had it. What rots is mended.

use std::collections::BTreeMap;

use super::Invariant;
use crate::world::publishers::Acknowledged;
use crate::world::{Step, World};

/// The rule, with the life of each node and the number of all answers when it was last looked at:
/// what is on a disk goes only between two lives.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: BTreeMap<usize, (u64, usize)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "nothing_acknowledged_is_lost"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        let now = (machine.life, world.publishers().acknowledged().len());
        if self.looked_at.insert(step.node, now) == Some(now) {
            return Ok(());
        }
        let own = world
            .publishers()
            .acknowledged()
            .iter()
            .filter(|acknowledged| acknowledged.node == step.node);
        let is_safe = |told: &&Acknowledged| {
            is_kept(world, step.node, told)
                || is_rightly_old(world, step.node, told)
                || machine.store.is_away(&told.told.group)
        };
        match own.clone().find(|told| !is_safe(told)) {
            Some(lost) => Err(format!("{:?} is not on the disk of its publisher", lost.told)),
            None => Ok(()),
        }
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for acknowledged in world.publishers().acknowledged() {
            let machines = 0..world.machines().len();
            let others = machines.filter(|node| *node != acknowledged.node);
            // A disk that went back was perhaps one of those that were counted, or a member that lied.
            let is_safe = |node: &usize| {
                let (store, group) = (&world.machines()[*node].store, &acknowledged.told.group);
                is_kept(world, *node, acknowledged)
                    || store.was_let_go(group)
                    || store.is_away(group)
                    || world.machines()[*node].is_hostile
            };
            let holding = others.filter(is_safe).count();
            if holding < acknowledged.replicas {
                return Err(format!("{:?} is on {holding} other disks", acknowledged.told));
            }
        }
        Ok(())
    }
}

/// Whether a disk let it go after another one had had it, or a member that lies may have said so.
fn is_rightly_old(world: &World, node: usize, acknowledged: &Acknowledged) -> bool {
    let group = &acknowledged.told.group;
    let mut others = world.machines().iter().enumerate().filter(|(other, _)| *other != node);
    world.machines()[node].store.was_let_go(group)
        && others.any(|(_, machine)| machine.is_hostile || machine.store.ever_held(group))
}

/// Whether a disk has it, or lost what is to be mended.
fn is_kept(world: &World, node: usize, acknowledged: &Acknowledged) -> bool {
    let store = &world.machines()[node].store;
    if store.is_rotten(&acknowledged.told.group) {
        return true;
    }
    let group = store.group(&acknowledged.author, &acknowledged.told.group);
    group.is_some_and(|group| {
        let place = acknowledged.told.entry.checked_sub(group.header().entries_before);
        let entry = place.and_then(|place| group.entries().get(usize::try_from(place).ok()?));
        entry == Some(&acknowledged.entry)
    })
}
