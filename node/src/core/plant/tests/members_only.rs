//! A link is for members: when the roster changes, or time passes, the others are closed.

use super::stage::{Node, busy_plant, closings, frames_to, machine_until};
use crate::core::plant::world::records::{admit, revoke_wholly};
use crate::core::plant::world::{FOUNDED, key};
use crate::core::plant::{CloseReason, Input, LinkId, OWN_FAREWELL, TICK};

const fn not_a_member(link: LinkId) -> (LinkId, CloseReason) {
    (link, CloseReason::NotAMember)
}

#[test]
fn a_revocation_closes_the_links_of_its_key_at_once_and_no_other() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let (registrar, right) = (node.link("registrar"), node.link("right"));
    let revocation = history.write("admin", revoke_wholly("right"));
    let effects = node.page(registrar, &[&revocation]);
    assert_eq!(closings(&effects), [not_a_member(right)]);
}

#[test]
fn a_revocation_counts_only_once_it_is_on_disk() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let (registrar, right) = (node.link("registrar"), node.link("right"));
    let groups = vec![history.write("admin", revoke_wholly("right"))];
    let asked = node.feed(Input::Page { link: registrar, acts: Vec::new(), groups });
    assert!(closings(&asked).is_empty());
    let done = node.carry_out(asked);
    assert_eq!(closings(&done), [not_a_member(right)]);
}

#[test]
fn a_node_that_was_thrown_out_itself_says_so_closes_everything_and_dials_nobody() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let (registrar, right) = (node.link("registrar"), node.link("right"));
    let revocation = history.write("admin", revoke_wholly("left"));
    let effects = node.page(registrar, &[&revocation]);
    assert!(closings(&effects).is_empty(), "the others hear it from here first");
    let effects = node.wait(OWN_FAREWELL);
    assert_eq!(closings(&effects), [not_a_member(registrar), not_a_member(right)]);
    for link in [registrar, right] {
        node.run(Input::LinkDown { link });
    }
    let later = node.wait(TICK * 40);
    assert_eq!(super::stage::dials("right", &later), 0);
}

#[test]
fn a_membership_that_ends_closes_its_links_by_the_clock() {
    let mut history = busy_plant();
    history.write("admin", admit("guest", machine_until("guest", FOUNDED + 2_000)));
    let mut node = Node::member("left", &history);
    node.at(FOUNDED + 1_000);
    let (guest, _) = (node.link("guest"), node.link("right"));
    assert!(closings(&node.wait(TICK)).is_empty());
    node.at(FOUNDED + 2_000);
    assert_eq!(closings(&node.wait(TICK)), [not_a_member(guest)]);
}

#[test]
fn a_clock_that_is_turned_back_does_not_prolong_a_membership_past_the_newest_record() {
    let mut history = busy_plant();
    history.write("admin", admit("guest", machine_until("guest", FOUNDED + 2_000)));
    history.at(FOUNDED + 3_000).write("admin", revoke_wholly("right"));
    let mut node = Node::member("left", &history);
    node.at(0);
    let (guest, effects) = node.link_with("guest", |_| ());
    assert_eq!(closings(&effects), [not_a_member(guest)]);
}

#[test]
fn a_node_whose_own_membership_ends_leaves_it_to_the_others_to_say_so() {
    let mut history = busy_plant();
    history.write("admin", admit("guest", machine_until("guest", FOUNDED + 2_000)));
    let mut node = Node::member("guest", &history);
    node.at(FOUNDED + 1_000);
    node.link("left");
    node.at(FOUNDED + 2_000);
    // They may have heard that it was given more time.
    assert!(closings(&node.wait(TICK)).is_empty());
}

#[test]
fn a_node_that_was_thrown_out_listens_for_a_moment_to_a_member_that_takes_it_for_one() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let registrar = node.link("registrar");
    let revocation = history.write("admin", revoke_wholly("left"));
    let _ = node.page(registrar, &[&revocation]);
    let _ = node.wait(OWN_FAREWELL);
    node.run(Input::LinkDown { link: registrar });
    let (right, effects) = node.link_with("right", |_| ());
    assert!(closings(&effects).is_empty(), "the revocation may be void by now");
    assert_eq!(closings(&node.wait(OWN_FAREWELL)), [not_a_member(right)]);
}

/// Between its admission and the moment at which its lanes are open, a peer may be thrown out.
#[test]
fn a_link_that_comes_up_after_its_peer_was_thrown_out_is_closed_and_told_nothing() {
    let mut history = busy_plant();
    history.write("admin", revoke_wholly("right"));
    let mut node = Node::member("left", &history);
    let (link, effects) = node.link_with("right", |_| ());
    assert_eq!(closings(&effects), [not_a_member(link)]);
    assert!(frames_to(link, &effects).is_empty());
    assert!(node.plant.links.to(&key("right")).is_none());
    node.run(Input::LinkDown { link });
}

#[test]
fn a_link_of_a_stranger_or_to_a_node_without_a_plant_is_closed() {
    let mut node = Node::member("left", &busy_plant());
    let (link, effects) = node.link_with("thief", |_| ());
    assert_eq!(closings(&effects), [not_a_member(link)]);
    let mut blank = Node::blank("press");
    let (link, effects) = blank.link_with("left", |_| ());
    assert_eq!(closings(&effects), [not_a_member(link)]);
}
