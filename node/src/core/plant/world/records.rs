//! Trust records in the words of the tests.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::log::{Cut, LogCut, LogKind, VerifiedGroup};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::{
    Admission, Amendment, Authority, Delegation, Invitation, Reason, Revocation, Target,
    TrustRecord,
};

use super::{few, key};

/// When the invitations of the tests end.
pub(crate) const EXPIRES: u64 = 1_000_000;

/// A machine of this name that publishes under it.
pub(crate) fn machine(name: &str) -> Terms {
    Terms {
        name: name.parse().expect("a name"),
        roles: few(vec![Role::Machine]),
        scope: Some(name.parse().expect("a scope")),
        subscribe: Bounded::new(),
        until: None,
    }
}

/// `role` may sign what admins sign.
pub(crate) fn admin(role: &str) -> TrustRecord {
    delegation(role, Authority::Admin)
}

/// `role` may redeem invitations that name it.
pub(crate) fn registrar(role: &str) -> TrustRecord {
    delegation(role, Authority::Registrar)
}

fn delegation(role: &str, authority: Authority) -> TrustRecord {
    let name = format!("key-of-{role}").parse().expect("a name");
    TrustRecord::Delegation(Delegation { key: key(role), authority, name })
}

/// Whoever holds `code` may become this at `redeemer`, three keys at most.
pub(crate) fn offer(code: &str, redeemer: &str, terms: Terms) -> Invitation {
    Invitation {
        key: key(code),
        redeemer: key(redeemer),
        terms,
        uses: 3,
        expires_at: UnixMillis(EXPIRES),
        bound_to: None,
    }
}

/// As [`offer`], as a record.
pub(crate) fn invite(code: &str, redeemer: &str, terms: Terms) -> TrustRecord {
    TrustRecord::Invitation(offer(code, redeemer, terms))
}

/// `node` is a member, says an admin.
pub(crate) fn admit(node: &str, terms: Terms) -> TrustRecord {
    TrustRecord::Admission(Admission { node: key(node), invitation: None, terms })
}

/// `node` is a member because it held `code`.
pub(crate) fn redeem(node: &str, code: &str, terms: Terms) -> TrustRecord {
    TrustRecord::Admission(Admission { node: key(node), invitation: Some(key(code)), terms })
}

/// `node` is this from now on.
pub(crate) fn amend(node: &str, replaces: RecordId, terms: Terms) -> TrustRecord {
    amend_beyond(node, replaces, terms, &[])
}

/// `node` is this from now on; what it wrote up to `leaves` counts for what it was before.
pub(crate) fn amend_beyond(
    node: &str,
    replaces: RecordId,
    terms: Terms,
    leaves: &[&VerifiedGroup],
) -> TrustRecord {
    let data_leaves = few(leaves.iter().map(|group| group.id()).collect());
    TrustRecord::Amendment(Amendment { node: key(node), replaces, terms, data_leaves })
}

/// The key of `role` ends; its trust log stays up to `leaves`.
pub(crate) fn revoke(role: &str, reason: Reason, leaves: &[&VerifiedGroup]) -> TrustRecord {
    let (target, cut) = (Target::Key(key(role)), trust_cut(leaves));
    TrustRecord::Revocation(Revocation { target, reason, cut })
}

/// The key of `role` ends; its data log stays up to `leaf`.
pub(crate) fn revoke_beyond(role: &str, reason: Reason, leaf: &VerifiedGroup) -> TrustRecord {
    let cut = few(vec![LogCut { kind: LogKind::Data, leaves: few(vec![leaf.id()]) }]);
    TrustRecord::Revocation(Revocation { target: Target::Key(key(role)), reason, cut })
}

/// The key of `role` ends; the revocation does not name its trust log.
pub(crate) fn revoke_wholly(role: &str) -> TrustRecord {
    let (target, reason) = (Target::Key(key(role)), Reason::Retired);
    TrustRecord::Revocation(Revocation { target, reason, cut: Bounded::new() })
}

/// An invitation ends; what its redeemer signed up to `leaves` stays.
pub(crate) fn dismiss(role: &str, leaves: &[&VerifiedGroup]) -> TrustRecord {
    let (target, cut) = (Target::Registrar(key(role)), trust_cut(leaves));
    TrustRecord::Revocation(Revocation { target, reason: Reason::Retired, cut })
}

pub(crate) fn withdraw(code: &str, leaves: &[&VerifiedGroup]) -> TrustRecord {
    let (target, reason) = (Target::Invitation(key(code)), Reason::Retired);
    TrustRecord::Revocation(Revocation { target, reason, cut: trust_cut(leaves) })
}

/// A cut of a trust log alone.
pub(crate) fn trust_cut(leaves: &[&VerifiedGroup]) -> Cut {
    let leaves = few(leaves.iter().map(|group| group.id()).collect());
    few(vec![LogCut { kind: LogKind::Trust, leaves }])
}

/// Its author is for this rotation.
pub(crate) fn vote(rotation: RecordId) -> TrustRecord {
    TrustRecord::RootVote(rotation)
}
