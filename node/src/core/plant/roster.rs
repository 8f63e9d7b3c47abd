//! The roster: who is a member with which roles, as a pure function of the ledger.
//!
//! Authority is judged level by level, and no level can touch one above it or beside it:
//!
//! 1. the root's records are valid (threshold acts, and the log of a root key that acts alone), and of
//!    a root that another one replaced those that it left: see [`Line`];
//! 2. an admin's records are valid if the root delegated it, up to the root's cut if the root
//!    revoked it;
//! 3. a registrar's admissions are valid if root or admins delegated it, up to the cut if they
//!    revoked it, and only within the invitation that names it;
//! 4. a member's record that its own key is retired is valid.
//!
//! So there are no cycles, and mutual revocations have one outcome: those between equals are void.
//! What does not count is left out without a word, except where a person should know: [`Alarm`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::ids::{GroupId, PlantId, PublicKey, RecordId};
use gearmesh_protocol::log::{Cut, LogKind};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Title};
use gearmesh_protocol::trust::{Admission, Authority, Invitation, Reason, Root};

mod build;
mod member;
mod past;
mod step;
#[cfg(test)]
mod tests;

pub use member::{Member, Membership};
pub use past::Past;

use super::ledger::{Ledger, Line};

/// Who is a member, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    plant: PlantId,
    name: Title,
    line: Arc<Line>,
    authorities: BTreeMap<PublicKey, Delegated>,
    // Shared with the rosters before and after, as far as they are the same.
    members: Arc<BTreeMap<PublicKey, Arc<Member>>>,
    revoked: Arc<BTreeMap<PublicKey, Revoked>>,
    invitations: Arc<BTreeMap<PublicKey, Arc<Invited>>>,
    alarms: BTreeSet<Alarm>,
    past: Arc<past::Pasts>,
    /// Keys that amendments name, whether there is anything for them to amend or not.
    amended: Arc<BTreeSet<PublicKey>>,
    time_floor: UnixMillis,
}

/// A key that may sign for the plant now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// What it may do.
    pub authority: Authority,
    /// What people call it.
    pub name: Name,
    /// The record that says so.
    pub record: RecordId,
}

/// A key that was thrown out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Why; `compromised` wins over the others.
    pub reason: Reason,
    /// What it was called, if it was a member.
    pub name: Option<Name>,
    /// When the earliest effective revocation was signed.
    pub at: UnixMillis,
    /// The cuts of all revocations that count: what stays lies within every one.
    pub cuts: Vec<Cut>,
}

/// An invitation and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invited {
    /// The record.
    pub record: RecordId,
    /// What it offers.
    pub invitation: Invitation,
    /// Whether it was withdrawn.
    pub is_revoked: bool,
    /// Who redeemed it, with the admissions.
    pub redeemed: BTreeMap<PublicKey, RecordId>,
}

impl Invited {
    /// Whether its terms let a registrar admit a key, as long as it is not withdrawn.
    fn admits(&self, registrar: &PublicKey, admission: &Admission) -> bool {
        let Invitation { redeemer, bound_to, terms, .. } = &self.invitation;
        redeemer == registrar
            && bound_to.is_none_or(|bound| bound == admission.node)
            && admission.terms.is_within(terms)
    }

    fn is_overused(&self) -> bool {
        self.redeemed.len() > usize::from(self.invitation.uses)
    }
}

/// What needs a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A trust log has two branches: the key is used in two places.
    ForkedTrust {
        /// The key.
        author: PublicKey,
    },
    /// Two records give one key different terms at the same time; their grants intersect.
    ConcurrentTerms {
        /// The member's key.
        member: PublicKey,
    },
    /// Two members have one name.
    NameTaken {
        /// The name.
        name: Name,
    },
    /// The scopes of two members overlap.
    ScopesOverlap {
        /// The member with the lower key.
        one: PublicKey,
        /// The other.
        other: PublicKey,
    },
    /// An invitation admitted more keys than it was for.
    InvitationOverused {
        /// The invitation.
        invitation: PublicKey,
    },
    /// An admission of a key that signs for the plant; it is void.
    AuthorityAdmitted {
        /// The key.
        key: PublicKey,
    },
    /// Several rotations want to follow the same root: nobody speaks for it until admins decide.
    RootFrozen {
        /// The rotations.
        rivals: BTreeSet<RecordId>,
    },
    /// Records that this release cannot read.
    UnreadableRecord {
        /// Their author.
        author: PublicKey,
    },
}

impl Roster {
    /// The roster that follows from a ledger.
    #[must_use]
    pub fn of(ledger: &Ledger) -> Self {
        build::Builder::new(ledger).build()
    }

    /// The plant.
    #[must_use]
    pub const fn plant(&self) -> PlantId {
        self.plant
    }

    /// What people call the plant.
    #[must_use]
    pub const fn name(&self) -> &Title {
        &self.name
    }

    /// The root of its trust: the one that acts now, or that is frozen.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.line.root()
    }

    /// The roots one after the other, and what counts of them.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// The member with this key, if it is one now.
    #[must_use]
    pub fn member(&self, key: &PublicKey) -> Option<&Member> {
        self.members.get(key).map(|member| &**member)
    }

    /// The member with this key, if its membership has not ended at `now`.
    #[must_use]
    pub fn member_at(&self, key: &PublicKey, now: UnixMillis) -> Option<&Member> {
        let now = now.max(self.time_floor);
        self.member(key).filter(|member| member.until().is_none_or(|until| now < until))
    }

    /// All members, by key.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<PublicKey, Arc<Member>> {
        &self.members
    }

    /// Keys that were thrown out.
    #[must_use]
    pub fn revoked(&self) -> &BTreeMap<PublicKey, Revoked> {
        &self.revoked
    }

    /// Keys that may sign for the plant, besides the root.
    #[must_use]
    pub const fn authorities(&self) -> &BTreeMap<PublicKey, Delegated> {
        &self.authorities
    }

    /// Whether a key redeems invitations now.
    #[must_use]
    pub fn is_registrar(&self, key: &PublicKey) -> bool {
        let found = self.authorities.get(key);
        found.is_some_and(|delegated| delegated.authority == Authority::Registrar)
    }

    /// Whether a key may sign what admins sign now.
    #[must_use]
    pub fn is_admin(&self, key: &PublicKey) -> bool {
        let found = self.authorities.get(key);
        self.line.acts_alone(key)
            || found.is_some_and(|delegated| delegated.authority == Authority::Admin)
    }

    /// Keys whose place this member took, the oldest first: they were revoked as `replaced` and had
    /// its name.
    #[must_use]
    pub fn predecessors(&self, key: &PublicKey) -> Vec<PublicKey> {
        let Some(name) = self.member(key).map(Member::name) else { return Vec::new() };
        let is_before =
            |it: &Revoked| it.reason == Reason::Replaced && it.name.as_ref() == Some(name);
        let gone = self.revoked.iter().filter(|(_, revoked)| is_before(revoked));
        let mut gone: Vec<(UnixMillis, PublicKey)> =
            gone.map(|(key, revoked)| (revoked.at, *key)).collect();
        gone.sort_unstable();
        gone.into_iter().map(|(_, key)| key).collect()
    }

    /// Invitations, by their key.
    #[must_use]
    pub fn invitations(&self) -> &BTreeMap<PublicKey, Arc<Invited>> {
        &self.invitations
    }

    /// A record under which a key ever was a member.
    #[must_use]
    pub fn past(&self, key: &PublicKey, record: &RecordId) -> Option<&Past> {
        self.past.get(key)?.get(record)
    }

    /// Whether somewhere it was said that a key's log, or its acting under a record, ended: then
    /// groups of its log have to be judged by their place in it.
    #[must_use]
    pub fn has_ended_terms(&self, key: &PublicKey) -> bool {
        let mut past = self.past.get(key).into_iter().flat_map(|records| records.values());
        self.revoked.contains_key(key) || past.any(|past| !past.ended_at.is_empty())
    }

    /// The groups of a key's data log that amendments and revocations name as its ends.
    #[must_use]
    pub fn ends_named(&self, key: &PublicKey) -> BTreeSet<GroupId> {
        let past = self.past.get(key).into_iter().flat_map(|records| records.values());
        let amended = past.flat_map(|past| past.ended_at.iter().flatten());
        let cuts = self.revoked.get(key).into_iter().flat_map(|revoked| revoked.cuts.iter());
        let cuts = cuts.flatten().filter(|cut| cut.kind == LogKind::Data);
        amended.copied().chain(cuts.flat_map(|cut| cut.leaves.iter().copied())).collect()
    }

    /// What a key is, or was, called.
    #[must_use]
    pub fn name_of(&self, key: &PublicKey) -> String {
        let member = self.members.get(key).map(|member| member.name().to_string());
        let authority = || self.authorities.get(key).map(|delegated| delegated.name.to_string());
        let revoked = || self.revoked.get(key)?.name.as_ref().map(ToString::to_string);
        let root = || self.line.is_root_key(key).then(|| "the root key".to_owned());
        member
            .or_else(authority)
            .or_else(revoked)
            .or_else(root)
            .unwrap_or_else(|| format!("key {key:?}"))
    }

    /// What needs a person.
    #[must_use]
    pub const fn alarms(&self) -> &BTreeSet<Alarm> {
        &self.alarms
    }

    /// The newest time in a valid admin record: no clock of a member should be behind it.
    #[must_use]
    pub const fn time_floor(&self) -> UnixMillis {
        self.time_floor
    }

    /// The record that `key` acts under when it writes a group: its delegation as admin, its
    /// membership, or the genesis for a root key.
    #[must_use]
    pub fn acting_under(&self, key: &PublicKey) -> Option<RecordId> {
        if self.line.acts_alone(key) {
            return Some(RecordId(self.plant.0));
        }
        let membership = self.members.get(key).map(|member| member.acting_under());
        membership.or_else(|| self.authorities.get(key).map(|delegated| delegated.record))
    }
}

/// Members of `before` that are none in `after`: who falls with a revocation.
#[must_use]
pub fn fallen<'a>(before: &'a Roster, after: &Roster) -> Vec<&'a Member> {
    let members = before.members.values().map(|member| &**member);
    members.filter(|member| !after.members.contains_key(&member.key())).collect()
}

/// The groups of a log that lie within every one of these cuts.
pub(super) fn within_all(log: &super::log::Log, cuts: &[Cut]) -> BTreeSet<GroupId> {
    let mut kept: Option<BTreeSet<GroupId>> = None;
    for cut in cuts {
        let leaves = cut.iter().find(|cut| cut.kind == log.id().kind);
        let inside = leaves.map_or_else(BTreeSet::new, |cut| log.ancestors_or_self(&cut.leaves));
        kept = Some(match kept {
            None => inside,
            Some(others) => others.intersection(&inside).copied().collect(),
        });
    }
    kept.unwrap_or_default()
}
