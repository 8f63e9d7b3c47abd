//! What a publisher was told to be safe is where it was told to be, whatever crashes: on its own
//! disk, and on those of as many members as it asked for. Only an older image takes it away again.

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
        if machine.disk.was_put_back() {
            return Ok(());
        }
        let now = (machine.life, world.publishers().acknowledged().len());
        if self.looked_at.insert(step.node, now) == Some(now) {
            return Ok(());
        }
        let own = world
            .publishers()
            .acknowledged()
            .iter()
            .filter(|acknowledged| acknowledged.node == step.node);
        match own.clone().find(|told| !is_held(world, step.node, told)) {
            Some(lost) => Err(format!("{:?} is not on the disk of its publisher", lost.told)),
            None => Ok(()),
        }
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for acknowledged in world.publishers().acknowledged() {
            let machines = 0..world.machines().len();
            let others = machines.filter(|node| *node != acknowledged.node);
            let count = |keep: fn(bool, bool) -> bool| {
                let kept = |node: &usize| {
                    let was_put_back = world.machines()[*node].disk.was_put_back();
                    keep(is_held(world, *node, acknowledged), was_put_back)
                };
                others.clone().filter(kept).count()
            };
            // A disk that went back may have been one of those that were counted.
            let holding = count(|is_held, was_put_back| is_held || was_put_back);
            if holding < acknowledged.replicas {
                return Err(format!("{:?} is on {holding} other disks", acknowledged.told));
            }
        }
        Ok(())
    }
}

fn is_held(world: &World, node: usize, acknowledged: &Acknowledged) -> bool {
    let group = world.machines()[node].store.group(&acknowledged.author, &acknowledged.told.group);
    group.is_some_and(|group| {
        let place = acknowledged.told.entry.checked_sub(group.header().entries_before);
        let entry = place.and_then(|place| group.entries().get(usize::try_from(place).ok()?));
        entry == Some(&acknowledged.entry)
    })
}
