//! When members are dialled, and how often.

use std::time::Duration;

use gearmesh_protocol::refusal::Refusal;

use super::stage::{Node, address, busy_plant, by_key, dials, records_of};
use crate::core::plant::contacts::{
    BACK_OFF_MAX, BACK_OFF_MIN, DIAL_MAX, HIGHER_KEY_WAITS, STRANGERS_MAX,
};
use crate::core::plant::world::{key, signing};
use crate::core::plant::{Effect, Input, TICK};

const PLACE: &str = "/ip4/192.0.2.7/tcp/4070";

fn discovered(node: &mut Node, peer: &str) {
    node.run(Input::Discovered { peer: key(peer), address: address(PLACE) });
}

fn fails(node: &mut Node, peer: &str) {
    let input = Input::DialFailed { peer: Some(key(peer)), address: None, refusal: None };
    node.run(input);
}

/// Waits for the next dial of a member; how long that took.
fn next_dial(node: &mut Node, peer: &str) -> Duration {
    let mut waited = Duration::ZERO;
    while dials(peer, &node.wait(TICK)) == 0 {
        waited += TICK;
        assert!(waited < Duration::from_secs(60), "never dialled again");
    }
    waited + TICK
}

/// The lower key's node of a pair, and the name of the other.
fn lower() -> (Node, &'static str) {
    let (lower, higher) = by_key("left", "right");
    (Node::member(lower, &busy_plant()), higher)
}

#[test]
fn a_member_that_cannot_be_reached_is_dialled_for_ever_and_never_less_than_every_few_seconds() {
    let (mut node, peer) = lower();
    discovered(&mut node, peer);
    next_dial(&mut node, peer);
    let mut pauses = Vec::new();
    for _ in 0..50 {
        fails(&mut node, peer);
        pauses.push(next_dial(&mut node, peer));
    }
    assert!(pauses[0] <= BACK_OFF_MIN + TICK);
    assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= BACK_OFF_MAX + TICK), "{pauses:?}");
    assert!(pauses.iter().rev().take(40).all(|pause| *pause >= BACK_OFF_MAX), "{pauses:?}");
}

#[test]
fn a_dial_under_way_is_not_repeated() {
    let (mut node, peer) = lower();
    discovered(&mut node, peer);
    let effects = node.wait(DIAL_MAX - TICK);
    assert_eq!(dials(peer, &effects), 1);
}

/// A connection may die between its handshake and its lanes, and then nobody says a word.
#[test]
fn a_dial_of_which_nothing_is_heard_any_more_counts_as_failed() {
    let (mut node, peer) = lower();
    discovered(&mut node, peer);
    next_dial(&mut node, peer);
    assert!(next_dial(&mut node, peer) <= DIAL_MAX + BACK_OFF_MIN + TICK);
}

#[test]
fn a_seed_of_which_nothing_is_heard_any_more_is_dialled_again() {
    let journal = records_of(&busy_plant().ledger());
    let mut node = Node::with_seeds("left", journal, vec![address(PLACE)]);
    let effects = node.wait(DIAL_MAX + BACK_OFF_MIN + TICK * 2);
    assert_eq!(seed_dials(&effects), 2);
}

#[test]
fn the_lower_key_dials_at_once_and_the_higher_key_waits() {
    let (mut node, peer) = lower();
    discovered(&mut node, peer);
    assert_eq!(next_dial(&mut node, peer), TICK);
    let (lower, higher) = by_key("left", "right");
    let mut node = Node::member(higher, &busy_plant());
    discovered(&mut node, lower);
    assert!(next_dial(&mut node, lower) >= HIGHER_KEY_WAITS);
}

#[test]
fn nobody_is_dialled_who_is_linked_already_and_everybody_again_who_is_lost() {
    let (mut node, peer) = lower();
    let link = node.link(peer);
    discovered(&mut node, peer);
    for _ in 0..20 {
        node.page(link, &[]);
        assert_eq!(dials(peer, &node.wait(TICK)), 0);
    }
    node.run(Input::LinkDown { link });
    assert_eq!(next_dial(&mut node, peer), TICK);
}

#[test]
fn only_keys_of_the_roster_are_dialled() {
    let mut node = Node::member("left", &busy_plant());
    discovered(&mut node, "thief");
    discovered(&mut node, "left");
    let effects = node.wait(Duration::from_secs(20));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Dial { .. })));
}

#[test]
fn a_node_without_a_plant_dials_nobody() {
    let mut node = Node::with_seeds("press", Vec::new(), vec![address(PLACE)]);
    discovered(&mut node, "left");
    let effects = node.wait(Duration::from_secs(20));
    assert!(
        !effects
            .iter()
            .any(|effect| { matches!(effect, Effect::Dial { .. } | Effect::DialAddress { .. }) })
    );
}

#[test]
fn strangers_that_announce_themselves_do_not_fill_the_memory_nor_keep_members_out() {
    let mut node = Node::member("left", &busy_plant());
    let mut most = 0;
    for number in 0..2_000_u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let stranger = ed25519_dalek::SigningKey::from_bytes(&bytes);
        let peer = gearmesh_protocol::ids::PublicKey::of(&stranger);
        node.run(Input::Discovered { peer, address: address(PLACE) });
        most = most.max(node.plant.contacts.strangers());
    }
    assert!(most <= STRANGERS_MAX, "{most}");
    node.wait(TICK);
    discovered(&mut node, "right");
    next_dial(&mut node, "right");
    assert_ne!(signing("right").to_bytes(), [0; 32]);
}

fn seed_dials(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::DialAddress { .. })).count()
}

#[test]
fn a_seed_is_dialled_until_a_member_answers_there_and_again_when_that_one_is_lost() {
    let journal = records_of(&busy_plant().ledger());
    let mut node = Node::with_seeds("left", journal, vec![address(PLACE)]);
    for _ in 0..10 {
        let effects = node.wait(BACK_OFF_MAX + TICK);
        assert_eq!(seed_dials(&effects), 1);
        let place = Some(address(PLACE));
        node.run(Input::DialFailed { peer: None, address: place, refusal: None });
    }
    node.wait(BACK_OFF_MAX + TICK);
    let (link, _) = node.link_with("right", |up| {
        up.is_dialer = true;
        up.address = address(PLACE);
    });
    for _ in 0..80 {
        node.page(link, &[]);
        assert_eq!(seed_dials(&node.wait(TICK)), 0);
    }
    node.run(Input::LinkDown { link });
    assert!(seed_dials(&node.wait(BACK_OFF_MAX)) > 0);
}

#[test]
fn what_members_say_when_they_refuse_is_shown_until_one_admits() {
    let mut node = Node::member("left", &busy_plant());
    let mut refuse = |peer: &str, refusal| {
        node.run(Input::DialFailed {
            peer: Some(key(peer)),
            address: None,
            refusal: Some(refusal),
        });
        node.plant.view().refused_by
    };
    assert_eq!(refuse("thief", Refusal::Revoked), None, "a stranger may say what it likes");
    assert_eq!(refuse("right", Refusal::Busy), None, "not for long");
    assert_eq!(refuse("right", Refusal::Revoked), Some(Refusal::Revoked));
    node.link("right");
    assert_eq!(node.plant.view().refused_by, None);
}
