//! Peers that the roster does not name show a slice of a ledger.

use gearmesh_protocol::refusal::Refusal;

use super::stage::{Node, answer, answers, busy_plant, frames_to, machine_until, parts_of, writes};
use crate::core::plant::standing;
use crate::core::plant::world::records::{admit, machine, redeem, revoke_wholly};
use crate::core::plant::world::{FOUNDED, Plant as History, key};
use crate::core::plant::{Answer, Effect, Input};

/// `peer` shows the slice that `shown` has for it.
fn show(node: &mut Node, peer: &str, shown: &History) -> Vec<Effect> {
    let ledger = shown.ledger();
    let (acts, groups) = parts_of(ledger.credential(&key(peer)), &ledger);
    let ticket = node.ticket();
    node.feed(Input::Credential { ticket, peer: key(peer), acts, groups })
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused(refusal)
}

#[test]
fn a_member_that_joined_elsewhere_is_admitted_by_its_slice_once_that_is_stored() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    history.write("registrar", redeem("press", "code", machine("press")));
    let begun = show(&mut node, "press", &history);
    assert!(answers(&begun).is_empty() && !node.is_member("press"));
    let done = node.carry_out(begun);
    assert_eq!(answer(&done), Answer::Admitted);
    node.restart();
    assert!(node.is_member("press"), "what it was admitted by is on the disk");
}

#[test]
fn what_a_slice_brings_is_told_to_the_others() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let link = node.link("right");
    history.write("registrar", redeem("press", "code", machine("press")));
    let begun = show(&mut node, "press", &history);
    let done = node.carry_out(begun);
    let pages = frames_to(link, &done).into_iter().filter(|frame| frame.name() == "ledger");
    assert_eq!(pages.count(), 1);
}

#[test]
fn a_slice_that_brings_nothing_new_needs_no_disk() {
    let history = busy_plant();
    let mut node = Node::member("left", &history);
    let done = show(&mut node, "right", &history);
    assert_eq!((answer(&done), writes(&done).len()), (Answer::Admitted, 0));
}

#[test]
fn if_the_disk_fails_the_member_is_not_admitted_yet() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    history.write("registrar", redeem("press", "code", machine("press")));
    let begun = show(&mut node, "press", &history);
    let failed =
        node.feed(Input::PersistFailed { write: writes(&begun)[0], cause: "full".to_owned() });
    assert_eq!(answer(&failed), refused(Refusal::NotStored));
    assert!(!node.is_member("press"));
}

#[test]
fn a_stranger_leaves_nothing_behind_whatever_it_shows() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let before = node.disk.clone();
    assert_eq!(answer(&show(&mut node, "thief", &history)), refused(Refusal::NotAMember));
    // Records that are genuine and new do not make a stranger a member either.
    history.write("admin", admit("robot", machine("robot")));
    history.write("thief", admit("thief", machine("thief")));
    let done = show(&mut node, "thief", &history);
    assert_eq!((answer(&done), writes(&done).len()), (refused(Refusal::NotAMember), 0));
    assert!(node.disk == before && !node.is_member("robot"));
}

#[test]
fn a_member_of_another_plant_is_a_stranger() {
    let mut node = Node::member("left", &busy_plant());
    let mut other = History::founded(&["other-root"], 1);
    other.write("other-root", admit("press", machine("press")));
    assert_eq!(answer(&show(&mut node, "press", &other)), refused(Refusal::NotAMember));
}

#[test]
fn a_revoked_key_stays_out_with_any_slice_from_before() {
    let mut history = busy_plant();
    history.write("registrar", redeem("press", "code", machine("press")));
    let before = history.clone();
    history.write("admin", revoke_wholly("press"));
    let mut node = Node::member("left", &history);
    for shown in [&before, &history] {
        assert_eq!(answer(&show(&mut node, "press", shown)), refused(Refusal::Revoked));
    }
}

#[test]
fn a_slice_may_carry_the_news_that_its_owner_was_revoked() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    history.write("admin", revoke_wholly("right"));
    assert_eq!(answer(&show(&mut node, "right", &history)), refused(Refusal::Revoked));
}

#[test]
fn a_membership_that_ended_says_so() {
    let mut history = busy_plant();
    history.write("admin", admit("guest", machine_until("guest", FOUNDED + 400)));
    let mut node = Node::member("left", &busy_plant());
    assert_eq!(answer(&show(&mut node, "guest", &history)), refused(Refusal::MembershipEnded));
    let roster = history.roster();
    assert_eq!(standing(&roster, &key("guest"), node.now()), Err(Refusal::MembershipEnded));
    assert_eq!(standing(&roster, &key("left"), node.now()), Ok(()));
    assert_eq!(standing(&roster, &key("thief"), node.now()), Err(Refusal::NotAMember));
}

#[test]
fn a_node_without_a_plant_admits_no_peer() {
    let history = busy_plant();
    let done = show(&mut Node::blank("left"), "right", &history);
    assert_eq!(answer(&done), refused(Refusal::NotAdmitted));
}
