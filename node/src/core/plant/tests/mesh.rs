//! A plant of more members than a full mesh has: whom a node links to, and what it is told of others.

use std::collections::BTreeSet;
use std::time::Duration;

use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::plant::{ControlFrame, MemberAddresses, Seen, Sighting};
use gearmesh_protocol::topic::TopicFilter;

use super::stage::{Node, address, closings, frames, frames_to};
use crate::core::plant::contacts::STRANGERS_MAX;
use crate::core::plant::links::{BEAT, LINKS_MAX, UNNEEDED_FOR};
use crate::core::plant::presence::{AWAY_FOR_LONG, EXPIRES, FORWARD, REFRESH};
use crate::core::plant::world::{self, few, key, records};
use crate::core::plant::{CloseReason, Effect, Input, LinkId};

const COUNT: usize = 100;
const ME: &str = "machine-0";

fn name(number: usize) -> &'static str {
    Box::leak(format!("machine-{number}").into_boxed_str())
}

fn plant_of(count: usize) -> world::Plant {
    let mut plant = world::Plant::at_work();
    for number in 0..count {
        plant.write("admin", records::admit(name(number), records::machine(name(number))));
    }
    plant
}

fn node() -> Node {
    Node::member(ME, &plant_of(COUNT))
}

/// Names of the members that a node wants links to, and of the others.
fn sides(node: &Node) -> (Vec<&'static str>, Vec<&'static str>) {
    let wanted = node.plant.view().wanted;
    (1..COUNT).map(name).partition(|name| wanted.wants(&key(name)))
}

fn dialled(effects: &[Effect]) -> BTreeSet<PublicKey> {
    let dial = |effect: &Effect| match effect {
        Effect::Dial { peer, .. } => Some(*peer),
        _ => None,
    };
    effects.iter().filter_map(dial).collect()
}

fn discover_all(node: &mut Node, count: usize) {
    for number in 1..count {
        let place = address(&format!("/ip4/192.0.2.7/tcp/{number}"));
        node.run(Input::Discovered { peer: key(name(number)), address: place });
    }
}

/// Time passes, and over these links there is always something to hear.
fn live(node: &mut Node, links: &[LinkId], how_long: Duration) -> Vec<Effect> {
    let (mut effects, mut passed) = (Vec::new(), Duration::ZERO);
    while passed < how_long {
        for link in links {
            effects.extend(node.hear(*link, ControlFrame::Beat { number: 1, seen: 0 }));
        }
        effects.extend(node.wait(BEAT));
        passed += BEAT;
    }
    effects
}

fn sighting(of: &str, number: u64, seen: Seen) -> Sighting {
    let (member, incarnation) = (key(of), Incarnation([0; 16]));
    Sighting { member, incarnation, number, age_ms: 0, seen }
}

fn tell(node: &mut Node, link: LinkId, sighting: Sighting) -> Vec<Effect> {
    node.hear(link, ControlFrame::Presence(few(vec![sighting])))
}

fn told(effects: &[Effect]) -> Vec<(LinkId, Sighting)> {
    let mut told = Vec::new();
    for (link, frame) in frames(effects) {
        if let ControlFrame::Presence(page) = frame {
            told.extend(page.into_iter().map(|sighting| (link, sighting)));
        }
    }
    told
}

fn stands(node: &Node, of: &str) -> (Presence, Option<PublicKey>) {
    let view = node.plant.view();
    let is_linked = |member: &PublicKey| view.links.values().any(|link| link.peer == *member);
    assert!(!is_linked(&key(of)), "it has no link");
    let members = view.roster.iter().flat_map(|roster| roster.members().keys());
    let shown = |member: &&PublicKey| {
        **member != view.me && (is_linked(member) || view.away(member).presence == Presence::Online)
    };
    assert_eq!(view.online(), members.filter(shown).count(), "who is counted is shown");
    let away = view.away(&key(of));
    (away.presence, away.told_by)
}

/// Somebody says that all are online.
fn all_online(node: &mut Node, by: LinkId) {
    let all = (1..COUNT).map(|number| sighting(name(number), 1, Seen::Online));
    node.hear(by, ControlFrame::Presence(few(all.collect())));
}

/// As an admission that came by itself would.
fn in_step(node: &mut Node, link: LinkId) {
    let ledger = node.ledger().clone();
    let heads = ledger.logs().into_iter().map(|log| gearmesh_protocol::plant::LogHeads {
        log: log.id(),
        leaves: few(log.leaves().iter().copied().collect()),
    });
    let heads = few(heads.collect());
    node.hear(link, ControlFrame::Acts(few(Vec::new())));
    node.hear(link, ControlFrame::Heads(heads));
}

#[test]
fn neighbours_alone_are_dialled_and_then_whoever_is_followed() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    discover_all(&mut node, COUNT);
    let neighbours: BTreeSet<PublicKey> = wanted.iter().map(|name| key(name)).collect();
    assert_eq!(dialled(&node.wait(Duration::from_secs(5))), neighbours);
    let filters: Vec<TopicFilter> = vec![format!("{}/force", others[0]).parse().expect("a filter")];
    let effects = node.run(Input::Interest { filters });
    assert!(dialled(&effects).contains(&key(others[0])), "a follower dials at once");
    assert_eq!(dialled(&effects).difference(&neighbours).count(), 1);
}

#[test]
fn who_links_without_being_wanted_stays_and_a_dialer_closes_what_nobody_needs_any_more() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    let listened = node.link(others[0]);
    let (dialled, _) = node.link_with(others[1], |up| up.is_dialer = true);
    let (followed, _) = node.link_with(others[2], |up| up.is_dialer = true);
    let (neighbour, _) = node.link_with(wanted[0], |up| up.is_dialer = true);
    let links = [listened, dialled, followed, neighbour];
    all_online(&mut node, neighbour);
    let filters = few(vec![format!("{ME}/#").parse().expect("a filter")]);
    node.hear(followed, ControlFrame::Interest { filters });
    let untrusted = live(&mut node, &links, UNNEEDED_FOR * 2);
    assert_eq!(closings(&untrusted), [], "while trust is on its way");
    links.into_iter().for_each(|link| in_step(&mut node, link));
    let early = live(&mut node, &links, UNNEEDED_FOR - BEAT * 2);
    assert_eq!(closings(&early), []);
    let late: BTreeSet<_> = closings(&live(&mut node, &links, BEAT * 4))
        .into_iter()
        .map(|(link, why)| (link, format!("{why:?}")))
        .collect();
    assert_eq!(late, BTreeSet::from([(dialled, "Unneeded".to_owned())]));
    node.run(Input::LinkDown { link: dialled });
    let after = live(&mut node, &[listened, followed, neighbour], FORWARD * 3);
    let lost = told(&after).into_iter().filter(|(_, seen)| seen.seen != Seen::Online).count();
    assert_eq!(lost, 0, "nobody is told that it was lost");
}

#[test]
fn members_without_a_link_stand_as_the_mesh_says() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    let (near, far) = (node.link(wanted[0]), node.link(wanted[1]));
    assert_eq!(stands(&node, others[0]).0, Presence::Unreachable);
    tell(&mut node, near, sighting(others[0], 1, Seen::Online));
    tell(&mut node, near, sighting(others[1], 1, Seen::Unreachable(key(wanted[2]))));
    tell(&mut node, near, sighting(others[2], 1, Seen::Left));
    let effects = live(&mut node, &[near, far], FORWARD * 2);
    let teller = Some(key(wanted[0]));
    assert_eq!(stands(&node, others[0]), (Presence::Online, teller));
    assert_eq!(stands(&node, others[1]), (Presence::Unreachable, Some(key(wanted[2]))));
    assert_eq!(stands(&node, others[2]), (Presence::Left, teller));
    let of_one: Vec<_> =
        told(&effects).into_iter().filter(|(_, seen)| seen.member == key(others[0])).collect();
    assert_eq!(of_one.len(), 1, "passed on once, and not to who told it: {of_one:?}");
    assert_eq!(of_one[0].0, far);
    tell(&mut node, far, sighting(others[0], 1, Seen::Online));
    tell(&mut node, far, sighting(others[0], 1, Seen::Unreachable(key("machine-9"))));
    assert_eq!(told(&live(&mut node, &[near, far], FORWARD * 4)), [], "what is known is no news");
}

#[test]
fn a_new_link_hears_how_everybody_stands() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    let near = node.link(wanted[0]);
    tell(&mut node, near, sighting(others[0], 7, Seen::Online));
    live(&mut node, &[near], FORWARD * 2);
    let (far, effects) = node.link_with(wanted[1], |_| ());
    let frames = frames_to(far, &effects);
    let page = frames.iter().find_map(|frame| match frame {
        ControlFrame::Presence(page) => Some(page.iter().map(|seen| seen.member).collect()),
        _ => None,
    });
    let members: BTreeSet<PublicKey> = page.expect("sightings");
    assert_eq!(members, BTreeSet::from([key(others[0]), key(wanted[0])]));
}

#[test]
fn nobody_is_online_for_ever_because_somebody_said_so_once() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    let near = node.link(wanted[0]);
    tell(&mut node, near, sighting(others[0], 1, Seen::Online));
    live(&mut node, &[near], EXPIRES - Duration::from_secs(10));
    assert_eq!(stands(&node, others[0]).0, Presence::Online);
    live(&mut node, &[near], Duration::from_secs(20));
    assert_eq!(stands(&node, others[0]).0, Presence::Unreachable);
    let stale = Sighting { age_ms: 200_000, ..sighting(others[0], 9, Seen::Online) };
    tell(&mut node, near, stale);
    live(&mut node, &[near], FORWARD * 2);
    assert_eq!(stands(&node, others[0]).0, Presence::Unreachable, "it was seen too long ago");
    tell(&mut node, near, sighting(others[0], 10, Seen::Online));
    live(&mut node, &[near], FORWARD * 2);
    assert_eq!(stands(&node, others[0]).0, Presence::Online);
}

#[test]
fn who_sees_otherwise_says_so_and_says_again_what_is_still_true() {
    let mut node = node();
    let (wanted, _) = sides(&node);
    let (one, other) = (node.link(wanted[0]), node.link(wanted[1]));
    let about = |effects: &[Effect], of: &str| {
        let mut told = told(effects);
        told.retain(|(link, seen)| *link == one && seen.member == key(of));
        told.into_iter().map(|(_, seen)| (seen.number, seen.seen)).collect::<Vec<_>>()
    };
    let effects = live(&mut node, &[one, other], FORWARD * 2);
    assert_eq!(about(&effects, wanted[1]), [(1, Seen::Online)]);
    tell(&mut node, one, sighting(wanted[1], 5, Seen::Unreachable(key("machine-9"))));
    let effects = live(&mut node, &[one, other], Duration::from_secs(5));
    assert_eq!(about(&effects, wanted[1]), [(6, Seen::Online)]);
    let effects = live(&mut node, &[one, other], REFRESH);
    assert_eq!(about(&effects, wanted[1]), [(7, Seen::Online)]);
    node.run(Input::LinkDown { link: other });
    let effects = live(&mut node, &[one], FORWARD * 2);
    assert_eq!(about(&effects, wanted[1]), [(8, Seen::Unreachable(key(ME)))]);
}

#[test]
fn a_sighting_that_overtakes_its_admission_waits_for_it() {
    let mut plant = plant_of(COUNT);
    let mut node = Node::member(ME, &plant);
    let (wanted, _) = sides(&node);
    let near = node.link(wanted[0]);
    let group = plant.write("admin", records::admit("packer", records::machine("packer")));
    tell(&mut node, near, sighting("packer", 1, Seen::Online));
    node.page(near, &[&group]);
    assert!(node.is_member("packer"));
    live(&mut node, &[near], FORWARD * 2);
    assert_eq!(stands(&node, "packer").0, Presence::Online);
}

#[test]
fn members_away_for_long_are_bridged() {
    let mut node = node();
    let (wanted, _) = sides(&node);
    let links: Vec<LinkId> = wanted[1..].iter().map(|name| node.link(name)).collect();
    all_online(&mut node, links[0]);
    tell(&mut node, links[0], sighting(wanted[0], 2, Seen::Unreachable(key("machine-9"))));
    live(&mut node, &links, AWAY_FOR_LONG + Duration::from_secs(6));
    let (bridging, _) = sides(&node);
    assert!(bridging.len() > wanted.len() && bridging.contains(&wanted[0]), "{bridging:?}");
}

#[test]
fn addresses_of_members_have_a_place_however_many_there_are() {
    let count = STRANGERS_MAX + 50;
    let mut node = Node::member(ME, &plant_of(count));
    for number in 0..STRANGERS_MAX + 10 {
        let stranger = Box::leak(format!("stranger-{number}").into_boxed_str());
        let peer = key(stranger);
        node.run(Input::Discovered { peer, address: address("/ip4/192.0.2.9/tcp/1") });
    }
    assert_eq!(node.plant.contacts.strangers(), STRANGERS_MAX);
    discover_all(&mut node, count);
    let view = node.plant.view();
    let members = view.roster.iter().flat_map(|roster| roster.members().keys());
    assert_eq!(members.filter(|member| view.address(member).is_some()).count(), count - 1);
}

#[test]
fn where_members_are_goes_on_to_all_once() {
    let mut node = node();
    let (wanted, others) = sides(&node);
    let (near, far) = (node.link(wanted[0]), node.link(wanted[1]));
    let book = |place: &str| {
        let addresses = few(vec![address(place)]);
        ControlFrame::Addresses(few(vec![MemberAddresses { member: key(others[0]), addresses }]))
    };
    let passed_on = |effects: &[Effect]| -> Vec<LinkId> {
        let frames = frames(effects).into_iter();
        let books = frames.filter(|(_, frame)| matches!(frame, ControlFrame::Addresses(_)));
        books.map(|(link, _)| link).collect()
    };
    node.hear(near, book("/ip4/192.0.2.7/tcp/1"));
    assert_eq!(passed_on(&live(&mut node, &[near, far], BEAT * 2)), [far]);
    node.hear(far, book("/ip4/192.0.2.7/tcp/1"));
    assert_eq!(passed_on(&live(&mut node, &[near, far], BEAT * 2)), []);
    for port in 2..40 {
        node.hear(near, book(&format!("/ip4/192.0.2.7/tcp/{port}")));
    }
    live(&mut node, &[near, far], BEAT * 2);
    for port in 2..40 {
        node.hear(near, book(&format!("/ip4/192.0.2.7/tcp/{port}")));
    }
    let again = passed_on(&live(&mut node, &[near, far], BEAT * 2));
    assert_eq!(again, [], "hearsay does not push hearsay out");
}

#[test]
fn links_are_bounded_and_neighbours_find_a_place_beyond() {
    let count = LINKS_MAX + 100;
    let mut plant = world::Plant::at_work();
    let entries = (0..count)
        .map(|number| plant.encoded(records::admit(name(number), records::machine(name(number)))));
    let entries: Vec<Vec<u8>> = entries.collect();
    for chunk in entries.chunks(256) {
        plant.write_bytes("admin", chunk.to_vec());
    }
    let mut node = Node::member(ME, &plant);
    let wanted = node.plant.view().wanted;
    let others: Vec<_> = (1..count).map(name).filter(|name| !wanted.wants(&key(name))).collect();
    for name in &others[..LINKS_MAX] {
        node.link(name);
    }
    let (refused, effects) = node.link_with(others[LINKS_MAX], |_| ());
    assert_eq!(closings(&effects), [(refused, CloseReason::Full)]);
    assert_eq!(node.plant.view().links_refused, 1);
    let neighbour = (1..count).map(name).find(|name| wanted.wants(&key(name)));
    let (_, effects) = node.link_with(neighbour.expect("a neighbour"), |_| ());
    assert_eq!(closings(&effects), []);
}
