//! A node whose key nobody else has knows every life of its key but those that began after the image
//! that its disk went back to.

use gearmesh_node::core::plant::Effect;
use gearmesh_node::core::plant::view::View;

use super::Invariant;
use crate::world::machine::Machine;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "clones_are_cried_with_cause"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let mut views = step.effects.iter().filter_map(|effect| match effect {
            Effect::Publish(view) => Some(view),
            _ => None,
        });
        views.try_for_each(|view| check(&world.machines()[step.node], view))
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let mut running = world.machines().iter().filter_map(|machine| {
            let plant = machine.plant.as_ref()?;
            Some((machine, plant.view()))
        });
        running.try_for_each(|(machine, view)| check(machine, &view))
    }
}

fn check(machine: &Machine, view: &View) -> Result<(), String> {
    let taken = &machine.disk.taken().lives;
    let strange = view.strange_lives.iter().find(|(life, _)| !taken.contains(life));
    match strange.filter(|_| !machine.is_hostile) {
        None => Ok(()),
        Some((life, seen)) => Err(format!("{life:?} of {:?} is strange: {seen:?}", machine.key)),
    }
}
