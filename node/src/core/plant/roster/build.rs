//! From records to the roster, level by level. The rules are in the module above.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::{GroupId, PublicKey, RecordId};
use gearmesh_protocol::log::Cut;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Scope};
use gearmesh_protocol::trust::{
    Admission, Amendment, Authority, Reason, Revocation, Target, TrustEntry, TrustRecord,
};

use super::super::ledger::{Entry, Ledger};
use super::past::{self, Pasts};
use super::{Alarm, Delegated, Invited, Member, Revoked, Roster, within_all};

/// Everything that is found out on the way.
pub(super) struct Builder<'a> {
    ledger: &'a Ledger,
    entries: Vec<Arc<Entry>>,
    alarms: BTreeSet<Alarm>,
    admins: BTreeMap<PublicKey, Delegated>,
    registrars: BTreeMap<PublicKey, Delegated>,
    /// Revocations that count, by the key they end.
    ended: BTreeMap<PublicKey, Vec<(UnixMillis, Revocation)>>,
    /// Where the logs of those end who redeem no more, by their keys.
    dismissed: BTreeMap<PublicKey, Vec<Cut>>,
    /// What the log of a revoked key still counts for.
    kept: BTreeMap<PublicKey, BTreeSet<GroupId>>,
    past: Pasts,
    amended: BTreeSet<PublicKey>,
    time_floor: UnixMillis,
}

impl<'a> Builder<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        Self {
            ledger,
            entries: ledger.entries().to_vec(),
            alarms: BTreeSet::new(),
            admins: BTreeMap::new(),
            registrars: BTreeMap::new(),
            ended: BTreeMap::new(),
            dismissed: BTreeMap::new(),
            kept: BTreeMap::new(),
            past: Pasts::new(),
            amended: BTreeSet::new(),
            time_floor: ledger.genesis().at,
        }
    }

    pub(super) fn build(mut self) -> Roster {
        let entries = self.readable_entries();
        let entries: Vec<&Entry> = entries.iter().map(Arc::as_ref).collect();
        let by_root: Vec<&Entry> =
            entries.iter().copied().filter(|entry| self.is_root(entry)).collect();
        self.apply_delegations(&by_root, Authority::Admin);
        self.apply_key_revocations(&by_root);
        self.cut_logs();

        let by_admins: Vec<&Entry> = entries
            .iter()
            .copied()
            .filter(|entry| self.is_root(entry) || self.is_valid_admin(entry))
            .collect();
        self.apply_delegations(&by_admins, Authority::Registrar);
        self.apply_dismissals(&by_admins);
        self.apply_key_revocations(&by_admins);
        self.cut_logs();
        self.raise_time_floor(&by_admins);

        let mut invitations = self.invitations(&by_admins);
        let standing = self.memberships(&entries, &by_admins, &mut invitations);
        self.apply_resignations(&entries, &standing);
        self.finish(standing, invitations)
    }

    fn readable_entries(&mut self) -> Vec<Arc<Entry>> {
        let entries = std::mem::take(&mut self.entries);
        let mut readable = Vec::new();
        for entry in entries {
            if entry.entry.is_none() {
                self.alarms.extend(entry.author.map(|author| Alarm::UnreadableRecord { author }));
            } else if entry.is_within_bound() {
                readable.push(entry);
            }
        }
        readable
    }

    fn is_root(&self, entry: &Entry) -> bool {
        self.ledger.line().counts(entry)
    }

    fn is_root_key(&self, key: &PublicKey) -> bool {
        self.ledger.line().is_root_key(key)
    }

    fn is_past_root_key(&self, key: &PublicKey) -> bool {
        self.ledger.line().is_past_key(key)
    }

    fn is_valid_admin(&self, entry: &Entry) -> bool {
        entry.author.is_some_and(|author| self.admins.contains_key(&author))
            && self.is_within_cut(entry)
    }

    /// Whether the author was not revoked, or the record stands before its cut.
    fn is_within_cut(&self, entry: &Entry) -> bool {
        let (Some(author), Some(group)) = (&entry.author, &entry.group) else { return true };
        !self.ended.contains_key(author)
            || self.kept.get(author).is_some_and(|kept| kept.contains(group))
    }

    fn apply_delegations(&mut self, entries: &[&Entry], authority: Authority) {
        for entry in entries {
            let Some(TrustRecord::Delegation(delegation)) = record(entry) else { continue };
            let taken =
                self.is_root_key(&delegation.key) || self.admins.contains_key(&delegation.key);
            let by_root = self.is_root(entry);
            if delegation.authority != authority || (authority == Authority::Admin && !by_root) {
                continue;
            }
            let keys = match authority {
                Authority::Admin if self.is_root_key(&delegation.key) => continue,
                Authority::Admin => &mut self.admins,
                Authority::Registrar if taken => continue,
                Authority::Registrar => &mut self.registrars,
            };
            let found = Delegated { authority, name: delegation.name.clone(), record: entry.id };
            keys.entry(delegation.key)
                .and_modify(|lowest| {
                    if found.record < lowest.record {
                        *lowest = found.clone();
                    }
                })
                .or_insert(found);
        }
    }

    /// Root ends anybody but root; admins end whoever is neither.
    fn apply_key_revocations(&mut self, entries: &[&Entry]) {
        for entry in entries {
            let Some(TrustRecord::Revocation(revocation)) = record(entry) else { continue };
            let Target::Key(target) = revocation.target else { continue };
            let above = self.is_root(entry) || !self.admins.contains_key(&target);
            if self.is_root_key(&target) || !above {
                continue;
            }
            let at = entry.entry.as_ref().map(|e| e.at).unwrap_or_default();
            let found = self.ended.entry(target).or_default();
            if !found.iter().any(|(when, known)| *when == at && known == revocation) {
                found.push((at, revocation.clone()));
            }
        }
    }

    /// Root and admins let a registrar redeem no more. As with all that ends, no later word undoes it.
    fn apply_dismissals(&mut self, entries: &[&Entry]) {
        for entry in entries {
            if let Some(TrustRecord::Revocation(revocation)) = record(entry)
                && let Target::Registrar(target) = revocation.target
            {
                self.dismissed.entry(target).or_default().push(revocation.cut.clone());
            }
        }
    }

    /// A member ends its own membership, and says nothing but that: what it signed as a registrar is
    /// not cut by its own word, for a thief of its key could give that.
    fn apply_resignations(
        &mut self,
        entries: &[&Entry],
        standing: &BTreeMap<PublicKey, BTreeMap<RecordId, Terms>>,
    ) {
        for entry in entries {
            let (Some(author), Some(TrustEntry { at, record })) = (entry.author, &entry.entry)
            else {
                continue;
            };
            let TrustRecord::Revocation(revocation) = record else { continue };
            let is_own = revocation.target == Target::Key(author);
            if is_own && revocation.reason == Reason::Retired && standing.contains_key(&author) {
                let found = self.ended.entry(author).or_default();
                if !found.iter().any(|(when, known)| when == at && known == revocation) {
                    found.push((*at, revocation.clone()));
                }
            }
        }
    }

    fn cut_logs(&mut self) {
        for (key, revocations) in &self.ended {
            let Some(log) = self.ledger.log(key) else { continue };
            self.kept.insert(*key, within_all(log, &effective_cuts(revocations)));
        }
    }

    fn raise_time_floor(&mut self, by_admins: &[&Entry]) {
        let newest = by_admins.iter().filter_map(|entry| entry.entry.as_ref()).map(|e| e.at).max();
        self.time_floor = self.time_floor.max(newest.unwrap_or_default());
    }

    fn invitations(&self, by_admins: &[&Entry]) -> BTreeMap<PublicKey, Invited> {
        let mut found: BTreeMap<PublicKey, Invited> = BTreeMap::new();
        for entry in by_admins {
            let Some(TrustRecord::Invitation(invitation)) = record(entry) else { continue };
            let lower = found.get(&invitation.key).is_none_or(|known| entry.id < known.record);
            if invitation.is_sound() && lower {
                let invited = Invited {
                    record: entry.id,
                    invitation: invitation.clone(),
                    is_revoked: false,
                    redeemed: BTreeMap::new(),
                };
                found.insert(invitation.key, invited);
            }
        }
        for (_, revocation) in invitation_revocations(by_admins) {
            if let Target::Invitation(key) = revocation.target
                && let Some(invited) = found.get_mut(&key)
            {
                invited.is_revoked = true;
            }
        }
        found
    }

    /// All records that make or change a member, those replaced by an amendment left out.
    fn memberships(
        &mut self,
        entries: &[&Entry],
        by_admins: &[&Entry],
        invitations: &mut BTreeMap<PublicKey, Invited>,
    ) -> BTreeMap<PublicKey, BTreeMap<RecordId, Terms>> {
        let mut all: BTreeMap<PublicKey, BTreeMap<RecordId, Terms>> = BTreeMap::new();
        let admitting = self.admissions(entries, by_admins, invitations);
        for (id, admission) in admitting {
            if self.is_root_key(&admission.node) || self.admins.contains_key(&admission.node) {
                self.alarms.insert(Alarm::AuthorityAdmitted { key: admission.node });
                continue;
            }
            if let Some(invited) =
                admission.invitation.and_then(|invitation| invitations.get_mut(&invitation))
            {
                invited.redeemed.insert(admission.node, id);
            }
            past::begins(&mut self.past, admission.node, id, &admission.terms);
            all.entry(admission.node).or_default().insert(id, admission.terms);
        }
        self.amended = apply_amendments(by_admins, &mut all, &mut self.past);
        all
    }

    fn admissions(
        &self,
        entries: &[&Entry],
        by_admins: &[&Entry],
        invitations: &BTreeMap<PublicKey, Invited>,
    ) -> Vec<(RecordId, Admission)> {
        let direct = by_admins.iter().filter_map(|entry| match record(entry) {
            Some(TrustRecord::Admission(admission)) if admission.invitation.is_none() => {
                Some((entry.id, admission.clone()))
            }
            _ => None,
        });
        let withdrawn = invitation_revocations(by_admins);
        let redeemed = entries.iter().filter_map(|entry| match record(entry) {
            Some(TrustRecord::Admission(admission))
                if self.is_redeemed(entry, admission, invitations, &withdrawn) =>
            {
                Some((entry.id, admission.clone()))
            }
            _ => None,
        });
        direct.chain(redeemed).collect()
    }

    /// Whether a registrar admitted within the invitation that names it.
    fn is_redeemed(
        &self,
        entry: &Entry,
        admission: &Admission,
        invitations: &BTreeMap<PublicKey, Invited>,
        withdrawn: &[(UnixMillis, Revocation)],
    ) -> bool {
        let (Some(author), Some(group)) = (entry.author, entry.group) else { return false };
        let Some(key) = admission.invitation else { return false };
        let Some(invited) = invitations.get(&key) else { return false };
        let cuts: Vec<Cut> = withdrawn
            .iter()
            .filter(|(_, revocation)| revocation.target == Target::Invitation(key))
            .map(|(_, revocation)| revocation.cut.clone())
            .collect();
        let before_withdrawal = cuts.is_empty()
            || self.ledger.log(&author).is_some_and(|log| within_all(log, &cuts).contains(&group));
        let before_dismissal = self.dismissed.get(&author).is_none_or(|cuts| {
            self.ledger.log(&author).is_some_and(|log| within_all(log, cuts).contains(&group))
        });
        self.registrars.contains_key(&author)
            && before_dismissal
            && self.is_within_cut(entry)
            && invited.admits(&author, admission)
            && before_withdrawal
    }

    fn finish(
        mut self,
        standing: BTreeMap<PublicKey, BTreeMap<RecordId, Terms>>,
        invitations: BTreeMap<PublicKey, Invited>,
    ) -> Roster {
        let mut members = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (key, records) in standing {
            let Some(member) = Member::of(key, records) else { continue };
            names.insert(key, member.name().clone());
            if !self.ended.contains_key(&key) {
                members.insert(key, Arc::new(member));
            }
        }
        let revoked = self.revoked(&names);
        self.alarm_members(&members);
        self.alarm_invitations(&invitations);
        self.alarm_forks();
        self.alarm_contest();
        let genesis = self.ledger.genesis();
        let mut authorities = self.admins;
        let dismissed = &self.dismissed;
        self.registrars.retain(|key, _| !dismissed.contains_key(key));
        authorities.extend(self.registrars);
        authorities.retain(|key, _| !self.ended.contains_key(key));
        Roster {
            plant: self.ledger.plant(),
            name: genesis.name.clone(),
            line: Arc::clone(self.ledger.line()),
            authorities,
            members: Arc::new(members),
            revoked: Arc::new(revoked),
            invitations: Arc::new(
                invitations.into_iter().map(|(key, invited)| (key, Arc::new(invited))).collect(),
            ),
            alarms: self.alarms,
            past: Arc::new(self.past),
            amended: Arc::new(self.amended),
            time_floor: self.time_floor,
        }
    }

    fn revoked(&self, names: &BTreeMap<PublicKey, Name>) -> BTreeMap<PublicKey, Revoked> {
        let summary = |(key, revocations): (&PublicKey, &Vec<(UnixMillis, Revocation)>)| {
            let reasons = revocations.iter().map(|(_, revocation)| revocation.reason);
            let revoked = Revoked {
                reason: reasons.max().unwrap_or(Reason::Retired),
                name: names.get(key).cloned(),
                at: revocations.iter().map(|(at, _)| *at).min().unwrap_or_default(),
                cuts: effective_cuts(revocations),
            };
            (*key, revoked)
        };
        self.ended.iter().map(summary).collect()
    }

    fn alarm_members(&mut self, members: &BTreeMap<PublicKey, Arc<Member>>) {
        let mut names: BTreeMap<&str, PublicKey> = BTreeMap::new();
        let mut scopes: BTreeMap<&str, PublicKey> = BTreeMap::new();
        for (key, member) in members {
            if member.is_concurrent() {
                self.alarms.insert(Alarm::ConcurrentTerms { member: *key });
            }
            if names.insert(member.name().as_str(), *key).is_some() {
                self.alarms.insert(Alarm::NameTaken { name: member.name().clone() });
            }
            let scope = member.scope().map(Scope::as_str);
            if let Some(other) = scope.and_then(|scope| scopes.insert(scope, *key)) {
                self.alarms.insert(Alarm::ScopesOverlap { one: other, other: *key });
            }
        }
        for (scope, key) in &scopes {
            let outer = scope.rmatch_indices('/').filter_map(|(at, _)| scopes.get(&scope[..at]));
            for other in outer {
                let (one, other) = (*key.min(other), *key.max(other));
                self.alarms.insert(Alarm::ScopesOverlap { one, other });
            }
        }
    }

    fn alarm_invitations(&mut self, invitations: &BTreeMap<PublicKey, Invited>) {
        for (key, invited) in invitations {
            if invited.is_overused() {
                self.alarms.insert(Alarm::InvitationOverused { invitation: *key });
            }
        }
    }

    fn alarm_forks(&mut self) {
        for log in self.ledger.logs() {
            // Of a key that was revoked, or of a root that is none any more, a cut says what counts,
            // and nobody can do more.
            let author = log.id().author;
            let is_over = self.ended.contains_key(&author) || self.is_past_root_key(&author);
            if log.is_forked() && !is_over {
                self.alarms.insert(Alarm::ForkedTrust { author });
            }
        }
    }

    fn alarm_contest(&mut self) {
        let contest = self.ledger.line().contested();
        self.alarms.extend(
            contest.map(|it| Alarm::RootFrozen { rivals: it.rivals.keys().copied().collect() }),
        );
    }
}

fn record(entry: &Entry) -> Option<&TrustRecord> {
    entry.entry.as_ref().map(|TrustEntry { record, .. }| record)
}

fn invitation_revocations(by_admins: &[&Entry]) -> Vec<(UnixMillis, Revocation)> {
    let of_invitations = |entry: &&Entry| match record(entry) {
        Some(TrustRecord::Revocation(revocation))
            if matches!(revocation.target, Target::Invitation(_)) =>
        {
            let at = entry.entry.as_ref().map(|e| e.at).unwrap_or_default();
            Some((at, revocation.clone()))
        }
        _ => None,
    };
    by_admins.iter().filter_map(of_invitations).collect()
}

/// Among several revocations of one key, the `compromised` ones decide alone.
fn effective_cuts(revocations: &[(UnixMillis, Revocation)]) -> Vec<Cut> {
    let severe =
        |(_, revocation): &&(UnixMillis, Revocation)| revocation.reason == Reason::Compromised;
    let any_severe = revocations.iter().any(|revocation| severe(&revocation));
    revocations
        .iter()
        .filter(|revocation| !any_severe || severe(revocation))
        .map(|(_, revocation)| revocation.cut.clone())
        .collect()
}

/// An amendment adds its terms and takes away the record that it replaces. Whom any amends.
fn apply_amendments(
    by_admins: &[&Entry],
    all: &mut BTreeMap<PublicKey, BTreeMap<RecordId, Terms>>,
    pasts: &mut Pasts,
) -> BTreeSet<PublicKey> {
    let mut replacing: BTreeMap<(PublicKey, RecordId), Vec<(RecordId, &Amendment)>> =
        BTreeMap::new();
    for entry in by_admins {
        let Some(TrustRecord::Amendment(amendment)) = record(entry) else { continue };
        let replaced = (amendment.node, amendment.replaces);
        replacing.entry(replaced).or_default().push((entry.id, amendment));
    }
    // An amendment may replace another one, so what was added is looked at again.
    let mut open: Vec<(PublicKey, RecordId)> = all
        .iter()
        .flat_map(|(node, records)| records.keys().map(move |record| (*node, *record)))
        .collect();
    while let Some((node, replaced)) = open.pop() {
        let Some(amendments) = replacing.get(&(node, replaced)) else { continue };
        let records = all.entry(node).or_default();
        let Some(before) = records.remove(&replaced) else { continue };
        for (id, amendment) in amendments {
            if !amendment.terms.publishes_all_of(&before) {
                past::ends(pasts, &node, &replaced, &amendment.data_leaves);
            }
            past::begins(pasts, node, *id, &amendment.terms);
            records.insert(*id, amendment.terms.clone());
            open.push((node, *id));
        }
    }
    replacing.into_keys().map(|(node, _)| node).collect()
}
