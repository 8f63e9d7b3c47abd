//! Every way in which a stored group may be believed or not.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Incarnation, PlantId, PublicKey};
use gearmesh_protocol::log::{Cut, Draft, Group, LogCut, LogId, LogKind};
use gearmesh_protocol::merkle::Salt;
use gearmesh_protocol::time::UnixMillis;

use super::*;

const FIRST: RecordId = RecordId([1; 32]);
const SECOND: RecordId = RecordId([2; 32]);

/// A data log of which each group names the record given for it.
fn log_naming(records: &[RecordId]) -> (Log, Vec<Arc<VerifiedGroup>>) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let id = LogId { author: PublicKey::of(&key), kind: LogKind::Data };
    let mut log = Log::new(id);
    let mut groups = Vec::new();
    for acting_under in records {
        let draft = Draft {
            log: id,
            incarnation: Incarnation([0; 16]),
            after: log.tips(),
            acting_under: *acting_under,
            salt: Salt([0; 16]),
            entries: vec![vec![1]],
        };
        let group = Group::write(&key, &PlantId([0; 32]), draft).expect("a group");
        let group = Arc::new(group);
        log.insert(Arc::clone(&group)).expect("it continues the log");
        groups.push(group);
    }
    (log, groups)
}

fn revoked(reason: Reason, leaf: &VerifiedGroup) -> Revoked {
    let leaves = vec![leaf.id()].try_into().expect("one leaf");
    let cut: Cut = vec![LogCut { kind: LogKind::Data, leaves }].try_into().expect("one log");
    Revoked { reason, name: None, at: UnixMillis(0), cuts: vec![cut] }
}

#[test]
fn what_a_member_wrote_is_believed_and_what_a_stranger_wrote_is_not() {
    let (log, groups) = log_naming(&[FIRST, SECOND]);
    let memberships = Memberships::starting_with(FIRST);
    assert_eq!(judge(&log, &groups[0], &memberships, None), Delivery::Plain);
    let stranger = judge(&log, &groups[1], &memberships, None);
    assert_eq!(stranger, Delivery::Withheld(Withheld::NeverMember));
}

#[test]
fn beyond_a_cut_the_reason_decides() {
    let (log, groups) = log_naming(&[FIRST, FIRST]);
    let memberships = Memberships::starting_with(FIRST);
    for (reason, expected) in [
        (Reason::Retired, Delivery::AfterCut),
        (Reason::Lost, Delivery::AfterCut),
        (Reason::Replaced, Delivery::AfterCut),
        (Reason::Compromised, Delivery::Withheld(Withheld::Compromised)),
    ] {
        let revoked = revoked(reason, &groups[0]);
        assert_eq!(judge(&log, &groups[0], &memberships, Some(&revoked)), Delivery::Plain);
        assert_eq!(judge(&log, &groups[1], &memberships, Some(&revoked)), expected, "{reason}");
    }
}

#[test]
fn after_an_amendment_the_old_record_is_spent() {
    let (log, groups) = log_naming(&[FIRST, FIRST, SECOND, FIRST]);
    let mut memberships = Memberships::starting_with(FIRST);
    memberships.amended(SECOND, vec![groups[1].id()]);
    let judged: Vec<_> = groups.iter().map(|g| judge(&log, g, &memberships, None)).collect();
    assert_eq!(judged[..3], [Delivery::Plain; 3]);
    assert_eq!(judged[3], Delivery::Withheld(Withheld::Amended));
}

#[test]
fn a_membership_never_goes_backwards_along_a_log() {
    let (log, groups) = log_naming(&[SECOND, FIRST]);
    let mut memberships = Memberships::starting_with(FIRST);
    memberships.amended(SECOND, groups.iter().map(|group| group.id()).collect());
    let judged = judge(&log, &groups[1], &memberships, None);
    assert_eq!(judged, Delivery::Withheld(Withheld::WentBack));
}
