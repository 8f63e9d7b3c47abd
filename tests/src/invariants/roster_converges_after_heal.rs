//! Once everybody can reach everybody, all that are members hold the same ledger, and take the same
//! from it, in whatever order it came.

use gearmesh_node::core::plant::ledger::Ledger;
use gearmesh_node::core::plant::roster::Roster;
use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "roster_converges_after_heal"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        if !world.people().all_handed_in() {
            return Err("a record that an admin signed was not taken by anybody".to_owned());
        }
        let mut first = None;
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            let Some(ledger) = world.machines()[node].ledger() else { continue };
            let holds = summary(ledger);
            match &first {
                None => first = Some((node, holds)),
                Some((other, held)) if *held != holds => {
                    return Err(format!("nodes {other} and {node} hold different ledgers"));
                }
                Some((other, _)) if roster(world, *other) != roster(world, node) => {
                    return Err(format!("nodes {other} and {node} read one ledger differently"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn roster(world: &World, node: usize) -> Option<&Roster> {
    world.machines()[node].roster()
}

type Summary = (Vec<RecordId>, Vec<(PublicKey, Vec<GroupId>)>);

/// Where everything ends; all before follows.
fn summary(ledger: &Ledger) -> Summary {
    let ends = |log: &gearmesh_node::core::plant::log::Log| {
        (log.id().author, log.leaves().iter().copied().collect())
    };
    let mut logs: Vec<_> = ledger.logs().into_iter().map(ends).collect();
    logs.sort_unstable();
    (ledger.act_ids().collect(), logs)
}
