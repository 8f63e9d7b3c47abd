//! What a disk lost and another one has is there again once everybody can reach everybody.

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "what_rots_is_mended"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let machine = &world.machines()[node];
            let gaps = machine.store.gaps();
            if machine.is_member() && !gaps.is_empty() {
                let gaps: usize = gaps.values().map(Vec::len).sum();
                return Err(format!("node {node} lacks {gaps} groups within its logs"));
            }
        }
        Ok(())
    }
}
