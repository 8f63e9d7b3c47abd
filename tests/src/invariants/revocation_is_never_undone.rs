//! A key that a node knows as revoked stays revoked there, across restarts, and is no member.
//!
//! Only a disk that went back to an older image may forget what it had learnt since, until others tell
//! it again.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::ids::PublicKey;

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with what every node knew, and how often its disk had gone back then.
#[derive(Default)]
pub(super) struct Rule {
    known: BTreeMap<usize, (u64, BTreeSet<PublicKey>)>,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "revocation_is_never_undone"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let machine = &world.machines()[step.node];
        let Some(roster) = machine.roster() else { return Ok(()) };
        let on_disk =
            || (machine.disk.times_put_back(), roster.revoked().keys().copied().collect());
        let known = self.known.entry(step.node).or_insert_with(on_disk);
        if known.0 != machine.disk.times_put_back() {
            *known = on_disk();
        }
        let known = &mut known.1;
        for key in known.iter() {
            if !roster.revoked().contains_key(key) || roster.member(key).is_some() {
                return Err(format!("{key:?} is back"));
            }
        }
        if step.wrote {
            known.extend(roster.revoked().keys().copied());
        }
        Ok(())
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let sound = (0..world.machines().len()).filter(|node| world.is_sound(*node));
        for node in sound {
            let Some(roster) = world.machines()[node].roster() else { continue };
            let unknown =
                world.people().revoked().iter().find(|key| {
                    !roster.revoked().contains_key(key) || roster.member(key).is_some()
                });
            if let Some(key) = unknown {
                return Err(format!("node {node} does not know that {key:?} was revoked"));
            }
        }
        Ok(())
    }
}
