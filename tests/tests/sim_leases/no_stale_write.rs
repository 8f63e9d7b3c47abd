//! No accepted write with a stale token: whoever's write is accepted holds a lease of the arbiter's life of
//! now that is on its disk and that no record ends, and of one place the newest.

use gearmesh_protocol::entry::LeaseEvent;

use crate::world::{World, Write};

pub(crate) fn check(world: &World, write: &Write) -> Result<(), String> {
    let records = world.disk.all();
    let of_token = |event: fn(&LeaseEvent) -> bool| {
        records.iter().any(|record| record.token == write.token && event(&record.event))
    };
    let given = |event: &LeaseEvent| matches!(event, LeaseEvent::Granted | LeaseEvent::Renewed);
    let is_given = world.disk.synced().iter().any(|record| {
        record.token == write.token && record.holder == write.holder && given(&record.event)
    });
    let is_over = of_token(|event| !matches!(event, LeaseEvent::Granted | LeaseEvent::Renewed));
    let is_of_now = write.token.incarnation == world.life();
    let later = world.disk.synced().iter().any(|record| {
        record.token.incarnation == world.life() && record.token.number > write.token.number
    });
    match is_given && !is_over && is_of_now && !(world.places == 1 && later) {
        true => Ok(()),
        false => Err(format!("accepted with a stale token: {write:?}, {records:#?}")),
    }
}
