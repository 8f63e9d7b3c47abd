//! Another root takes over: what stays of the old one, and what becomes of two that want to.

use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::trust::{ActError, Reason};

use super::super::{Alarm, Roster};
use super::assert_members;
use super::credential::founded_from;
use crate::core::plant::ledger::MergeRefusal;
use crate::core::plant::world::records::{
    admin, admit, invite, machine, redeem, registrar, revoke, revoke_wholly, vote,
};
use crate::core::plant::world::{Piece, Plant, key, merge_all};

const OLD: [&str; 2] = ["root-1", "root-2"];
const NEW: [&str; 3] = ["new-1", "new-2", "new-3"];
const THIEFS: [&str; 2] = ["thief-1", "thief-2"];

/// A plant of which two of three root keys act, with these admins, of whom each admitted a node; and
/// the acts that made them.
fn with_admins(roles: &[&str]) -> (Plant, Vec<gearmesh_protocol::trust::Act>) {
    let mut plant = Plant::founded(&["root-1", "root-2", "root-3"], 2);
    let acts = roles.iter().map(|role| plant.act(&OLD, admin(role))).collect();
    for role in roles {
        let node = format!("node-of-{role}");
        plant.write(role, admit(&node, machine(&node)));
    }
    (plant, acts)
}

fn is_frozen(roster: &Roster) -> bool {
    roster.alarms().iter().any(|alarm| matches!(alarm, Alarm::RootFrozen { .. }))
}

#[test]
fn the_new_root_acts_and_the_old_one_no_more() {
    let (mut plant, acts) = with_admins(&["anna", "bert"]);
    let rotation = plant.rotate(&OLD, None, &NEW, (&[], &[&acts[0]]));
    let roster = plant.roster();
    assert_members(&roster, &["node-of-anna"]);
    assert!(roster.is_admin(&key("anna")) && !roster.is_admin(&key("bert")));
    assert_eq!(roster.root().keys.len(), 3);
    assert!(roster.root().keys.contains(&key("new-1")));

    plant.act(&["root-1", "root-3"], admin("late"));
    plant.act(&["root-1", "root-3"], revoke_wholly("anna"));
    plant.act_of(rotation, &["new-2", "new-3"], admin("carl"));
    plant.act_of(rotation, &["root-1", "root-2"], admin("forged"));
    plant.act_of(RecordId([3; 32]), &["new-2", "new-3"], admin("nobodys"));
    let roster = plant.roster();
    let admins = ["anna", "late", "carl", "forged", "nobodys"].map(|it| roster.is_admin(&key(it)));
    assert_eq!(admins, [true, false, true, false, false]);
    assert!(roster.alarms().is_empty());

    let next = plant.rotate(&["new-1", "new-3"], Some(rotation), &["x-1", "x-2"], (&[], &[]));
    let roster = plant.roster();
    assert!(roster.is_admin(&key("anna")), "what the root before the last left stays");
    assert!(!roster.is_admin(&key("carl")), "what the last one did not keep goes");
    plant.act_of(next, &["x-1", "x-2"], revoke("anna", Reason::Retired, &[]));
    assert!(!plant.roster().is_admin(&key("anna")));
}

#[test]
fn the_log_of_a_key_that_acted_alone_ends_where_the_rotation_says() {
    let mut plant = Plant::at_work();
    let last = plant.write("root", admit("robot", machine("robot")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("root", admit("thief", machine("thief")));
    plant.fork("root", Some(&last), admit("other-thief", machine("other-thief")));
    plant.rotate(&["root"], None, &NEW, (&[&last], &[]));
    plant.write("root", revoke_wholly("admin"));
    let roster = plant.roster();
    assert_members(&roster, &["robot", "press"]);
    assert!(roster.is_admin(&key("admin")) && !roster.is_admin(&key("root")));
    assert_eq!(roster.acting_under(&key("root")), None);
    assert!(roster.alarms().is_empty(), "a fork beyond the end is nobody's trouble");
    assert!(roster.line().is_past_key(&key("root")), "it becomes nothing else");
}

#[test]
fn an_act_waits_for_the_rotation_that_made_its_root() {
    let (mut plant, acts) = with_admins(&["anna"]);
    let rotation = plant.rotate(&OLD, None, &NEW, (&[], &[&acts[0]]));
    let early = plant.act_of(rotation, &["new-1", "new-2"], admin("carl"));
    let mut ledger = plant.empty_ledger();
    let refused = ledger.merge_act(early);
    assert_eq!(refused, Err(MergeRefusal::UnknownRoot { root: rotation }));
    let mut backwards = plant.pieces().to_vec();
    backwards.reverse();
    merge_all(&mut ledger, &backwards);
    assert_eq!(Roster::of(&ledger), plant.roster());
    assert_eq!(Roster::of(&founded_from(&ledger.pages())), plant.roster(), "pages come in order");
}

#[test]
fn a_rotation_that_one_of_the_roots_did_not_sign_is_none() {
    let (mut plant, _) = with_admins(&["anna"]);
    plant.rotate(&["root-1"], None, &NEW, (&[], &[]));
    plant.rotate(&THIEFS, None, &NEW, (&[], &[]));
    assert!(plant.roster().is_admin(&key("anna")));
    let mut ledger = plant.empty_ledger();
    let refused = plant.pieces().iter().filter_map(|piece| match piece {
        Piece::Act(act) => ledger.merge_act(act.clone()).err(),
        Piece::Group(_) => None,
    });
    let few = |it: &MergeRefusal| matches!(it, MergeRefusal::Act(ActError::Threshold { .. }));
    assert_eq!(refused.filter(few).count(), 2);
}

#[test]
fn two_rotations_freeze_the_root_and_admins_go_on_and_decide() {
    let (mut plant, acts) = with_admins(&["anna", "bert", "carl"]);
    let shady = plant.act(&["root-2", "root-3"], admin("thiefs-friend"));
    plant.write("thiefs-friend", admit("spy", machine("spy")));
    let all: Vec<_> = acts.iter().collect();
    let thiefs = plant.rotate(&OLD, None, &THIEFS, (&[], &[all[0], all[1], all[2], &shady]));
    assert!(plant.roster().is_admin(&key("thiefs-friend")));
    let owners = plant.rotate(&["root-1", "root-3"], None, &NEW, (&[], &all));
    let roster = plant.roster();
    assert!(is_frozen(&roster) && !roster.is_admin(&key("thiefs-friend")));
    assert_members(&roster, &["node-of-anna", "node-of-bert", "node-of-carl"]);
    assert!(roster.root().keys.contains(&key("root-1")), "the frozen one is shown");

    // Neither of the roots acts, nor does the frozen one.
    plant.act(&OLD, admin("late"));
    plant.act_of(thiefs, &THIEFS, revoke_wholly("anna"));
    plant.act_of(owners, &["new-1", "new-2"], admin("early"));
    // Admins go on.
    plant.write("anna", registrar("registrar"));
    plant.write("bert", invite("code", "registrar", machine("press")));
    plant.write("registrar", redeem("press", "code", machine("press")));
    let roster = plant.roster();
    assert!(roster.member(&key("press")).is_some());
    assert!(["late", "early"].iter().all(|role| !roster.is_admin(&key(role))));

    // Whom only one rival made, and who is no admin, says nothing; who says two things neither.
    for role in ["thiefs-friend", "registrar", "root-1", "carl", "anna"] {
        plant.write(role, vote(thiefs));
    }
    plant.write("carl", vote(owners));
    plant.write("bert", vote(owners));
    let roster = plant.roster();
    assert!(is_frozen(&roster));
    let contest = roster.line().contested().expect("a contest").clone();
    assert_eq!(contest.voters, ["anna", "bert", "carl"].map(key).into());
    assert_eq!(contest.rivals[&owners], [key("bert")].into());
    assert_eq!(contest.rivals[&thiefs], [key("anna")].into());
}

#[test]
fn more_than_half_of_the_admins_let_one_root_stand() {
    let (mut plant, acts) = with_admins(&["anna", "bert", "carl"]);
    let all: Vec<_> = acts.iter().collect();
    let thiefs = plant.rotate(&OLD, None, &THIEFS, (&[], &all));
    plant.act_of(thiefs, &THIEFS, admin("thiefs-friend"));
    plant.write("thiefs-friend", admit("spy", machine("spy")));
    let owners = plant.rotate(&["root-1", "root-3"], None, &NEW, (&[], &all));
    plant.act_of(owners, &["new-1", "new-2"], admin("dora"));
    plant.write("anna", vote(owners));
    assert!(is_frozen(&plant.roster()), "one of three is not more than half");
    plant.write("carl", vote(owners));
    let roster = plant.roster();
    assert!(!is_frozen(&roster) && roster.is_admin(&key("dora")));
    assert!(!roster.is_admin(&key("thiefs-friend")) && roster.root().keys.contains(&key("new-1")));
    assert_members(&roster, &["node-of-anna", "node-of-bert", "node-of-carl"]);
    assert_eq!(roster.line().made().last(), Some(owners));

    // A third that keeps nothing leaves nobody to decide: the old keys together can always do that.
    plant.rotate(&OLD, None, &["late-1", "late-2"], (&[], &[]));
    let roster = plant.roster();
    assert!(is_frozen(&roster) && roster.members().is_empty());
}

#[test]
fn whoever_meets_the_records_in_another_order_sees_the_same_line() {
    let (mut plant, acts) = with_admins(&["anna", "bert"]);
    let all: Vec<_> = acts.iter().collect();
    let one = plant.rotate(&OLD, None, &THIEFS, (&[], &all));
    let two = plant.rotate(&["root-1", "root-3"], None, &NEW, (&[], &all));
    plant.act_of(one, &THIEFS, admin("friend"));
    plant.write("friend", admit("spy", machine("spy")));
    plant.write("anna", vote(two));
    plant.write("bert", vote(two));
    let next = plant.rotate(&["new-1", "new-2"], Some(two), &["x-1", "x-2"], (&[], &[]));
    plant.act_of(next, &["x-1", "x-2"], admin("carl"));
    let expected = plant.roster();
    assert_eq!(expected.line().made().collect::<Vec<_>>(), [RecordId(plant.id.0), two, next]);
    let pieces = plant.pieces().to_vec();
    for start in 0..pieces.len() {
        for step in [1, 3, 5] {
            let count = pieces.len();
            let order = (0..count).map(|at| pieces[(start + at * step) % count].clone());
            let mut order: Vec<_> = order.collect();
            order.extend(pieces.iter().rev().cloned());
            let mut ledger = plant.empty_ledger();
            merge_all(&mut ledger, &order);
            assert_eq!(Roster::of(&ledger), expected, "from {start} by {step}");
        }
    }
}
