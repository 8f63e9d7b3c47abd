//! Unless it was told that something of a log is missing, a consumer gets each of its groups once and after
//! its parents, and in the end all that can be read at its machine.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::GroupId;

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with what consumers were given, by machine and how often they began anew.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
    given: BTreeSet<(usize, u64, GroupId)>,
    /// Parents of what was given.
    passed: BTreeSet<(usize, u64, GroupId)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "consumers_get_each_value_in_order_once"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let new = &world.readers().deliveries()[self.looked_at..];
        self.looked_at += new.len();
        for given in new {
            let (node, begun, id) = (given.node, given.begun, given.group.id());
            // A log that forks may take again what it let go, for a branch that begins there.
            let is_again = world.machines()[node].store.was_let_go(&id);
            // Behind something missing nobody knows for sure which branch a group is on, and so whether the
            // consumer has it: it is given, for nothing may be lost.
            let author = given.group.header().log.author;
            let reader = world.readers().at(node);
            let misses = reader.is_some_and(|reader| reader.misses(&author));
            if !self.given.insert((node, begun, id)) && !is_again && !misses {
                return Err(format!("node {node} got {id:?} twice"));
            }
            if self.passed.contains(&(node, begun, id)) && !is_again && !misses {
                return Err(format!("node {node} got {id:?} after what follows it"));
            }
            let parents = given.group.header().parents.iter();
            self.passed.extend(parents.map(|parent| (node, begun, *parent)));
        }
        Ok(())
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let machine = &world.machines()[node];
            let Some(reader) = world.readers().at(node).filter(|_| machine.is_member()) else {
                continue;
            };
            let logs = machine.store.logs().iter();
            for (_, log) in logs.filter(|(author, _)| !reader.misses(author)) {
                let is_given = |id: GroupId| self.given.contains(&(node, reader.begun(), id));
                if let Some(left) = log.groups().find(|group| !is_given(group.id())) {
                    return Err(format!("node {node} was not given {:?}", left.id()));
                }
            }
        }
        Ok(())
    }
}
