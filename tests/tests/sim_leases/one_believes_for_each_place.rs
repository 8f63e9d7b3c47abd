//! As long as no clock jumps, no more holders believe at any moment to hold it than there are places: each
//! by its own clock, through crashes of the arbiter and lost or late messages.

use crate::world::World;

pub(crate) fn check(world: &World) -> Result<(), String> {
    if world.trouble.clocks_jump {
        return Ok(());
    }
    let believes = world.believing();
    match believes.len() <= usize::from(world.places) {
        true => Ok(()),
        false => Err(format!("{} places, and these believe: {believes:?}", world.places)),
    }
}
