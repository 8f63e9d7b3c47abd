//! When a publisher hears that members have its entry, they have it, and not only later. Whether a
//! disk lost it meanwhile is no matter; of a member that lies nobody can know.

use super::Invariant;
use crate::world::{Step, World};

/// The rule, with how many answers were looked at.
#[derive(Default)]
pub(super) struct Rule {
    looked_at: usize,
}

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "replicas_have_what_they_are_counted_for"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        let answers = world.publishers().acknowledged();
        for answer in answers.iter().skip(self.looked_at) {
            self.looked_at += 1;
            let others = world.machines().iter().filter(|machine| machine.key != answer.author);
            let has =
                others.filter(|it| it.is_hostile || it.store.ever_held(&answer.told.group)).count();
            if has < answer.told.replicas {
                let (told, group) = (answer.told.replicas, answer.told.group);
                return Err(format!("{has} members have {group:?}, and {told} were counted"));
            }
        }
        Ok(())
    }
}
