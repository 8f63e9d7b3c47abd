//! Once everybody can reach everybody, all members that keep copies hold the same data logs.

use std::collections::BTreeMap;

use gearmesh_protocol::ids::{GroupId, PublicKey};

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "data_converges_after_heal"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let nodes = (0..world.machines().len()).filter(|node| world.is_sound(*node));
        let nodes: Vec<usize> = nodes.filter(|node| world.machines()[*node].is_member()).collect();
        let begun = begun(world, &nodes);
        let mut first: Option<(usize, Ends)> = None;
        for node in nodes {
            let holds = ends(world, node, &begun);
            match &first {
                None => first = Some((node, holds)),
                Some((other, held)) if *held != holds => {
                    let differ = held.keys().chain(holds.keys());
                    let differ = differ.filter(|author| held.get(author) != holds.get(author));
                    let counts =
                        |author| (held.get(author).map(Vec::len), holds.get(author).map(Vec::len));
                    let differ: BTreeMap<_, _> =
                        differ.map(|author| (*author, counts(author))).collect();
                    return Err(format!(
                        "nodes {other} and {node} hold different ends: {differ:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

type Ends = BTreeMap<PublicKey, Vec<GroupId>>;

/// Of logs that forked, the number at which the copy begins that begins last: what is not kept from its
/// beginning on takes no branch that begins before that.
fn begun(world: &World, nodes: &[usize]) -> BTreeMap<PublicKey, u64> {
    let mut begun: BTreeMap<PublicKey, (u64, bool)> = BTreeMap::new();
    for (author, log) in nodes.iter().flat_map(|node| world.machines()[*node].store.logs()) {
        let (number, is_forked) = begun.entry(*author).or_default();
        *number = log.chain().floor().max(*number);
        *is_forked |= log.ends().len() > 1;
    }
    let forked = begun.into_iter().filter(|(_, (number, is_forked))| *is_forked && *number > 0);
    forked.map(|(author, (number, _))| (author, number)).collect()
}

/// The ends on which copies agree.
fn ends(world: &World, node: usize, begun: &BTreeMap<PublicKey, u64>) -> Ends {
    let logs = world.machines()[node].store.logs().iter();
    let logs = logs.filter(|(author, _)| world.is_agreed_on(author));
    let ends = logs.map(|(author, log)| {
        let begins_late = |end: &GroupId| {
            let leg = log.chain().legs().find(|leg| leg.tip.group == *end);
            let first = leg.map_or(0, |leg| leg.first());
            begun.get(author).is_none_or(|number| first > *number)
        };
        let ends = log.ends().into_iter().map(|end| end.group).filter(begins_late);
        (*author, ends.collect())
    });
    ends.filter(|(_, ends): &(PublicKey, Vec<GroupId>)| !ends.is_empty()).collect()
}
