//! Nobody hears of a record before it is on the teller's disk.

use gearmesh_node::core::plant::data::DataEffect;
use gearmesh_node::core::plant::{Answer, Effect};
use gearmesh_node::core::record::Record;
use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::plant::{ControlFrame, LedgerPage};

use super::Invariant;
use crate::world::{Step, World};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "what_is_told_is_on_disk"
    }

    fn after_step(&mut self, world: &World, step: &Step) -> Result<(), String> {
        let store = &world.machines()[step.node].store;
        for end in step.effects.iter().flat_map(ends).flat_map(|ends| ends.ends.iter()) {
            if !store.ever_held(&end.group) {
                return Err("an end of a log was told before it was durable".to_owned());
            }
        }
        let disk = world.machines()[step.node].disk.records();
        for page in step.effects.iter().flat_map(pages) {
            for group in &page.groups {
                let is_on_disk = disk
                    .iter()
                    .any(|record| matches!(record, Record::Group(held) if held == group));
                if !is_on_disk {
                    return Err("a group was told before it was durable".to_owned());
                }
            }
        }
        Ok(())
    }
}

fn pages(effect: &Effect) -> &[LedgerPage] {
    match effect {
        Effect::Send { frame: ControlFrame::Ledger(page), .. } => std::slice::from_ref(page),
        Effect::Answer { answer: Answer::Redeemed(pages), .. } => pages,
        _ => &[],
    }
}

fn ends(effect: &Effect) -> &[LogEnds] {
    match effect {
        Effect::Data(DataEffect::Send { frame: DataFrame::Ends(ends), .. }) => ends,
        _ => &[],
    }
}
