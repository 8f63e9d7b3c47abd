//! What is always true, and what is true again once trouble is over. One file for each.

use std::collections::BTreeSet;
use std::sync::Arc;

use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::VerifiedGroup;

use crate::world::{Step, World};

mod clones_are_cried_with_cause;
mod consumers_get_each_value_in_order_once;
mod data_converges_after_heal;
mod data_logs_never_fork_without_image_restore;
mod every_command_ends_in_one_final_state;
mod every_item_goes_to_its_first_taker;
mod every_item_is_completed_once_or_failed;
mod every_wait_is_bounded;
mod forks_are_alarmed;
mod groups_come_from_their_authors;
mod logs_hang_together;
mod members_find_each_other_again;
mod no_command_is_executed_twice;
mod no_item_is_worked_on_under_two_tokens;
mod no_link_to_a_non_member;
mod nobody_writes_before_it_has_asked;
mod nothing_acknowledged_is_lost;
mod nothing_beyond_a_cut_counts;
mod nothing_withheld_is_delivered;
mod one_admission_per_redemption;
mod own_log_never_forks_without_image_restore;
mod questions_are_answered_once;
mod replicas_have_what_they_are_counted_for;
mod revocation_is_never_undone;
mod roster_converges_after_heal;
mod tables_keep_their_bounds;
mod what_a_caller_wrote_its_target_wrote;
mod what_is_told_is_on_disk;
mod what_rots_is_mended;

/// Something that holds in every run.
pub trait Invariant {
    /// What it says, as its file is called.
    fn name(&self) -> &'static str;

    /// Looks after every input that a node took.
    ///
    /// # Errors
    /// What is wrong.
    fn after_step(&mut self, _world: &World, _step: &Step) -> Result<(), String> {
        Ok(())
    }

    /// Looks when nothing has gone wrong for a while; asked again and again until all agree.
    ///
    /// # Errors
    /// What is still wrong.
    fn when_calm(&mut self, _world: &World) -> Result<(), String> {
        Ok(())
    }
}

/// The one with this name, or none.
#[must_use]
pub fn named(name: &str) -> Vec<Box<dyn Invariant>> {
    all().into_iter().filter(|invariant| invariant.name() == name).collect()
}

/// What holds besides where nothing goes wrong.
#[must_use]
pub fn without_trouble() -> Vec<Box<dyn Invariant>> {
    let mut rules = all();
    rules.push(Box::new(every_item_goes_to_its_first_taker::Rule));
    rules
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<no_link_to_a_non_member::Rule>::default(),
        Box::new(what_is_told_is_on_disk::Rule),
        Box::new(questions_are_answered_once::Rule),
        Box::<revocation_is_never_undone::Rule>::default(),
        Box::new(every_wait_is_bounded::Rule),
        Box::new(one_admission_per_redemption::Rule),
        Box::new(own_log_never_forks_without_image_restore::Rule),
        Box::new(clones_are_cried_with_cause::Rule),
        Box::new(roster_converges_after_heal::Rule),
        Box::new(members_find_each_other_again::Rule),
        Box::<nothing_acknowledged_is_lost::Rule>::default(),
        Box::new(data_logs_never_fork_without_image_restore::Rule),
        Box::new(data_converges_after_heal::Rule),
        Box::new(what_rots_is_mended::Rule),
        Box::<replicas_have_what_they_are_counted_for::Rule>::default(),
        Box::<groups_come_from_their_authors::Rule>::default(),
        Box::new(logs_hang_together::Rule),
        Box::<nobody_writes_before_it_has_asked::Rule>::default(),
        Box::new(nothing_beyond_a_cut_counts::Rule),
        Box::new(forks_are_alarmed::Rule),
        Box::<nothing_withheld_is_delivered::Rule>::default(),
        Box::<consumers_get_each_value_in_order_once::Rule>::default(),
        Box::new(tables_keep_their_bounds::Rule),
        Box::<no_command_is_executed_twice::Rule>::default(),
        Box::<every_command_ends_in_one_final_state::Rule>::default(),
        Box::new(what_a_caller_wrote_its_target_wrote::Rule),
        Box::new(every_item_is_completed_once_or_failed::Rule),
        Box::<no_item_is_worked_on_under_two_tokens::Rule>::default(),
    ]
}

/// Of groups of one log, whether several follow the same one and their author's disk lost no more than
/// it must have for that.
fn forked_without_cause<'a>(
    groups: impl Iterator<Item = &'a Arc<VerifiedGroup>>,
    was_taken: impl Fn(&GroupId) -> bool,
) -> Result<(), String> {
    let mut followed = BTreeSet::new();
    for group in groups.filter(|group| !was_taken(&group.id())) {
        if !followed.insert(group.header().parents.first()) {
            let (author, number) = (group.header().log.author, group.header().number);
            return Err(format!("the log of {author:?} has two branches from group {number} on"));
        }
    }
    Ok(())
}
