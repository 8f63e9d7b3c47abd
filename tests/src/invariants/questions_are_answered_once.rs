//! A question is answered once, and nobody answers what nobody asked.

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "questions_are_answered_once"
    }

    fn after_step(&mut self, _world: &World, step: &Step) -> Result<(), String> {
        match step.stray_answers {
            0 => Ok(()),
            stray => Err(format!("{stray} answers to no open question")),
        }
    }
}
