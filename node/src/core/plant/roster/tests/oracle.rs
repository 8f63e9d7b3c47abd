//! The rules a second time, as questions instead of passes: slow, short, and written from the
//! text of the rules alone. Where both agree on histories that nobody wrote, a mistake would have
//! to be made twice.

use std::collections::{BTreeMap, BTreeSet};

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};
use gearmesh_protocol::log::{LogKind, VerifiedGroup};
use gearmesh_protocol::trust::{
    Admission, Authority, Invitation, Reason, Revocation, Target, TrustRecord,
};

use crate::core::plant::ledger::{Entry, Ledger};

mod roots;

pub(super) struct Oracle<'a> {
    ledger: &'a Ledger,
    groups: BTreeMap<GroupId, &'a VerifiedGroup>,
    records: Vec<(Entry, TrustRecord)>,
    by_root: BTreeSet<RecordId>,
    root_keys: BTreeSet<PublicKey>,
}

type Signed = (Entry, TrustRecord);

impl<'a> Oracle<'a> {
    pub(super) fn of(ledger: &'a Ledger) -> Self {
        let groups = ledger.logs().into_iter().flat_map(|log| log.in_order());
        let records =
            ledger.entries().iter().map(|entry| entry.as_ref().clone()).filter_map(|entry| {
                let record = entry.entry.as_ref().map(|entry| entry.record.clone())?;
                Some((entry, record))
            });
        let mut oracle = Self {
            ledger,
            groups: groups.map(|group| (group.id(), group.as_ref())).collect(),
            records: records.collect(),
            by_root: BTreeSet::new(),
            root_keys: BTreeSet::new(),
        };
        oracle.find_root_records();
        oracle
    }

    /// Root, and root alone, is above everybody.
    fn is_by_root(&self, (entry, _): &Signed) -> bool {
        self.by_root.contains(&entry.id)
    }

    fn is_root_key(&self, key: &PublicKey) -> bool {
        self.root_keys.contains(key)
    }

    /// Whether root ever made this key an admin: revoked or not, no admin is above it.
    pub(super) fn is_admin_key(&self, key: &PublicKey) -> bool {
        let delegates = |record: &TrustRecord| match record {
            TrustRecord::Delegation(d) => d.key == *key && d.authority == Authority::Admin,
            _ => false,
        };
        !self.is_root_key(key)
            && self.records.iter().any(|signed| self.is_by_root(signed) && delegates(&signed.1))
    }

    fn revokes(record: &TrustRecord, target: Target) -> Option<&Revocation> {
        match record {
            TrustRecord::Revocation(revocation) if revocation.target == target => Some(revocation),
            _ => None,
        }
    }

    /// Whether the record is root's, or an admin's within what root left of it.
    pub(super) fn stands_as_admins(&self, signed: &Signed) -> bool {
        if self.is_by_root(signed) {
            return true;
        }
        let Some(author) = signed.0.author else { return false };
        let by_root: Vec<&Revocation> = self
            .records
            .iter()
            .filter(|other| self.is_by_root(other))
            .filter_map(|(_, record)| Self::revokes(record, Target::Key(author)))
            .collect();
        self.is_admin_key(&author) && self.is_kept(signed, &by_root)
    }

    /// The revocations of a key by those above it, as far as they stand themselves.
    pub(super) fn revocations(&self, key: &PublicKey) -> Vec<&Revocation> {
        let above = |signed: &&Signed| {
            self.is_by_root(signed) || (self.stands_as_admins(signed) && !self.is_admin_key(key))
        };
        let found = self.records.iter().filter(above);
        let found = found.filter_map(|(_, record)| Self::revokes(record, Target::Key(*key)));
        found.filter(|_| !self.is_root_key(key)).collect()
    }

    fn is_kept(&self, (entry, _): &Signed, revocations: &[&Revocation]) -> bool {
        let Some(group) = entry.group else { return true };
        let severe = revocations.iter().any(|r| r.reason == Reason::Compromised);
        let mut deciding =
            revocations.iter().filter(|r| !severe || r.reason == Reason::Compromised);
        deciding.all(|r| self.lead_to(r.leaves(LogKind::Trust), group))
    }

    /// Whether `wanted` is one of the leaves or before one of them.
    fn lead_to(&self, leaves: &[GroupId], wanted: GroupId) -> bool {
        leaves
            .iter()
            .filter_map(|leaf| self.groups.get(leaf))
            .any(|group| group.id() == wanted || self.lead_to(&group.header().parents, wanted))
    }

    /// The invitation with this key: of those that stand, the one with the lowest record.
    fn invitation(&self, key: &PublicKey) -> Option<&Invitation> {
        let found = self.records.iter().filter(|signed| self.stands_as_admins(signed));
        let found = found.filter_map(|(entry, record)| match record {
            TrustRecord::Invitation(invitation) if invitation.key == *key => {
                invitation.is_sound().then_some((entry.id, invitation))
            }
            _ => None,
        });
        found.min_by_key(|(id, _)| *id).map(|(_, invitation)| invitation)
    }

    /// Whether an admission by a registrar is all that its invitation asks for.
    fn is_redeemed(&self, signed: &Signed, admission: &Admission) -> bool {
        let Some(author) = signed.0.author else { return false };
        let Some(code) = admission.invitation else { return false };
        let Some(invitation) = self.invitation(&code) else { return false };
        let delegated = self.records.iter().any(|other| match &other.1 {
            TrustRecord::Delegation(d) => {
                d.key == author
                    && d.authority == Authority::Registrar
                    && self.stands_as_admins(other)
            }
            _ => false,
        });
        let withdrawals = self.records.iter().filter(|other| self.stands_as_admins(other));
        let mut withdrawals =
            withdrawals.filter_map(|(_, record)| Self::revokes(record, Target::Invitation(code)));
        delegated
            && !self.is_root_key(&author)
            && !self.is_admin_key(&author)
            && invitation.redeemer == author
            && invitation.bound_to.is_none_or(|bound| bound == admission.node)
            && admission.terms.is_within(&invitation.terms)
            && self.is_kept(signed, &self.revocations(&author))
            && withdrawals.all(|withdrawal| self.is_kept(signed, &[withdrawal]))
    }

    /// Who is a member.
    pub(super) fn members(&self) -> BTreeSet<PublicKey> {
        let admitted = self.records.iter().filter_map(|signed| match &signed.1 {
            TrustRecord::Admission(admission) => {
                let direct = admission.invitation.is_none() && self.stands_as_admins(signed);
                (direct || self.is_redeemed(signed, admission)).then_some(admission.node)
            }
            _ => None,
        });
        admitted
            .filter(|key| !self.is_root_key(key) && !self.is_admin_key(key))
            .filter(|key| self.revocations(key).is_empty() && !self.says_that_it_resigns(key))
            .collect()
    }

    /// Whether the key itself wants to be retired.
    pub(super) fn says_that_it_resigns(&self, key: &PublicKey) -> bool {
        self.records.iter().any(|(entry, record)| {
            entry.author == Some(*key)
                && Self::revokes(record, Target::Key(*key))
                    .is_some_and(|own| own.reason == Reason::Retired)
        })
    }

    /// Every key that any record wants to end.
    pub(super) fn targets(&self) -> BTreeSet<PublicKey> {
        let target = |(_, record): &Signed| match record {
            TrustRecord::Revocation(Revocation { target: Target::Key(key), .. }) => Some(*key),
            _ => None,
        };
        self.records.iter().filter_map(target).collect()
    }

    /// The record with this id.
    pub(super) fn record(&self, id: &RecordId) -> Option<&Signed> {
        self.records.iter().find(|(entry, _)| entry.id == *id)
    }

    /// What a registrar's admission was to be within.
    pub(super) fn terms_offered(&self, record: &TrustRecord) -> Option<&Terms> {
        match record {
            TrustRecord::Admission(admission) => {
                self.invitation(admission.invitation.as_ref()?).map(|found| &found.terms)
            }
            _ => None,
        }
    }
}
