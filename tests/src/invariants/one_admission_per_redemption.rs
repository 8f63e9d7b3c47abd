//! However often a joiner asked, and whatever crashed, one record admits it.
//!
//! Only a redeemer whose disk lost that record to an older image may have written a second one.

use std::collections::BTreeMap;

use gearmesh_node::core::plant::ledger::Ledger;
use gearmesh_protocol::trust::TrustRecord;

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "one_admission_per_redemption"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        match world.machines()[step.node].ledger() {
            Some(ledger) if step.wrote => check(world, ledger),
            Some(_) | None => Ok(()),
        }
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let waiting = (0..world.machines().len())
            .filter(|node| world.is_sound(*node))
            .find(|node| !world.machines()[*node].is_member());
        match waiting {
            Some(node) => Err(format!("node {node} is still no member")),
            None => Ok(()),
        }
    }
}

/// Admissions that the redeemer wrote and its disk did not lose; others mean nothing.
fn check(world: &World, ledger: &Ledger) -> Result<(), String> {
    let redeemer = &world.machines()[0];
    let taken = &redeemer.disk.taken().groups;
    let mut admissions = BTreeMap::new();
    let own = ledger.entries().iter().filter(|entry| entry.author == Some(redeemer.key));
    for entry in own.filter(|entry| entry.group.is_some_and(|group| !taken.contains(&group))) {
        if let Some(TrustRecord::Admission(admission)) =
            entry.entry.as_ref().map(|entry| &entry.record)
        {
            *admissions.entry((admission.invitation, admission.node)).or_insert(0) += 1;
        }
    }
    match admissions.iter().find(|(_, count)| **count > 1) {
        Some(((_, joiner), count)) => Err(format!("{count} admissions of {joiner:?}")),
        None => Ok(()),
    }
}
