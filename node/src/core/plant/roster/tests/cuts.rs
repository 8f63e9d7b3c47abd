//! What stays of a key that was thrown out, and what falls with it.

use gearmesh_protocol::log::{LogCut, LogKind};
use gearmesh_protocol::trust::{Reason, Revocation, Target, TrustRecord};

use super::super::fallen;
use super::assert_members;
use crate::core::plant::world::records::{
    admin, admit, amend, invite, machine, redeem, registrar, revoke, revoke_wholly, withdraw,
};
use crate::core::plant::world::{Plant, few, first, key};

#[test]
fn what_an_admin_signed_before_its_cut_stands_and_what_lies_beyond_is_void() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("old", machine("old")));
    let good = plant.write("admin", invite("late-code", "registrar", machine("late")));
    plant.write("admin", admit("new", machine("new")));
    plant.write("admin", registrar("new-registrar"));
    plant.write("admin", invite("bad-code", "registrar", machine("bad")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("registrar", redeem("late", "late-code", machine("late")));
    plant.write("registrar", redeem("bad", "bad-code", machine("bad")));
    assert_members(&plant.roster(), &["old", "new", "press", "late", "bad"]);
    plant.write("root", revoke("admin", Reason::Compromised, &[&good]));
    let roster = plant.roster();
    assert_members(&roster, &["old", "press", "late"]);
    assert!(!roster.is_admin(&key("admin")) && roster.is_registrar(&key("registrar")));
    assert!(!roster.is_registrar(&key("new-registrar")));
}

#[test]
fn a_stolen_admin_keys_mass_revocation_is_undone_by_the_root() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node-1", machine("node-1")));
    let good = plant.write("admin", admit("node-2", machine("node-2")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    for target in ["node-1", "node-2", "registrar", "press"] {
        plant.write("admin", revoke(target, Reason::Compromised, &[]));
    }
    plant.write("admin", withdraw("code", &[]));
    assert_members(&plant.roster(), &[]);
    plant.write("root", revoke("admin", Reason::Compromised, &[&good]));
    let roster = plant.roster();
    assert_members(&roster, &["node-1", "node-2", "press"]);
    assert!(roster.is_registrar(&key("registrar")));
    assert_eq!(roster.revoked().keys().collect::<Vec<_>>(), vec![&key("admin")]);
    assert!(roster.invitations().get(&key("code")).is_some_and(|i| !i.is_revoked));
}

#[test]
fn a_revocation_before_its_issuers_cut_stays() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node", machine("robot")));
    let good = plant.write("admin", revoke("node", Reason::Lost, &[]));
    plant.write("root", revoke("admin", Reason::Compromised, &[&good]));
    assert_members(&plant.roster(), &[]);
    assert!(plant.roster().revoked().contains_key(&key("node")));
}

#[test]
fn a_thiefs_branch_beside_the_cut_is_void() {
    let mut plant = Plant::at_work();
    let trunk = plant.write("admin", admit("old", machine("old")));
    let good = plant.write("admin", admit("good", machine("good")));
    plant.fork("admin", Some(&trunk), admit("thief", machine("thief")));
    assert_members(&plant.roster(), &["old", "good", "thief"]);
    plant.write("root", revoke("admin", Reason::Compromised, &[&good]));
    assert_members(&plant.roster(), &["old", "good"]);
}

#[test]
fn a_cut_may_keep_several_branches() {
    let mut plant = Plant::at_work();
    let trunk = plant.write("admin", admit("old", machine("old")));
    let left = plant.fork("admin", Some(&trunk), admit("left", machine("left")));
    let right = plant.fork("admin", Some(&trunk), admit("right", machine("right")));
    plant.fork("admin", Some(&trunk), admit("thief", machine("thief")));
    plant.write("root", revoke("admin", Reason::Lost, &[&left, &right]));
    assert_members(&plant.roster(), &["old", "left", "right"]);
}

#[test]
fn a_revoked_registrars_admissions_stand_up_to_its_cut() {
    let mut plant = Plant::at_work();
    let good = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("registrar", redeem("late", "code", machine("press")));
    plant.write("admin", revoke("registrar", Reason::Replaced, &[&good]));
    assert_members(&plant.roster(), &["press"]);
}

#[test]
fn with_the_delegation_of_a_registrar_all_its_admissions_fall() {
    let mut plant = Plant::at_work();
    let good = plant.write("admin", invite("code-2", "late-registrar", machine("robot")));
    plant.write("admin", registrar("late-registrar"));
    plant.write("late-registrar", redeem("robot", "code-2", machine("robot")));
    assert_members(&plant.roster(), &["robot"]);
    plant.write("root", revoke("admin", Reason::Compromised, &[&good]));
    assert_members(&plant.roster(), &[]);
    plant.write("root", registrar("late-registrar"));
    assert_members(&plant.roster(), &["robot"]);
}

#[test]
fn a_compromised_key_is_cut_by_the_revocations_that_say_so_alone() {
    let mut plant = Plant::at_work();
    let one = plant.write("registrar", redeem("press-1", "code", machine("press")));
    let two = plant.write("registrar", redeem("press-2", "code", machine("press")));
    plant.write("registrar", redeem("press-3", "code", machine("press")));
    plant.write("admin", revoke("registrar", Reason::Retired, &[&one]));
    assert_members(&plant.roster(), &["press-1"]);
    plant.write("admin", revoke("registrar", Reason::Compromised, &[&two]));
    let roster = plant.roster();
    assert_members(&roster, &["press-1", "press-2"]);
    let revoked = roster.revoked().get(&key("registrar")).expect("it was revoked");
    assert_eq!((revoked.reason, revoked.cuts.len()), (Reason::Compromised, 1));
}

#[test]
fn cuts_of_equal_reasons_intersect() {
    for (one, other) in [
        (Reason::Compromised, Reason::Compromised),
        (Reason::Retired, Reason::Retired),
        (Reason::Lost, Reason::Replaced),
    ] {
        let mut plant = Plant::at_work();
        let trunk = plant.write("registrar", redeem("press-1", "code", machine("press")));
        let left = plant.write("registrar", redeem("press-2", "code", machine("press")));
        let late = redeem("press-3", "code", machine("press"));
        let right = plant.fork("registrar", Some(&trunk), late);
        plant.write("admin", revoke("registrar", one, &[&left]));
        plant.write("root", revoke("registrar", other, &[&right]));
        let roster = plant.roster();
        assert_members(&roster, &["press-1"]);
        assert_eq!(roster.revoked()[&key("registrar")].reason, one.max(other));
    }
}

#[test]
fn a_revocation_that_names_no_trust_log_ends_all_of_it() {
    let mut plant = Plant::at_work();
    let good = plant.write("registrar", redeem("press", "code", machine("press")));
    let data = LogCut { kind: LogKind::Data, leaves: few(vec![good.id()]) };
    let mut other = plant.clone();
    plant.write("admin", revoke_wholly("registrar"));
    assert_members(&plant.roster(), &[]);
    let revocation = Revocation {
        target: Target::Key(key("registrar")),
        reason: Reason::Retired,
        cut: few(vec![data]),
    };
    other.write("admin", TrustRecord::Revocation(revocation));
    assert_members(&other.roster(), &[]);
}

#[test]
fn an_effective_revocation_beats_every_way_of_coming_back() {
    let mut plant = Plant::at_work();
    let admitted = plant.write("admin", admit("node", machine("robot")));
    plant.write("admin", revoke("node", Reason::Lost, &[]));
    plant.write("admin", admit("node", machine("robot")));
    plant.write("root", admit("node", machine("robot")));
    plant.write("admin", amend("node", first(&admitted), machine("robot")));
    plant.write("registrar", redeem("node", "code", machine("press")));
    plant.write("admin", registrar("node"));
    let roster = plant.roster();
    assert_members(&roster, &[]);
    assert!(!roster.is_registrar(&key("node")));
    let name = roster.revoked()[&key("node")].name.clone();
    assert!(name.is_some_and(|name| ["robot", "press"].contains(&name.as_str())));
}

#[test]
fn a_revoked_admin_delegated_again_stays_revoked() {
    let mut plant = Plant::at_work();
    plant.write("root", revoke_wholly("admin"));
    plant.write("root", admin("admin"));
    plant.write("admin", admit("node", machine("robot")));
    assert_members(&plant.roster(), &[]);
    assert!(!plant.roster().is_admin(&key("admin")));
}

#[test]
fn who_falls_with_a_revocation_is_listed() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", admit("node", machine("robot")));
    let before = plant.roster();
    plant.write("admin", revoke("registrar", Reason::Compromised, &[]));
    let after = plant.roster();
    let names: Vec<_> = fallen(&before, &after).iter().map(|m| m.name().as_str()).collect();
    assert_eq!(names, ["press"]);
    assert!(fallen(&after, &before).is_empty());
}
