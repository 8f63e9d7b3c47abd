//! What a person should know, and what changes nothing but the list of alarms.

use std::collections::BTreeSet;

use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::trust::Reason;

use super::super::{Alarm, Roster};
use super::assert_members;
use crate::core::plant::world::records::{admit, machine, redeem, registrar, revoke};
use crate::core::plant::world::{Plant, few, key};

fn scoped(name: &str, scope: &str) -> Terms {
    Terms { scope: scope.parse().ok(), ..machine(name) }
}

/// Everybody whom an alarm of overlapping scopes names.
fn overlapping(roster: &Roster) -> BTreeSet<PublicKey> {
    let pair = |alarm: &Alarm| match alarm {
        Alarm::ScopesOverlap { one, other } => vec![*one, *other],
        _ => Vec::new(),
    };
    roster.alarms().iter().flat_map(pair).collect()
}

#[test]
fn a_quiet_plant_has_no_alarms() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", admit("robot", machine("robot")));
    assert!(plant.roster().alarms().is_empty());
}

#[test]
fn two_members_of_one_name_raise_an_alarm_until_one_goes() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node-1", scoped("press", "hall-1")));
    plant.write("admin", admit("node-2", scoped("press", "hall-2")));
    let alarm = Alarm::NameTaken { name: "press".parse().expect("a name") };
    let roster = plant.roster();
    assert_members(&roster, &["node-1", "node-2"]);
    assert_eq!(roster.alarms().iter().collect::<Vec<_>>(), vec![&alarm]);
    plant.write("admin", revoke("node-2", Reason::Replaced, &[]));
    assert!(plant.roster().alarms().is_empty());
}

#[test]
fn scopes_that_are_equal_or_contain_each_other_raise_an_alarm() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("hall", scoped("hall", "hall")));
    plant.write("admin", admit("press", scoped("press", "hall/line/press")));
    plant.write("admin", admit("twin", scoped("twin", "hall/line/press")));
    plant.write("admin", admit("yard", scoped("yard", "hall-2")));
    plant.write("admin", admit("panel", Terms { scope: None, ..machine("panel") }));
    let roster = plant.roster();
    assert_eq!(overlapping(&roster), ["hall", "press", "twin"].map(key).into_iter().collect());
    let ordered = |alarm: &Alarm| match alarm {
        Alarm::ScopesOverlap { one, other } => one < other,
        _ => false,
    };
    assert!(roster.alarms().iter().all(ordered), "{:?}", roster.alarms());
}

#[test]
fn a_fork_in_a_trust_log_keeps_both_branches_and_raises_an_alarm() {
    let mut plant = Plant::at_work();
    let trunk = plant.write("admin", admit("old", machine("old")));
    plant.write("admin", admit("left", machine("left")));
    plant.fork("admin", Some(&trunk), admit("right", machine("right")));
    let roster = plant.roster();
    assert_members(&roster, &["old", "left", "right"]);
    assert!(roster.alarms().contains(&Alarm::ForkedTrust { author: key("admin") }));
}

#[test]
fn a_fork_of_a_key_that_was_revoked_needs_nobody_any_more() {
    let mut plant = Plant::at_work();
    let one = plant.write("registrar", redeem("press-1", "code", machine("press")));
    let other = plant.fork("registrar", None, redeem("press-2", "code", machine("press")));
    plant.write("admin", revoke("registrar", Reason::Retired, &[&one, &other]));
    let roster = plant.roster();
    assert_members(&roster, &["press-1", "press-2"]);
    assert!(!roster.alarms().contains(&Alarm::ForkedTrust { author: key("registrar") }));
}

#[test]
fn a_fork_at_the_first_group_is_a_fork_too() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press-1", "code", machine("press")));
    plant.fork("registrar", None, redeem("press-2", "code", machine("press")));
    assert_members(&plant.roster(), &["press-1", "press-2"]);
    let alarm = Alarm::ForkedTrust { author: key("registrar") };
    assert!(plant.roster().alarms().contains(&alarm));
}

#[test]
fn a_record_that_cannot_be_read_raises_an_alarm_and_changes_nothing_else() {
    let mut plant = Plant::at_work();
    let before = plant.roster();
    plant.write_bytes("admin", vec![vec![0xff; 9], Vec::new()]);
    let mut trailing = plant.encoded(admit("node", machine("robot")));
    trailing.push(0);
    plant.write_bytes("admin", vec![trailing]);
    let mut after = plant.roster();
    let alarm = Alarm::UnreadableRecord { author: key("admin") };
    assert!(after.alarms.remove(&alarm));
    assert_eq!(after, before);
}

#[test]
fn records_beside_an_unreadable_one_count() {
    let mut plant = Plant::at_work();
    let good = plant.encoded(admit("node", machine("robot")));
    plant.write_bytes("admin", vec![vec![0xff; 9], good]);
    assert_members(&plant.roster(), &["node"]);
}

#[test]
fn admitting_a_key_that_signs_for_the_plant_is_void_and_raises_an_alarm() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("admin", machine("one")));
    plant.write("admin", admit("root", machine("two")));
    plant.write("registrar", redeem("root", "code", machine("press")));
    plant.write("registrar", redeem("registrar", "code", machine("press")));
    let roster = plant.roster();
    assert_members(&roster, &["registrar"]);
    let admitted = |role| Alarm::AuthorityAdmitted { key: key(role) };
    let expected = [admitted("admin"), admitted("root")].into_iter().collect();
    assert_eq!(*roster.alarms(), expected);
    let redeemed = &roster.invitations()[&key("code")].redeemed;
    assert_eq!(redeemed.len(), 1, "a void admission uses nothing up");
}

#[test]
fn a_void_admission_of_an_authority_raises_no_alarm() {
    let mut plant = Plant::at_work();
    plant.write("admin", registrar("other"));
    plant.write("other", admit("admin", machine("one")));
    assert!(plant.roster().alarms().is_empty());
}

#[test]
fn alarms_of_terms_follow_the_members_that_stand() {
    let mut plant = Plant::at_work();
    let gateway = Terms { roles: few(vec![Role::Gateway]), ..machine("hall") };
    plant.write("admin", admit("node", gateway));
    plant.write("admin", admit("node", machine("hall")));
    assert!(!plant.roster().alarms().is_empty());
    plant.write("admin", revoke("node", Reason::Lost, &[]));
    assert!(plant.roster().alarms().is_empty());
}
