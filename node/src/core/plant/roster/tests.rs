//! The rules of trust, one by one, and then all of them over histories that nobody wrote.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::PublicKey;

use super::Roster;
use crate::core::plant::world::key;

mod alarms;
mod amendments;
mod authority;
mod bounds;
mod credential;
mod cuts;
mod history;
mod invitations;
mod membership;
mod oracle;
mod properties;
mod rotation;

/// Whether these roles and no others are members.
fn assert_members(roster: &Roster, roles: &[&str]) {
    let expected: BTreeSet<PublicKey> = roles.iter().map(|role| key(role)).collect();
    let found: BTreeSet<PublicKey> = roster.members().keys().copied().collect();
    assert_eq!(found, expected, "members should be {roles:?}");
}
