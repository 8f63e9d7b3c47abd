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
        let mut first: Option<(usize, Ends)> = None;
        for node in (0..world.machines().len()).filter(|node| world.is_sound(*node)) {
            if !world.machines()[node].is_member() {
                continue;
            }
            let holds = ends(world, node);
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

fn ends(world: &World, node: usize) -> Ends {
    let logs = world.machines()[node].store.logs().iter();
    let ends = logs.map(|(author, log)| (*author, log.ends()));
    let ends = ends.filter(|(_, ends)| !ends.is_empty());
    ends.map(|(author, ends)| (author, ends.iter().map(|end| end.group).collect())).collect()
}
