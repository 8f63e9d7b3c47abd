//! However a member forks its log, and whatever it names: what nodes keep of it has its bounds.

use gearmesh_node::core::plant::Effect;
use gearmesh_node::core::plant::chain::BRANCHES_MAX;
use gearmesh_node::core::plant::lives::STRANGE_LIVES_MAX;
use gearmesh_protocol::limits::LEAVES_MAX;

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "tables_keep_their_bounds"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        for (author, log) in world.machines()[step.node].store.logs() {
            let (ends, branches) = (log.ends().len(), log.chain().legs().count());
            if ends > LEAVES_MAX || branches > BRANCHES_MAX {
                return Err(format!("{ends} ends and {branches} branches of {author:?}"));
            }
        }
        for effect in &step.effects {
            if let Effect::Publish(view) = effect
                && view.strange_lives.len() > STRANGE_LIVES_MAX
            {
                return Err(format!("{} strange lives", view.strange_lives.len()));
            }
        }
        Ok(())
    }
}
