//! What logs hold.

use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::limits::{
    ADDRESS_BYTES_MAX, CUT_LOGS_MAX, ENTRY_BYTES_MAX, GRANT_FILTERS_MAX, LEAVES_MAX,
    NAME_BYTES_MAX, ROLES_MAX, SCOPE_LEVELS_MAX, TOPIC_BYTES_MAX,
};
use gearmesh_protocol::trust::{TrustEntry, TrustRecord};

use super::{read, within};

/// An entry of a trust log has one form, and what it says is within its bounds.
pub fn trust_entry(bytes: &[u8]) {
    let Some(TrustEntry { record, .. }) = read(bytes, ENTRY_BYTES_MAX) else { return };
    match record {
        TrustRecord::Delegation(delegation) => {
            within(delegation.name.as_str().as_bytes(), NAME_BYTES_MAX);
        }
        TrustRecord::Invitation(invitation) => check_terms(&invitation.terms),
        TrustRecord::Admission(admission) => check_terms(&admission.terms),
        TrustRecord::Amendment(amendment) => {
            check_terms(&amendment.terms);
            within(&amendment.data_leaves, LEAVES_MAX);
        }
        TrustRecord::Revocation(revocation) => {
            within(&revocation.cut, CUT_LOGS_MAX);
            revocation.cut.iter().for_each(|cut| within(&cut.leaves, LEAVES_MAX));
        }
        TrustRecord::RootVote(_) => {}
    }
}

fn check_terms(terms: &Terms) {
    within(terms.name.as_str().as_bytes(), NAME_BYTES_MAX);
    within(&terms.roles, ROLES_MAX);
    within(&terms.subscribe, GRANT_FILTERS_MAX);
    if let Some(scope) = &terms.scope {
        assert!(scope.as_str().split('/').count() <= SCOPE_LEVELS_MAX, "{scope}");
        // Whoever is given a scope can publish in it.
        let topic = scope.topic("x").expect("a topic below a scope");
        assert_eq!(terms.may_publish(&topic), terms.roles.iter().any(publishes), "{terms:?}");
    }
    assert!(terms.is_within(terms), "{terms:?}");
}

const fn publishes(role: &Role) -> bool {
    match role {
        Role::Machine | Role::Gateway => true,
        Role::Observer => false,
    }
}

/// An entry of a data log has one form, and its lists and texts are within their bounds.
pub fn data_entry(bytes: &[u8]) {
    match read(bytes, ENTRY_BYTES_MAX) {
        Some(DataEntry::Sample { topic, sample }) => {
            within(topic.as_str().as_bytes(), TOPIC_BYTES_MAX);
            sample.unit.iter().for_each(|unit| within(unit.as_str().as_bytes(), NAME_BYTES_MAX));
        }
        Some(DataEntry::Command(command) | DataEntry::CommandAgain(command)) => {
            within(command.verb.as_str().as_bytes(), NAME_BYTES_MAX);
        }
        Some(DataEntry::Lease(lease)) => {
            within(lease.resource.as_str().as_bytes(), NAME_BYTES_MAX);
        }
        Some(DataEntry::Cursor(cursor)) => within(&cursor.leaves, LEAVES_MAX),
        Some(DataEntry::Work(work)) => within(work.verb.as_str().as_bytes(), NAME_BYTES_MAX),
        Some(DataEntry::Call(call)) => within(call.verb.as_str().as_bytes(), NAME_BYTES_MAX),
        Some(DataEntry::Partner(act)) => within(act.partner.as_str().as_bytes(), NAME_BYTES_MAX),
        Some(DataEntry::Visit(visit)) => {
            within(visit.from.as_str().as_bytes(), ADDRESS_BYTES_MAX);
        }
        None => {}
    }
}
