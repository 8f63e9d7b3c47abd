//! The slice of a ledger by which a member shows that it is one.

use std::collections::BTreeSet;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::plant::LedgerPage;

use super::super::Roster;
use crate::core::plant::ledger::Ledger;
use crate::core::plant::world::records::{admin, admit, amend, invite, machine, redeem, registrar};
use crate::core::plant::world::{Plant, first, key};

/// What a node without a ledger makes of these pages, taking them as they come.
pub(super) fn founded_from(pages: &[LedgerPage]) -> Ledger {
    let genesis = pages[0].acts[0].clone();
    let mut ledger = Ledger::found(genesis).expect("the genesis comes first");
    for page in pages {
        for act in &page.acts {
            ledger.merge_act(act.clone()).expect("an act");
        }
        for group in &page.groups {
            let group = group.clone().verify(&ledger.plant()).expect("a group");
            ledger.merge_group(&group.into()).expect("authors and parents come first");
        }
    }
    ledger
}

fn authors(pages: &[LedgerPage]) -> BTreeSet<PublicKey> {
    let ledger = founded_from(pages);
    ledger.logs().into_iter().map(|log| log.id().author).collect()
}

fn keys(roles: &[&str]) -> BTreeSet<PublicKey> {
    roles.iter().map(|role| key(role)).collect()
}

/// Two registrars, and a member by each way of becoming one.
fn busy_plant(mut plant: Plant, boss: &str) -> Plant {
    for number in 1..=2 {
        let (registrar_name, code) = (format!("registrar-{number}"), format!("code-{number}"));
        plant.write(boss, registrar(&registrar_name));
        plant.write(boss, admit(&registrar_name, machine(&registrar_name)));
        plant.write(boss, invite(&code, &registrar_name, machine(&format!("press-{number}"))));
    }
    plant.write("registrar-1", redeem("press-1", "code-1", machine("press-1")));
    let second = plant.write("registrar-2", redeem("press-2", "code-2", machine("press-2")));
    plant.write(boss, amend("press-2", first(&second), machine("robot")));
    plant
}

#[test]
fn a_credential_makes_its_member_a_member_with_the_same_terms() {
    let one_root = busy_plant(Plant::with_one_root(), "root");
    let with_admin = busy_plant(Plant::at_work(), "admin");
    let by_acts = busy_plant(Plant::with_three_roots(), "admin");
    for plant in [one_root, with_admin, by_acts] {
        let ledger = plant.ledger();
        let roster = Roster::of(&ledger);
        assert_eq!(roster.members().len(), 4);
        for (member, expected) in roster.members() {
            let shown = Roster::of(&founded_from(&ledger.credential(member)));
            assert_eq!(shown.member(member), Some(&**expected));
            assert_eq!(shown.plant(), roster.plant());
        }
    }
}

#[test]
fn a_credential_holds_no_log_of_a_registrar_that_had_no_hand_in_it() {
    let plant = busy_plant(Plant::at_work(), "admin");
    let shown = authors(&plant.ledger().credential(&key("press-1")));
    assert_eq!(shown, keys(&["root", "admin", "registrar-1"]));
    let shown = authors(&plant.ledger().credential(&key("registrar-1")));
    assert_eq!(shown, keys(&["root", "admin"]));
}

#[test]
fn registrars_delegated_by_the_root_itself_are_left_out_as_well() {
    let plant = busy_plant(Plant::with_one_root(), "root");
    let shown = authors(&plant.ledger().credential(&key("press-2")));
    assert_eq!(shown, keys(&["root", "registrar-2"]));
}

#[test]
fn a_member_that_claims_to_have_admitted_another_gets_no_place_in_its_credential() {
    let mut plant = busy_plant(Plant::at_work(), "admin");
    plant.write("press-2", admit("press-1", machine("press-1")));
    let ledger = plant.ledger();
    let shown = authors(&ledger.credential(&key("press-1")));
    assert_eq!(shown, keys(&["root", "admin", "registrar-1"]));
}

#[test]
fn all_pages_can_be_taken_in_the_order_in_which_they_come() {
    // Authors of every level write, members included; some of the many keys sort before the key
    // of whoever named them.
    let mut plant = busy_plant(Plant::at_work(), "admin");
    plant.write("root", admin("admin-2"));
    plant.write("admin-2", registrar("registrar-3"));
    for number in 0..12 {
        let node = format!("node-{number}");
        plant.write("registrar-1", redeem(&node, "code-1", machine("press-1")));
        plant.write(&node, admit("friend", machine("friend")));
    }
    let ledger = plant.ledger();
    let copy = founded_from(&ledger.pages());
    assert_eq!(copy.logs().len(), ledger.logs().len());
    assert_eq!(Roster::of(&copy), Roster::of(&ledger));
}

#[test]
fn a_key_that_a_mere_member_names_gets_no_log() {
    let mut plant = busy_plant(Plant::at_work(), "admin");
    plant.write("press-1", admit("friend", machine("friend")));
    let group = plant.write("friend", admit("cousin", machine("cousin")));
    assert!(plant.ledger().merge_group(&group).is_err());
}

#[test]
fn a_genesis_with_other_signatures_is_the_same_genesis() {
    let mut plant = Plant::with_three_roots();
    plant.act(&["root-2", "root-3"], registrar("registrar"));
    let mut ledger = plant.ledger();
    let other = plant.genesis_signed_by(&["root-2", "root-3"]);
    assert_eq!(ledger.merge_act(other), Ok(false));
}
