//! A link is for members: when the roster changes, or time passes, the others are closed.

use super::stage::{Node, busy_plant, closings, machine_until};
use crate::core::plant::world::FOUNDED;
use crate::core::plant::world::records::{admit, revoke_wholly};
use crate::core::plant::{CloseReason, Input, LinkId, TICK};

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
fn a_node_that_was_thrown_out_itself_closes_everything_and_dials_nobody() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let (registrar, right) = (node.link("registrar"), node.link("right"));
    let revocation = history.write("admin", revoke_wholly("left"));
    let effects = node.page(registrar, &[&revocation]);
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
fn a_node_whose_own_membership_ends_closes_all_its_links() {
    let mut history = busy_plant();
    history.write("admin", admit("guest", machine_until("guest", FOUNDED + 2_000)));
    let mut node = Node::member("guest", &history);
    node.at(FOUNDED + 1_000);
    let links = [node.link("left"), node.link("right")];
    node.at(FOUNDED + 2_000);
    assert_eq!(closings(&node.wait(TICK)), links.map(not_a_member));
}
