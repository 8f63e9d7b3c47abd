//! At most as many tokens are valid as there are places, whichever were ever given.

use std::collections::BTreeSet;

use crate::world::{World, resource};

pub(crate) fn check(world: &World) -> Result<(), String> {
    let Some(arbiter) = &world.arbiter else { return Ok(()) };
    let now = world.arbiter_now();
    let given = world.disk.all();
    let valid: BTreeSet<_> = given
        .iter()
        .filter(|record| {
            arbiter.check(now, &resource(), &record.holder, Some(record.token)).is_ok()
        })
        .map(|record| record.token)
        .collect();
    match valid.len() <= usize::from(world.places) {
        true => Ok(()),
        false => Err(format!("{} places and valid: {valid:?}", world.places)),
    }
}
