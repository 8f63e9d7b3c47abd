//! A group first appears at the machine that signed it, in the life that it names. Only people and
//! hostile members sign elsewhere.

use std::collections::BTreeSet;

use gearmesh_node::core::plant::Effect;
use gearmesh_node::core::plant::data::DataEffect;
use gearmesh_node::core::record::Record;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::{Group, Header};

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with all groups that appeared.
#[derive(Default)]
pub(super) struct Rule {
    known: BTreeSet<GroupId>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "groups_come_from_their_authors"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        if self.known.is_empty() {
            let records = world.machines().iter().flat_map(|machine| machine.disk.records());
            self.known.extend(in_records(records).filter_map(|group| Some(group.peek().ok()?.0)));
        }
        for effect in &step.effects {
            match effect {
                Effect::Persist { records, .. } => {
                    for group in in_records(records) {
                        let (id, header) = group.peek().map_err(|error| error.to_string())?;
                        self.appears(world, step.node, id, &header)?;
                    }
                }
                Effect::Data(DataEffect::Store { groups, .. }) => {
                    for group in groups {
                        self.appears(world, step.node, group.id(), group.header())?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Rule {
    fn appears(
        &mut self,
        world: &World,
        node: usize,
        id: GroupId,
        header: &Header,
    ) -> Result<(), String> {
        let (machine, author) = (&world.machines()[node], header.log.author);
        if !self.known.insert(id) {
            return Ok(());
        }
        let is_own = author == machine.key && header.incarnation == machine.incarnation;
        let mut machines = world.machines().iter();
        let by_hostile = machines.any(|machine| machine.key == author && machine.is_hostile);
        if is_own || by_hostile || world.people().wrote(&id) {
            return Ok(());
        }
        Err(format!("{id:?} of {author:?} was not written by it, or in another life"))
    }
}

fn in_records<'a>(
    records: impl IntoIterator<Item = &'a Record>,
) -> impl Iterator<Item = &'a Group> {
    records.into_iter().filter_map(|record| match record {
        Record::Group(group) => Some(group),
        _ => None,
    })
}
