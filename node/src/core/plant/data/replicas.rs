//! Who keeps copies of whose log.
//!
//! Machines and gateways keep each other's. In a small plant everybody keeps everything, so that a
//! log reaches members that are never online together with its author. In a larger one each log has
//! a few replicas that every member computes alike, by rendezvous hashing: when a member comes or
//! goes, only the logs it kept move.

use std::cmp::Reverse;

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::PublicKey;

use super::super::roster::{Member, Roster};

/// Members up to which everybody keeps everything.
pub const FULL_COPIES_MAX: usize = 64;

/// Replicas of each log beyond that.
pub const REPLICAS: usize = 8;

/// Whether a member keeps copies of logs at all.
#[must_use]
pub fn keeps_copies(roster: &Roster, member: &PublicKey) -> bool {
    roster.member(member).is_some_and(may_replicate)
}

/// Whether `member` is to keep a copy of the log of `author`.
#[must_use]
pub fn is_replica(roster: &Roster, member: &PublicKey, author: &PublicKey) -> bool {
    replicas_of(roster, author).any(|replica| replica == *member)
}

/// Who keeps a copy of the log of `author`, besides itself.
pub fn replicas_of(roster: &Roster, author: &PublicKey) -> impl Iterator<Item = PublicKey> + use<> {
    let able = roster.members().values().filter(|member| may_replicate(member));
    let mut others: Vec<PublicKey> =
        able.map(|member| member.key()).filter(|key| key != author).collect();
    if roster.members().len() > FULL_COPIES_MAX {
        let weighed = |key: PublicKey| Reverse((weight(author, &key), key));
        let mut weighed: Vec<_> = others.into_iter().map(weighed).collect();
        if weighed.len() > REPLICAS {
            weighed.select_nth_unstable(REPLICAS);
            weighed.truncate(REPLICAS);
        }
        weighed.sort_unstable();
        others = weighed.into_iter().map(|Reverse((_, key))| key).collect();
    }
    others.into_iter()
}

fn may_replicate(member: &Member) -> bool {
    member.roles().iter().any(|role| matches!(role, Role::Machine | Role::Gateway))
}

/// The highest weights win (Thaler and Ravishankar, 1998).
fn weight(author: &PublicKey, member: &PublicKey) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("gearmesh 2026 replicas v1");
    hasher.update(author.as_bytes());
    hasher.update(member.as_bytes());
    let mut number = [0; 8];
    number.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(number)
}
