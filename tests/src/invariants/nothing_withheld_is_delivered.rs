//! What a key wrote beyond its cut, when somebody else may hold it, is believed by nobody who knows that.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::{GroupId, PublicKey};

use super::Invariant;
use crate::world::readers::is_believed;
use crate::world::{Step, World};

/// The rule, with how many deliveries were looked at.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "nothing_withheld_is_delivered"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let new = &world.readers().deliveries()[self.looked_at..];
        self.looked_at += new.len();
        for given in new.iter().filter(|given| given.is_believed && given.is_accused) {
            let author = given.group.header().log.author;
            if !kept(world, &author).contains(&given.group.id()) {
                return Err(format!("{:?} beyond a cut was delivered", given.group.id()));
            }
        }
        Ok(())
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let machine = &world.machines()[node];
            let Some(roster) = machine.roster() else { continue };
            for (author, leaves) in world.people().accused() {
                let Some(log) = machine.store.logs().get(author) else { continue };
                let kept = kept(world, author);
                // Where a leaf of the cut is not here, what lies before it cannot be told.
                let is_sure = leaves.iter().all(|leaf| log.group(leaf).is_some());
                for group in log.groups() {
                    let (is_kept, believes) =
                        (kept.contains(&group.id()), is_believed(roster, log, group));
                    let is_wrong = if believes { !is_kept } else { is_kept && is_sure };
                    // Forged groups name no membership of their author.
                    let was_member = roster.past(author, &group.header().acting_under).is_some();
                    if is_wrong && was_member {
                        let id = group.id();
                        return Err(format!("node {node} judges {id:?} of {author:?} wrongly"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The groups up to a key's cut, as far as anybody has them.
fn kept(world: &World, author: &PublicKey) -> BTreeSet<GroupId> {
    let logs = world.machines().iter().filter_map(|machine| machine.store.logs().get(author));
    let groups: BTreeMap<GroupId, _> =
        logs.flat_map(|log| log.groups()).map(|group| (group.id(), group)).collect();
    let mut open = world.people().accused().get(author).cloned().unwrap_or_default();
    let mut kept = BTreeSet::new();
    while let Some(id) = open.pop() {
        if kept.insert(id)
            && let Some(group) = groups.get(&id)
        {
            open.extend(group.header().parents.iter().copied());
        }
    }
    kept
}
