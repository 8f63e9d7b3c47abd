//! Who may say what: no level touches one above it or beside it.

use gearmesh_protocol::trust::{ActError, Authority, Reason};

use super::assert_members;
use crate::core::plant::ledger::MergeRefusal;
use crate::core::plant::world::records::{
    admin, admit, dismiss, invite, machine, redeem, registrar, revoke, revoke_wholly,
};
use crate::core::plant::world::{Piece, Plant, key};

#[test]
fn one_root_key_of_two_that_are_needed_writes_nothing() {
    let mut plant = Plant::with_three_roots();
    plant.write("root-1", admin("accomplice"));
    plant.write("root-1", registrar("registrar"));
    plant.write("root-1", admit("node", machine("press")));
    plant.write("root-1", revoke_wholly("admin"));
    let roster = plant.roster();
    assert_members(&roster, &[]);
    assert!(roster.is_admin(&key("admin")) && roster.revoked().is_empty());
    assert!(!roster.is_admin(&key("root-1")) && !roster.is_registrar(&key("registrar")));
    assert_eq!(roster.authorities().len(), 1);
}

#[test]
fn an_act_counts_with_two_different_root_keys_and_not_with_one() {
    let mut plant = Plant::with_three_roots();
    let mut ledger = plant.ledger();
    for signers in [&["root-1"][..], &["root-2", "root-2"], &["root-3", "admin"]] {
        let refused = ledger.merge_act(plant.act(signers, revoke_wholly("admin")));
        let threshold =
            matches!(refused, Err(MergeRefusal::Act(ActError::Threshold { threshold: 2, .. })));
        assert!(threshold, "{signers:?}: {refused:?}");
    }
    assert!(plant.roster().is_admin(&key("admin")));
    plant.act(&["root-3", "root-2"], revoke_wholly("admin"));
    assert!(!plant.roster().is_admin(&key("admin")));
}

#[test]
fn an_act_of_another_plants_root_is_refused() {
    let mut other = Plant::founded(&["root-1", "root-2", "root-4"], 2);
    let act = other.act(&["root-1", "root-2"], admin("stranger"));
    let mut ledger = Plant::with_three_roots().empty_ledger();
    assert!(ledger.merge_act(act).is_err());
}

#[test]
fn a_root_key_that_acts_alone_does_what_admins_do() {
    let mut plant = Plant::with_one_root();
    plant.write("root", registrar("registrar"));
    plant.write("root", invite("code", "registrar", machine("press")));
    plant.write("root", admit("robot", machine("robot")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    let roster = plant.roster();
    assert_members(&roster, &["robot", "press"]);
    assert!(roster.is_admin(&key("root")));
    plant.write("root", revoke("robot", Reason::Lost, &[]));
    assert_members(&plant.roster(), &["press"]);
}

#[test]
fn only_root_delegates_admins() {
    let mut plant = Plant::at_work();
    plant.write("admin", admin("friend"));
    plant.write("registrar", admin("accomplice"));
    plant.write("friend", admit("node", machine("robot")));
    let roster = plant.roster();
    assert_members(&roster, &[]);
    let admins = ["admin", "friend", "accomplice"].map(|role| roster.is_admin(&key(role)));
    assert_eq!(admins, [true, false, false]);
}

#[test]
fn admins_delegate_registrars_and_registrars_nobody() {
    let mut plant = Plant::at_work();
    plant.write("registrar", registrar("cousin"));
    let roster = plant.roster();
    let of_registrar = roster.authorities().get(&key("registrar")).map(|d| d.authority);
    assert_eq!(of_registrar, Some(Authority::Registrar));
    assert!(!roster.is_registrar(&key("cousin")));
}

#[test]
fn a_registrar_admits_nobody_without_an_invitation_and_invites_nobody() {
    let mut plant = Plant::at_work();
    plant.write("registrar", admit("node", machine("robot")));
    plant.write("registrar", invite("own-code", "registrar", machine("robot")));
    plant.write("registrar", redeem("node", "own-code", machine("robot")));
    assert_members(&plant.roster(), &[]);
    assert!(!plant.roster().invitations().contains_key(&key("own-code")));
}

#[test]
fn registrars_and_nodes_revoke_nobody() {
    let mut plant = Plant::at_work();
    plant.write("admin", registrar("other"));
    plant.write("admin", admit("node", machine("robot")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    for author in ["registrar", "node"] {
        for target in ["root", "admin", "other", "registrar", "press", "node"] {
            plant.write(author, revoke(target, Reason::Compromised, &[]));
        }
    }
    let roster = plant.roster();
    assert_members(&roster, &["node", "press"]);
    assert!(roster.revoked().is_empty() && roster.is_registrar(&key("other")));
}

#[test]
fn mutual_revocations_of_admins_are_void() {
    let mut plant = Plant::with_one_root();
    plant.write("root", admin("admin-1"));
    plant.write("root", admin("admin-2"));
    plant.write("admin-1", admit("node-1", machine("press")));
    plant.write("admin-2", admit("node-2", machine("robot")));
    plant.write("admin-1", revoke("admin-2", Reason::Compromised, &[]));
    plant.write("admin-2", revoke("admin-1", Reason::Compromised, &[]));
    plant.write("admin-2", revoke("admin-2", Reason::Retired, &[]));
    let roster = plant.roster();
    assert_members(&roster, &["node-1", "node-2"]);
    assert!(roster.is_admin(&key("admin-1")) && roster.is_admin(&key("admin-2")));
    assert!(roster.revoked().is_empty());
}

#[test]
fn a_registrar_that_is_dismissed_stays_a_member_and_what_it_admitted_before_stands() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("registrar", machine("desk")));
    plant.write("admin", invite("second", "registrar", machine("robot")));
    let before = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("press", dismiss("registrar", &[]));
    assert!(plant.roster().is_registrar(&key("registrar")), "nobody below says so");
    plant.write("admin", dismiss("registrar", &[&before]));
    plant.write("registrar", redeem("robot", "second", machine("robot")));
    assert_members(&plant.roster(), &["press", "registrar"]);
    assert!(!plant.roster().is_registrar(&key("registrar")));
    plant.write("admin", registrar("registrar"));
    assert!(!plant.roster().is_registrar(&key("registrar")), "no later word undoes it");
}

#[test]
fn nobody_revokes_a_root_key() {
    let mut plant = Plant::at_work();
    plant.write("admin", revoke("root", Reason::Compromised, &[]));
    plant.write("root", revoke("root", Reason::Lost, &[]));
    plant.write("root", admit("node", machine("robot")));
    assert_members(&plant.roster(), &["node"]);
    assert!(plant.roster().revoked().is_empty());
}

#[test]
fn an_admin_revokes_registrars_and_nodes() {
    let mut plant = Plant::at_work();
    let good = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", admit("node", machine("robot")));
    plant.write("admin", revoke("registrar", Reason::Retired, &[&good]));
    plant.write("admin", revoke("node", Reason::Lost, &[]));
    let roster = plant.roster();
    assert_members(&roster, &["press"]);
    assert!(!roster.is_registrar(&key("registrar")));
    assert_eq!(roster.revoked().get(&key("node")).map(|r| r.reason), Some(Reason::Lost));
}

#[test]
fn a_log_of_a_key_that_nobody_named_is_not_stored() {
    let mut plant = Plant::at_work();
    let group = plant.write("stranger", admit("stranger", machine("robot")));
    let refused = plant.ledger().merge_group(&group);
    assert_eq!(refused, Err(MergeRefusal::UnknownAuthor { author: key("stranger") }));
    assert!(plant.pieces().iter().any(|piece| matches!(piece, Piece::Group(_))));
}

#[test]
fn a_member_ends_its_own_membership_and_nobody_elses_and_cuts_nothing() {
    let mut plant = Plant::at_work();
    let admitted = plant.write("admin", admit("node", machine("robot")));
    plant.write("admin", admit("other", machine("lathe")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    let resigned = plant.write("node", revoke("node", Reason::Retired, &[]));
    plant.write("other", revoke("node", Reason::Retired, &[]));
    plant.write("press", revoke("press", Reason::Compromised, &[]));
    let roster = plant.roster();
    assert!(roster.member(&key("node")).is_none() && roster.member(&key("other")).is_some());
    assert!(roster.member(&key("press")).is_some(), "that is for an admin to say");
    assert_eq!(roster.revoked()[&key("node")].reason, Reason::Retired);
    assert!(roster.alarms().is_empty());
    drop((admitted, resigned));

    // A registrar that leaves redeems nothing more; what it redeemed stands.
    plant.write("registrar", revoke("registrar", Reason::Retired, &[]));
    let roster = plant.roster();
    assert!(roster.member(&key("press")).is_some());

    // Admins are none of the members.
    plant.write("admin", revoke("admin", Reason::Retired, &[]));
    assert!(plant.roster().is_admin(&key("admin")));
}

#[test]
fn a_mere_member_has_one_record_and_no_more() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node", machine("robot")));
    let mut ledger = plant.ledger();
    let first = plant.write("node", revoke("node", Reason::Retired, &[]));
    let second = plant.write("node", revoke("other", Reason::Retired, &[]));
    ledger.merge_group(&first).expect("the first");
    let refused = ledger.merge_group(&second);
    assert_eq!(refused, Err(MergeRefusal::Full { author: key("node") }));
    // As a registrar it has a log like others.
    let delegated = plant.write("admin", registrar("node"));
    ledger.merge_group(&delegated).expect("by an admin");
    ledger.merge_group(&second).expect("now it may");
}
