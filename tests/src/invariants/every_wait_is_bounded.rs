//! Every question to a node that runs is answered in a time that has a bound.

use std::time::Duration;

use super::Invariant;
use crate::world::{Step, World};

/// A registrar's wait for its own log, the writes before, and its own write, all of them slow.
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "every_wait_is_bounded"
    }

    fn after_step(&mut self, world: &World, _step: &Step) -> Result<(), String> {
        match world.oldest_question() {
            Some((node, asked)) if world.now() > asked + ANSWER_MAX => {
                Err(format!("node {node} owes an answer since {asked:?}"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        match world.oldest_question() {
            Some((node, asked)) => Err(format!("node {node} still owes an answer since {asked:?}")),
            None => Ok(()),
        }
    }
}
