//! The roster after a few more records, at the cost of what they change.
//!
//! The roster is a function of the ledger, whatever way it is found. Here is what follows from the
//! commonest records, a new member and one that is thrown out, where nothing that came before
//! hangs on them. After all others it is built anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Scope;
use gearmesh_protocol::trust::{Admission, Authority, Revocation, Target, TrustRecord};

use super::super::ledger::{Entry, Ledger, entries_of};
use super::{Alarm, Member, Revoked, Roster, past};

/// Records that are taken one by one; a roster of more is built anew.
const RECORDS_MAX: usize = 16;

impl Roster {
    /// The roster of `after`, where this is the one of `before`, which these groups were added to.
    #[must_use]
    pub fn next(&self, before: &Ledger, after: &Ledger, news: &[Arc<VerifiedGroup>]) -> Self {
        self.step(before, after, news).unwrap_or_else(|| Self::of(after))
    }

    /// The same, if it follows from these groups alone.
    pub(super) fn step(
        &self,
        before: &Ledger,
        after: &Ledger,
        news: &[Arc<VerifiedGroup>],
    ) -> Option<Self> {
        let entries = news.iter().flat_map(|group| entries_of(group));
        let entries: Vec<Entry> = entries.take(RECORDS_MAX + 1).collect();
        if entries.len() > RECORDS_MAX || !is_grown(before, after, news) {
            return None;
        }
        let mut next = self.clone();
        entries.iter().try_for_each(|entry| next.take(after, entry))?;
        Some(next)
    }

    fn take(&mut self, ledger: &Ledger, entry: &Entry) -> Option<()> {
        let author = entry.author?;
        let signed = entry.entry.as_ref().filter(|_| entry.is_within_bound())?;
        let by_admin = self.is_admin(&author);
        match &signed.record {
            TrustRecord::Admission(admission) => {
                match admission.invitation {
                    None if by_admin => {}
                    Some(invitation) if !by_admin => {
                        self.redeem(&author, entry.id, admission, &invitation)?;
                    }
                    None | Some(_) => return None,
                }
                self.admit(entry.id, admission)?;
            }
            TrustRecord::Revocation(revocation) if by_admin => {
                self.throw_out(ledger, signed.at, revocation)?;
            }
            TrustRecord::Revocation(_)
            | TrustRecord::Delegation(_)
            | TrustRecord::Invitation(_)
            | TrustRecord::Amendment(_)
            | TrustRecord::RootVote(_) => return None,
        }
        if by_admin {
            self.time_floor = self.time_floor.max(signed.at);
        }
        Some(())
    }

    /// A registrar admits within an invitation that stands.
    fn redeem(
        &mut self,
        author: &PublicKey,
        id: RecordId,
        admission: &Admission,
        invitation: &PublicKey,
    ) -> Option<()> {
        let invited = self.invitations.get(invitation).filter(|_| self.is_registrar(author))?;
        if invited.is_revoked || !invited.admits(author, admission) {
            return None;
        }
        let invitations = Arc::make_mut(&mut self.invitations);
        let invited = Arc::make_mut(invitations.get_mut(invitation)?);
        invited.redeemed.insert(admission.node, id);
        if invited.is_overused() {
            self.alarms.insert(Alarm::InvitationOverused { invitation: *invitation });
        }
        Some(())
    }

    /// A key becomes a member of which no record said anything before, and nobody has its name or
    /// its scope.
    fn admit(&mut self, id: RecordId, admission: &Admission) -> Option<()> {
        let Admission { node, terms, .. } = admission;
        let admins = self.authorities.get(node).filter(|it| it.authority == Authority::Admin);
        let is_known = admins.is_some()
            || self.line.is_root_key(node)
            || self.revoked.contains_key(node)
            || self.past.contains_key(node)
            || self.amended.contains(node);
        let member = Member::of(*node, [(id, terms.clone())].into()).filter(|_| !is_known)?;
        let overlaps = |scope: &Scope| member.scope().is_some_and(|own| own.overlaps(scope));
        let is_apart = |other: &Arc<Member>| {
            other.name() != member.name() && !other.scope().is_some_and(overlaps)
        };
        if !self.members.values().all(is_apart) {
            return None;
        }
        past::begins(Arc::make_mut(&mut self.past), *node, id, terms);
        Arc::make_mut(&mut self.members).insert(*node, Arc::new(member));
        Some(())
    }

    /// A member is thrown out that never signed for the plant, and about which there is no alarm.
    fn throw_out(
        &mut self,
        ledger: &Ledger,
        at: UnixMillis,
        revocation: &Revocation,
    ) -> Option<()> {
        let Target::Key(target) = revocation.target else { return None };
        let member = Arc::clone(self.members.get(&target)?);
        let may_sign = self.line.is_root_key(&target)
            || self.authorities.contains_key(&target)
            || ledger.log(&target).is_some();
        if may_sign || self.alarms.iter().any(|alarm| is_about(alarm, &member)) {
            return None;
        }
        Arc::make_mut(&mut self.members).remove(&target);
        let (reason, cuts) = (revocation.reason, vec![revocation.cut.clone()]);
        let revoked = Revoked { reason, name: Some(member.name().clone()), at, cuts };
        Arc::make_mut(&mut self.revoked).insert(target, revoked);
        Some(())
    }
}

/// Whether the ledger holds these groups more and all else unchanged, each at the end of a log that
/// nobody forked.
fn is_grown(before: &Ledger, after: &Ledger, news: &[Arc<VerifiedGroup>]) -> bool {
    let mut grown: BTreeMap<PublicKey, usize> = BTreeMap::new();
    for group in news {
        *grown.entry(group.header().log.author).or_default() += 1;
    }
    let is_kept = before.logs_by_key().all(|log| after.log(&log.id().author).is_some());
    let mut logs = after.logs_by_key().map(|log| (before.log(&log.id().author), log));
    let is_longer = logs.all(|(was, log)| {
        let more = grown.remove(&log.id().author).unwrap_or(0);
        let is_whole = log.count() == was.map_or(0, |was| was.count()) + more;
        let is_same = was.is_some_and(|was| was.leaves() == log.leaves());
        is_whole && log.count_apart() == 0 && if more > 0 { !log.is_forked() } else { is_same }
    });
    is_kept && is_longer && grown.is_empty() && before.act_ids().eq(after.act_ids())
}

fn is_about(alarm: &Alarm, about: &Member) -> bool {
    match alarm {
        Alarm::NameTaken { name } => name == about.name(),
        Alarm::ScopesOverlap { one, other } => [one, other].contains(&&about.key()),
        Alarm::ConcurrentTerms { member } => *member == about.key(),
        Alarm::ForkedTrust { .. }
        | Alarm::InvitationOverused { .. }
        | Alarm::AuthorityAdmitted { .. }
        | Alarm::RootFrozen { .. }
        | Alarm::UnreadableRecord { .. } => false,
    }
}
