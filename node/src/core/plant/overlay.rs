//! Which members this node keeps a link to.
//!
//! Up to [`FULL_MESH_MAX`] members: all. Above, three kinds, so that a node pays for what it uses and
//! not for the size of the plant:
//!
//! - *neighbours* on four rings, each of which orders all members by chance, but alike for all
//!   ([`overlay_places`]). The graph is symmetric and connected, nobody has more than eight, and
//!   from anybody to anybody it is a logarithm of steps. Whoever joins or leaves changes the
//!   neighbours of those beside it alone. Members that have been away for long are bridged: the
//!   next on that side is a neighbour too, so that machines switched off do not part the rest;
//! - members that it *follows*: a filter of a local subscriber matches what they may publish;
//! - members that are to have *copies* of its data log, once it has one: they confirm what they have
//!   over a link of their own.

use std::collections::BTreeSet;

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::ids::{PlantId, PublicKey};
use gearmesh_protocol::plant::{OVERLAY_RINGS, overlay_places};
use gearmesh_protocol::topic::TopicFilter;

use super::data::replicas_of;
use super::roster::{Member, Roster};

/// Members of a plant in which everybody has a link to everybody.
pub const FULL_MESH_MAX: usize = 64;

/// Neighbours on the rings, those that bridge members away not counted.
pub const DEGREE_MAX: usize = 2 * OVERLAY_RINGS;

/// Below this level gateways publish what came from partners.
const PARTNER_LEVEL: &str = "partner/#";

/// Whether in a plant of so many everybody has a link to everybody.
#[must_use]
pub const fn is_full_mesh(members: usize) -> bool {
    members <= FULL_MESH_MAX
}

/// The neighbours of `me` on the rings of these members.
#[must_use]
pub fn neighbours<'a>(
    plant: &PlantId,
    me: &PublicKey,
    members: impl Iterator<Item = &'a PublicKey>,
) -> BTreeSet<PublicKey> {
    let mine = overlay_places(plant, me);
    let mut nearest: [Option<(u64, PublicKey)>; DEGREE_MAX] = [None; DEGREE_MAX];
    for member in members.filter(|member| *member != me) {
        let places = overlay_places(plant, member);
        for (sides, (place, mine)) in nearest.chunks_exact_mut(2).zip(places.iter().zip(&mine)) {
            let steps = [place.wrapping_sub(*mine), mine.wrapping_sub(*place)];
            for (side, steps) in sides.iter_mut().zip(steps) {
                let found = (steps, *member);
                *side = Some(side.map_or(found, |near| near.min(found)));
            }
        }
    }
    nearest.into_iter().flatten().map(|(_, member)| member).collect()
}

/// Whether a member may publish anything that a filter stands for.
#[must_use]
pub fn is_followed(member: &Member, filters: &[TopicFilter]) -> bool {
    let below = |level: &str| level.parse::<TopicFilter>().ok();
    let own = member.scope().and_then(|scope| below(&format!("{}/#", scope.as_str())));
    let is_gateway = member.roles().contains(&Role::Gateway);
    let partners = below(PARTNER_LEVEL).filter(|_| is_gateway);
    let published: Vec<TopicFilter> = own.into_iter().chain(partners).collect();
    filters.iter().any(|filter| published.iter().any(|own| own.overlaps(filter)))
}

/// Whom this node wants links to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    is_full_mesh: bool,
    /// Neighbours on the rings of all members.
    standing: BTreeSet<PublicKey>,
    /// Neighbours on the rings of those who are not away for long.
    bridging: BTreeSet<PublicKey>,
    followed: BTreeSet<PublicKey>,
    /// Members that are to have copies of this node's data log.
    replicas: BTreeSet<PublicKey>,
    /// Members that are asked to do something.
    called: BTreeSet<PublicKey>,
}

impl Wanted {
    /// What follows from the roster and from what local subscribers follow.
    #[must_use]
    pub fn of(roster: &Roster, me: &PublicKey, interest: &[TopicFilter]) -> Self {
        if is_full_mesh(roster.members().len()) {
            return Self { is_full_mesh: true, ..Self::default() };
        }
        let standing = neighbours(&roster.plant(), me, roster.members().keys());
        let mut wanted = Self { standing, ..Self::default() };
        wanted.follow(roster, me, interest);
        wanted
    }

    /// What a node wants that knows no roster: whoever there is.
    pub(super) fn nobody_knows() -> Self {
        Self { is_full_mesh: true, ..Self::default() }
    }

    /// Takes what local subscribers follow now.
    pub(super) fn follow(&mut self, roster: &Roster, me: &PublicKey, interest: &[TopicFilter]) {
        if self.is_full_mesh {
            return;
        }
        let others = roster.members().iter().filter(|(key, _)| *key != me);
        let followed = others.filter(|(_, member)| is_followed(member, interest));
        self.followed = followed.map(|(key, _)| *key).collect();
    }

    /// Takes who is to have copies of this node's data log.
    pub(super) fn have_copied(&mut self, roster: &Roster, me: &PublicKey) {
        if !self.is_full_mesh {
            self.replicas = replicas_of(roster, me).collect();
        }
    }

    /// Takes who is asked to do something. Whether these are others than before.
    pub(super) fn call(&mut self, called: BTreeSet<PublicKey>) -> bool {
        let is_news = self.called != called;
        self.called = called;
        is_news
    }

    /// Takes who is away for long; whoever stands beside them is bridged.
    pub(super) fn bridge(
        &mut self,
        roster: &Roster,
        me: &PublicKey,
        is_away: impl Fn(&PublicKey) -> bool,
    ) {
        self.bridging = match self.standing.iter().any(&is_away) {
            true => {
                let living = roster.members().keys().filter(|member| !is_away(member));
                neighbours(&roster.plant(), me, living)
            }
            false => BTreeSet::new(),
        };
    }

    /// Whether everybody has a link to everybody.
    #[must_use]
    pub const fn is_full_mesh(&self) -> bool {
        self.is_full_mesh
    }

    /// Whether this node wants a link to a member.
    #[must_use]
    pub fn wants(&self, member: &PublicKey) -> bool {
        self.is_full_mesh
            || self.is_neighbour(member)
            || self.replicas.contains(member)
            || self.followed.contains(member)
            || self.called.contains(member)
    }

    /// Whether a member is a neighbour on the overlay.
    #[must_use]
    pub fn is_neighbour(&self, member: &PublicKey) -> bool {
        self.standing.contains(member) || self.bridging.contains(member)
    }

    /// Neighbours first, then who is asked to do something, keeps copies, or is followed; of a full mesh, none
    /// is named.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        let neighbours = self.standing.union(&self.bridging);
        let copies = self.replicas.difference(&self.called);
        let is_other =
            |member: &&PublicKey| !self.called.contains(member) && !self.replicas.contains(member);
        let followed = self.followed.iter().filter(is_other);
        let others = self.called.iter().chain(copies).chain(followed);
        neighbours.chain(others.filter(|member| !self.is_neighbour(member)))
    }

    /// How many neighbours there are on the overlay.
    #[must_use]
    pub fn neighbours(&self) -> usize {
        self.standing.union(&self.bridging).count()
    }
}

#[cfg(test)]
mod tests;
