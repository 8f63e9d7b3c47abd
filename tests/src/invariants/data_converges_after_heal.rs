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
        let nodes = nodes.filter(|node| world.machines()[*node].is_member());
        let copies: Vec<(usize, BTreeMap<PublicKey, Ends>)> =
            nodes.map(|node| (node, copies(world, node))).collect();
        for (node, held) in &copies {
            for (other, holds) in &copies {
                for (author, ends) in held {
                    ends.all_in(holds.get(author)).map_err(|end| {
                        format!("of {author}, node {node} holds the end {end}, and node {other} does not")
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// Where a copy of a log begins, and where it ends.
struct Ends {
    floor: u64,
    /// Of each end the number from which on it is a branch of its own.
    ends: BTreeMap<GroupId, u64>,
}

impl Ends {
    /// Whether the other copy has each of the ends; what is not kept from its beginning on takes no
    /// branch of a forked log that begins before that.
    fn all_in(&self, other: Option<&Self>) -> Result<(), GroupId> {
        let floor = other.map_or(0, |other| other.floor).max(self.floor);
        let is_forked = self.ends.len() > 1 || other.is_some_and(|other| other.ends.len() > 1);
        let may_lack = |first: u64| is_forked && floor > 0 && first <= floor;
        let has = |end: &GroupId| other.is_some_and(|other| other.ends.contains_key(end));
        let lacks = self.ends.iter().find(|(end, first)| !has(end) && !may_lack(**first));
        lacks.map_or(Ok(()), |(end, _)| Err(*end))
    }
}

/// The copies on which all have to agree.
fn copies(world: &World, node: usize) -> BTreeMap<PublicKey, Ends> {
    let logs = world.machines()[node].store.logs().iter();
    let logs = logs.filter(|(author, _)| world.is_agreed_on(author));
    let copies = logs.map(|(author, log)| {
        let first = |end: &GroupId| {
            let leg = log.chain().legs().find(|leg| leg.tip.group == *end);
            leg.map_or(0, |leg| leg.first())
        };
        let ends = log.ends().into_iter().map(|end| (end.group, first(&end.group))).collect();
        (*author, Ends { floor: log.chain().floor(), ends })
    });
    copies.collect()
}
