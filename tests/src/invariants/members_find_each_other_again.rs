//! Once everybody can reach everybody, any two members have one connection, the same at both ends.

use super::Invariant;
use crate::world::World;
use crate::world::network::{Side, Stage};

/// The rule.
pub(super) struct Rule;

impl Invariant for Rule {
    fn name(&self) -> &'static str {
        "members_find_each_other_again"
    }

    fn when_calm(&mut self, world: &World) -> Result<(), String> {
        let members: Vec<usize> =
            (0..world.machines().len()).filter(|node| world.is_sound(*node)).collect();
        for (at, one) in members.iter().enumerate() {
            for other in &members[at + 1..] {
                match connections(world, *one, *other) {
                    1 => {}
                    count => return Err(format!("nodes {one} and {other} have {count} links")),
                }
            }
        }
        Ok(())
    }
}

/// Connections of two machines of which any end is up; one that is up at one end alone counts as
/// none, so that it is waited for.
fn connections(world: &World, one: usize, other: usize) -> usize {
    let mut count = 0;
    for (_, connection) in world.network().connections() {
        let sides = [Side::Dialer, Side::Listener].map(|side| connection.end(side));
        let nodes = sides.map(|end| end.node);
        if nodes != [one, other] && nodes != [other, one] {
            continue;
        }
        let is_up = |end: &&crate::world::network::End| {
            end.stage == Stage::Up && world.machines()[end.node].life == end.life
        };
        match sides.iter().filter(|end| is_up(end)).count() {
            0 => {}
            2 => count += 1,
            _ => return 0,
        }
    }
    count
}
