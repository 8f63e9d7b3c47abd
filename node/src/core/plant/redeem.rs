//! What a registrar answers to somebody who holds an invitation code.
//!
//! The admission record *is* the redemption: it is keyed by (invitation, joiner key), so whoever
//! asks again with the same key gets the same record, even after the invitation has ended.

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::{PublicKey, RecordId};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{Admission, TrustEntry, TrustRecord};

use super::roster::{Invited, Roster};

/// A joiner that proved to hold an invitation's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Redemption {
    /// The invitation.
    pub invitation: PublicKey,
    /// The key that wants to become a member.
    pub joiner: PublicKey,
}

/// What to do about a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It was admitted before, by this record.
    Stands(RecordId),
    /// This record is to be written, and then it is admitted.
    Admit(Box<TrustEntry>),
}

/// Decides about a redemption at the node with key `me`, whose clock says `now`.
///
/// # Errors
/// The exact reason; it is for the joiner's eyes only because it proved to hold the code.
pub fn decide(
    roster: &Roster,
    me: &PublicKey,
    now: UnixMillis,
    asked: &Redemption,
) -> Result<Decision, Refusal> {
    if roster.revoked().contains_key(&asked.joiner) {
        return Err(Refusal::Revoked);
    }
    let invited = roster.invitations().get(&asked.invitation).ok_or(Refusal::InvitationUnknown)?;
    let invitation = &invited.invitation;
    if invitation.redeemer != *me || !roster.is_registrar(me) {
        return Err(Refusal::NotTheRedeemer);
    }
    if let Some(record) = invited.redeemed.get(&asked.joiner) {
        return Ok(Decision::Stands(*record));
    }
    check_open(invited, now.max(roster.time_floor()), &asked.joiner)?;
    let known = roster.member(&asked.joiner).is_some();
    let signs = roster.line().is_root_key(&asked.joiner) || roster.is_admin(&asked.joiner);
    if known || signs {
        return Err(Refusal::AlreadyMember);
    }
    if is_taken(roster, invited) {
        return Err(Refusal::NameOrScopeTaken);
    }
    let admission = Admission {
        node: asked.joiner,
        invitation: Some(asked.invitation),
        terms: invitation.terms.clone(),
    };
    let entry = TrustEntry { at: now, record: TrustRecord::Admission(admission) };
    Ok(Decision::Admit(Box::new(entry)))
}

/// Whether a member has the name, or a scope that overlaps, which an invitation gives. Two records
/// of one name stay valid whoever signs them, or rosters would depend on order; a redeemer that
/// knows better does not write the second. Members that the same invitation admitted do not count:
/// an invitation for several machines gives them one name on purpose.
fn is_taken(roster: &Roster, invited: &Invited) -> bool {
    let Terms { name, scope, .. } = &invited.invitation.terms;
    let others = roster.members().values();
    let mut others = others.filter(|member| !invited.redeemed.contains_key(&member.key()));
    others.any(|member| {
        let scopes = member.scope().zip(scope.as_ref());
        member.name() == name || scopes.is_some_and(|(one, other)| one.overlaps(other))
    })
}

fn check_open(invited: &Invited, now: UnixMillis, joiner: &PublicKey) -> Result<(), Refusal> {
    let invitation = &invited.invitation;
    if invited.is_revoked {
        return Err(Refusal::InvitationRevoked);
    }
    if invitation.bound_to.is_some_and(|bound| bound != *joiner) {
        return Err(Refusal::InvitationBound);
    }
    if invited.redeemed.len() >= usize::from(invitation.uses) {
        return Err(Refusal::InvitationUsed);
    }
    if now >= invitation.expires_at {
        return Err(Refusal::InvitationExpired);
    }
    Ok(())
}

#[cfg(test)]
#[path = "redeem/tests.rs"]
mod tests;
