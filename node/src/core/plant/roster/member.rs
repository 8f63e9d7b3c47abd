//! One member, as all records about it together say.

use std::collections::BTreeMap;

use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Scope, Topic, TopicFilter};

/// One record that makes or changes a member, and was not replaced by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The record.
    pub record: RecordId,
    /// What it says.
    pub terms: Terms,
}

/// A member of the plant.
///
/// Normally one record stands for it. Where several were signed at the same time, what is allowed
/// is what all of them allow, and name and scope are those of the lowest record id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    key: PublicKey,
    first: Membership,
    concurrent: Vec<Membership>,
}

impl Member {
    /// The member with these standing records; none if there are none.
    pub(super) fn of(key: PublicKey, standing: BTreeMap<RecordId, Terms>) -> Option<Self> {
        let mut records = standing.into_iter().map(|(record, terms)| Membership { record, terms });
        let first = records.next()?;
        Some(Self { key, first, concurrent: records.collect() })
    }

    /// Its key.
    #[must_use]
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// What people call it.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.first.terms.name
    }

    /// Where it publishes.
    #[must_use]
    pub const fn scope(&self) -> Option<&Scope> {
        self.first.terms.scope.as_ref()
    }

    /// The roles that all its records name.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        let in_all =
            |role: &&Role| self.concurrent.iter().all(|other| other.terms.roles.contains(role));
        self.first.terms.roles.iter().filter(in_all).copied().collect()
    }

    /// When its membership ends by itself: the earliest end that a record names.
    #[must_use]
    pub fn until(&self) -> Option<UnixMillis> {
        self.records().filter_map(|membership| membership.terms.until).min()
    }

    /// The record it acts under.
    #[must_use]
    pub const fn acting_under(&self) -> RecordId {
        self.first.record
    }

    /// Whether records stand for it that do not say the same.
    #[must_use]
    pub fn is_concurrent(&self) -> bool {
        self.concurrent.iter().any(|other| other.terms != self.first.terms)
    }

    /// Whether it may publish on `topic`.
    #[must_use]
    pub fn may_publish(&self, topic: &Topic) -> bool {
        self.records().all(|membership| membership.terms.may_publish(topic))
    }

    /// Whether it may see `topic`.
    #[must_use]
    pub fn may_see(&self, topic: &Topic) -> bool {
        self.records().all(|membership| membership.terms.may_see(topic))
    }

    /// Whether it may see some of what a filter stands for.
    #[must_use]
    pub fn may_see_some_of(&self, filter: &TopicFilter) -> bool {
        let sees =
            |seen: &[TopicFilter]| seen.is_empty() || seen.iter().any(|f| f.overlaps(filter));
        let within = self.records().all(|membership| sees(&membership.terms.subscribe));
        within && !self.roles().is_empty()
    }

    /// Whether it may ask others to do something.
    #[must_use]
    pub fn may_call(&self) -> bool {
        self.records().all(|membership| membership.terms.may_call())
    }

    /// Whether others may ask it to do something.
    #[must_use]
    pub fn may_serve(&self) -> bool {
        self.records().all(|membership| membership.terms.may_serve())
    }

    /// The standing records.
    pub fn records(&self) -> impl Iterator<Item = &Membership> {
        std::iter::once(&self.first).chain(&self.concurrent)
    }
}
