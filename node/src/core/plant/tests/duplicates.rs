//! Several connections to one member: both ends keep the same one, and one end closes the other.

use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::plant::{ControlFrame, Greeting};

use super::stage::{Node, busy_plant, by_key, closings, frames_to, greeting};
use crate::core::plant::links::{BEAT, DUPLICATE_GRACE};
use crate::core::plant::report::alarms;
use crate::core::plant::world::key;
use crate::core::plant::{CloseReason, Effect, Input, LinkId, TICK};

/// One connection between two nodes, as both ends see it.
#[derive(Clone, Copy)]
struct Connection {
    dialer: &'static str,
    nonces: (u64, u64),
}

const fn connection(dialer: &'static str, nonces: (u64, u64)) -> Connection {
    Connection { dialer, nonces }
}

/// The two ends of two connections: the lower key's node, and the higher key's.
fn ends() -> (Node, Node) {
    let history = busy_plant();
    let (lower, higher) = by_key("left", "right");
    (Node::member(lower, &history), Node::member(higher, &history))
}

/// The connection comes up at one end.
fn comes_up(node: &mut Node, peer: &str, connection: Connection) -> (LinkId, Vec<Effect>) {
    let is_dialer = connection.dialer == node.role;
    let (one, other) = connection.nonces;
    let (ours, theirs) = if is_dialer { (one, other) } else { (other, one) };
    node.link_with(peer, |up| {
        up.is_dialer = is_dialer;
        up.ours = greeting(0, ours);
        up.theirs = greeting(0, theirs);
    })
}

/// Which of two connections stays at one end, in that order of coming up; and who was closed.
fn kept(
    node: &mut Node,
    peer: &str,
    order: [(usize, Connection); 2],
) -> (usize, Vec<(LinkId, CloseReason)>) {
    let (first, _) = comes_up(node, peer, order[0].1);
    let (_, effects) = comes_up(node, peer, order[1].1);
    let (best, _) = node.plant.links.to(&key(peer)).expect("one of them");
    let at = usize::from(best != first);
    (order[at].0, closings(&effects))
}

fn assert_both_ends_agree(one: Connection, other: Connection, expected: Option<usize>) {
    let both = [(0, one), (1, other)];
    let turned = [(1, other), (0, one)];
    let mut outcomes = Vec::new();
    for (at_lower, at_higher) in [(both, both), (both, turned), (turned, both), (turned, turned)] {
        let (mut lower, mut higher) = ends();
        let (low, high) = (lower.role, higher.role);
        let (kept_low, closed_low) = kept(&mut lower, high, at_lower);
        let (kept_high, closed_high) = kept(&mut higher, low, at_higher);
        assert_eq!(kept_low, kept_high);
        assert_eq!(closed_low.len(), 1, "the lower key closes");
        assert_eq!(closed_low[0].1, CloseReason::Duplicate);
        assert!(closed_high.is_empty(), "the higher key waits");
        outcomes.push(kept_low);
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:?}");
    assert!(expected.is_none_or(|expected| outcomes[0] == expected));
}

#[test]
fn of_two_that_dialled_each_other_both_keep_the_dial_of_the_lower_key() {
    let (lower, higher) = by_key("left", "right");
    assert_both_ends_agree(connection(lower, (1, 2)), connection(higher, (3, 4)), Some(0));
    assert_both_ends_agree(connection(higher, (1, 2)), connection(lower, (3, 4)), Some(1));
}

#[test]
fn of_two_dials_of_one_node_both_ends_keep_the_same() {
    let (lower, higher) = by_key("left", "right");
    for dialer in [lower, higher] {
        for nonces in 0..8 {
            let other = connection(dialer, (nonces + 20, nonces + 30));
            assert_both_ends_agree(connection(dialer, (nonces, nonces + 10)), other, None);
        }
    }
}

#[test]
fn the_higher_key_closes_a_second_connection_that_the_lower_key_forgot() {
    let (_, mut higher) = ends();
    let lower = by_key("left", "right").0;
    let (best, _) = comes_up(&mut higher, lower, connection(lower, (1, 2)));
    let role = higher.role;
    let (spare, _) = comes_up(&mut higher, lower, connection(role, (3, 4)));
    let keep_alive = |node: &mut Node| {
        for link in [best, spare] {
            node.hear(link, ControlFrame::Beat { number: 1, seen: 0 });
        }
    };
    let mut early = higher.wait(DUPLICATE_GRACE / 2);
    keep_alive(&mut higher);
    early.extend(higher.wait(DUPLICATE_GRACE / 2 - TICK));
    assert!(closings(&early).is_empty());
    let then = higher.wait(TICK);
    assert_eq!(closings(&then), [(spare, CloseReason::Duplicate)]);
}

#[test]
fn when_the_connection_in_use_dies_the_spare_one_stays() {
    let (_, mut higher) = ends();
    let lower = by_key("left", "right").0;
    let (best, _) = comes_up(&mut higher, lower, connection(lower, (1, 2)));
    let role = higher.role;
    let (spare, _) = comes_up(&mut higher, lower, connection(role, (3, 4)));
    higher.run(Input::LinkDown { link: best });
    assert_eq!(higher.plant.links.to(&key(lower)).map(|(link, _)| link), Some(spare));
    for _ in 0..8 {
        higher.hear(spare, ControlFrame::Beat { number: 1, seen: 0 });
        assert!(closings(&higher.wait(BEAT)).is_empty(), "it is in use now");
    }
}

/// A member with a link to an old life of `right`, and then one to a new life.
fn reborn() -> (Node, LinkId, LinkId, Vec<Effect>) {
    let mut node = Node::member("left", &busy_plant());
    let (old, _) = node.link_with("right", |up| up.is_dialer = true);
    let (new, effects) = node.link_with("right", |up| {
        up.theirs = Greeting { incarnation: Incarnation([7; 16]), ..up.theirs };
    });
    (node, old, new, effects)
}

fn probe(old: LinkId, effects: &[Effect]) -> u64 {
    let number = frames_to(old, effects).into_iter().find_map(|frame| match frame {
        ControlFrame::Beat { number, .. } => Some(number),
        _ => None,
    });
    number.expect("a beat to the old life")
}

#[test]
fn a_new_life_of_a_member_replaces_the_old_link_whoever_dialled() {
    let (mut node, old, new, effects) = reborn();
    assert_eq!(node.plant.links.to(&key("right")).map(|(link, _)| link), Some(new));
    assert!(closings(&effects).is_empty(), "the old one is asked first");
    let mut later = Vec::new();
    for _ in 0..4 {
        node.hear(new, ControlFrame::Beat { number: 1, seen: 0 });
        later.extend(node.wait(BEAT));
    }
    assert!(closings(&later).iter().all(|(link, _)| *link == old));
    assert!(!closings(&later).is_empty());
    node.run(Input::LinkDown { link: old });
    assert_eq!(node.plant.links.presence(&key("right")).0, Presence::Online);
}

#[test]
fn an_old_life_that_answers_the_probe_raises_the_alarm_of_a_clone() {
    let (mut node, old, new, effects) = reborn();
    let number = probe(old, &effects);
    node.hear(old, ControlFrame::Beat { number: 1, seen: number - 1 });
    assert!(node.plant.view().clones.is_empty(), "an answer to an earlier beat proves nothing");
    node.hear(new, ControlFrame::Beat { number: 1, seen: number });
    assert!(node.plant.view().clones.is_empty(), "the new life may answer what it likes");
    node.hear(old, ControlFrame::Beat { number: 2, seen: number });
    let clones = node.plant.view().clones;
    let (one, other) = clones.get(&key("right")).expect("an alarm");
    assert_ne!(one.address, other.address, "both sides are named by address");
    assert_eq!([one.life, other.life], [Incarnation([0; 16]), Incarnation([7; 16])]);
    let alarms = alarms(&node.plant.view());
    for life in [one, other] {
        let named = format!("at {} (life {})", life.address.as_str(), life.life);
        assert!(alarms.iter().any(|alarm| alarm.contains(&named)), "{named}: {alarms:?}");
    }
}

#[test]
fn an_old_life_that_is_dead_raises_no_alarm() {
    let (mut node, old, new, _) = reborn();
    for _ in 0..4 {
        node.hear(new, ControlFrame::Beat { number: 1, seen: 5 });
        node.wait(BEAT);
    }
    node.run(Input::LinkDown { link: old });
    assert!(node.plant.view().clones.is_empty());
    assert_eq!(node.plant.links.to(&key("right")).map(|(link, _)| link), Some(new));
}
