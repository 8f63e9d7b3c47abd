//! Where members may be reached: what is learnt, remembered and told.

use gearmesh_protocol::limits::ADDRESSES_PER_MEMBER_MAX;
use gearmesh_protocol::plant::{Address, ControlFrame, MemberAddresses};

use super::stage::{Node, address, busy_plant, dials, frames_to};
use crate::core::plant::links::BEAT;
use crate::core::plant::world::{few, key};
use crate::core::plant::{Effect, Input, LinkId};
use crate::core::record::Record;

const HERE: &str = "/ip4/127.0.0.1/tcp/4070";
const HALL: &str = "/ip4/192.0.2.7/tcp/4070";
const YARD: &str = "/ip6/2001:db8::7/tcp/4070";

fn book(role: &str, addresses: &[&str]) -> ControlFrame {
    let addresses = few(addresses.iter().map(|text| address(text)).collect());
    ControlFrame::Addresses(few(vec![MemberAddresses { member: key(role), addresses }]))
}

/// What is told over a link about where a member is.
fn told(link: LinkId, role: &str, effects: &[Effect]) -> Vec<Address> {
    let mut found = Vec::new();
    for frame in frames_to(link, effects) {
        let ControlFrame::Addresses(book) = frame else { continue };
        let of_role = book.into_iter().filter(|entry| entry.member == key(role));
        found.extend(of_role.flat_map(|entry| entry.addresses));
    }
    found
}

fn linked_at(node: &mut Node, peer: &str, place: &str) -> (LinkId, Vec<Effect>) {
    node.link_with(peer, |up| up.address = address(place))
}

#[test]
fn a_member_is_dialled_where_another_member_says_it_is() {
    let mut node = Node::member("left", &busy_plant());
    let (link, _) = linked_at(&mut node, "registrar", HALL);
    node.hear(link, book("right", &[YARD]));
    let mut effects = Vec::new();
    for _ in 0..4 {
        node.hear(link, ControlFrame::PullActs);
        effects.extend(node.wait(BEAT));
    }
    assert_eq!(dials("right", &effects), 1);
    let places = effects.iter().find_map(|effect| match effect {
        Effect::Dial { addresses, .. } => Some(addresses.clone()),
        _ => None,
    });
    assert_eq!(places, Some(vec![address(YARD)]));
}

#[test]
fn a_member_on_another_host_is_not_believed_about_this_hosts_loopback() {
    let mut node = Node::member("left", &busy_plant());
    let (far, _) = linked_at(&mut node, "registrar", HALL);
    node.hear(far, book("right", &[HERE, "/ip6/::1/tcp/4070"]));
    assert_eq!(node.plant.view().address(&key("right")), None);
    let (near, _) = linked_at(&mut node, "registrar", HERE);
    node.hear(near, book("right", &[HERE]));
    assert_eq!(node.plant.view().address(&key("right")), Some(&address(HERE)));
}

#[test]
fn loopback_addresses_are_told_on_this_host_alone() {
    let mut node = Node::member("left", &busy_plant());
    node.run(Input::Listening { addresses: vec![address(HERE), address(HALL)] });
    node.run(Input::Discovered { peer: key("right"), address: address(HERE) });
    let (near, to_near) = linked_at(&mut node, "registrar", "/ip4/127.0.0.1/tcp/50000");
    assert_eq!(told(near, "left", &to_near), [address(HERE), address(HALL)]);
    assert_eq!(told(near, "right", &to_near), [address(HERE)]);
    node.run(Input::LinkDown { link: near });
    let (far, to_far) = linked_at(&mut node, "registrar", YARD);
    assert_eq!(told(far, "left", &to_far), [address(HALL)]);
    assert!(told(far, "right", &to_far).is_empty());
}

#[test]
fn nobody_is_told_where_it_is_itself_nor_where_strangers_are() {
    let mut node = Node::member("left", &busy_plant());
    for role in ["right", "thief", "registrar"] {
        node.run(Input::Discovered { peer: key(role), address: address(YARD) });
    }
    let (link, effects) = linked_at(&mut node, "right", HALL);
    assert!(told(link, "right", &effects).is_empty());
    assert!(told(link, "thief", &effects).is_empty());
    assert_eq!(told(link, "registrar", &effects), [address(YARD)]);
}

#[test]
fn a_node_that_moves_says_so_on_every_link() {
    let mut node = Node::member("left", &busy_plant());
    let (one, _) = linked_at(&mut node, "right", HALL);
    let (other, _) = linked_at(&mut node, "registrar", HALL);
    let effects = node.run(Input::Listening { addresses: vec![address(YARD)] });
    for link in [one, other] {
        assert_eq!(told(link, "left", &effects), [address(YARD)]);
    }
}

#[test]
fn an_address_that_worked_comes_first_and_is_remembered_once() {
    let mut node = Node::member("left", &busy_plant());
    for place in [YARD, HALL] {
        node.run(Input::Discovered { peer: key("right"), address: address(place) });
    }
    let dialled = |node: &mut Node| {
        let (link, effects) = node.link_with("right", |up| {
            up.is_dialer = true;
            up.address = address(HALL);
        });
        node.run(Input::LinkDown { link });
        effects
    };
    let notes = |effects: &[Effect]| {
        effects.iter().filter(|effect| matches!(effect, Effect::Note { .. })).count()
    };
    assert_eq!(notes(&dialled(&mut node)), 1);
    assert_eq!(notes(&dialled(&mut node)), 0);
    let addresses = few(vec![address(HALL), address(YARD)]);
    let member = key("right");
    assert_eq!(node.disk.last(), Some(&Record::Addresses(MemberAddresses { member, addresses })));
}

#[test]
fn a_member_has_a_few_addresses_and_the_one_that_worked_stays() {
    let mut node = Node::member("left", &busy_plant());
    node.link_with("right", |up| {
        up.is_dialer = true;
        up.address = address(HALL);
    });
    for port in 0..100 {
        let place = address(&format!("/ip4/192.0.2.8/tcp/{port}"));
        node.run(Input::Discovered { peer: key("right"), address: place });
    }
    let (link, effects) = linked_at(&mut node, "registrar", YARD);
    let known = told(link, "right", &effects);
    assert_eq!((known.len(), &known[0]), (ADDRESSES_PER_MEMBER_MAX, &address(HALL)));
}
