//! Whom a registrar admitted beyond where its log was cut is a member nowhere.

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "nothing_beyond_a_cut_counts"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let Some(roster) = world.machines()[node].roster() else { continue };
            let mut cut_off = world.people().cut_off().iter();
            if let Some(key) = cut_off.find(|key| roster.member(key).is_some()) {
                return Err(format!("node {node} takes {key:?} for a member"));
            }
        }
        Ok(())
    }
}
