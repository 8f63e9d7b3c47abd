//! What a disk lost and another one has is there again once everybody can reach everybody.

use gearmesh_node::core::plant::chain::Gap;
use gearmesh_protocol::ids::PublicKey;

use super::Invariant;
use crate::world::World;

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "what_rots_is_mended"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let sound: Vec<usize> =
            (0..world.machines().len()).filter(|node| world.is_sound(*node)).collect();
        let spans = |author: &PublicKey, gap: &Gap| {
            let has = |node: &&usize| {
                let log = world.machines()[**node].store.logs().get(author);
                log.is_some_and(|log| log.spans(gap))
            };
            sound.iter().find(has)
        };
        for node in sound.iter().filter(|node| world.machines()[**node].is_member()) {
            for (author, gaps) in world.machines()[*node].store.gaps() {
                let has = gaps.iter().find_map(|gap| Some((gap, spans(&author, gap)?)));
                if let Some((gap, other)) = has {
                    return Err(format!("node {node} lacks what {other} has: {author:?}, {gap:?}"));
                }
            }
        }
        Ok(())
    }
}
