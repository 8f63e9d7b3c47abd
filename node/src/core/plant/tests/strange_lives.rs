//! A node that is shown groups of its own key which it did not write says so.

use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::log::{Draft, Group, LogKind, Tip, VerifiedGroup};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::TrustEntry;

use super::stage::{Node, busy_plant};
use crate::core::plant::lives::{STRANGE_LIVES_MAX, Sighting};
use crate::core::plant::work::OWN_LOG_WAIT;
use crate::core::plant::world::records::{machine, redeem};
use crate::core::plant::world::{Plant as History, draft, key, signing};
use crate::core::plant::{Input, LinkId, report};

/// A group of the registrar's key in some life, after a tip.
fn group_of(history: &History, life: u8, after: &[Tip], joiner: &str) -> Arc<VerifiedGroup> {
    redeemed(history, life, after, (joiner, "code"))
}

/// The same, for somebody who holds this code.
fn redeemed(
    history: &History,
    life: u8,
    after: &[Tip],
    (joiner, code): (&str, &str),
) -> Arc<VerifiedGroup> {
    let record = redeem(joiner, code, machine("press"));
    let entry = codec::encode(&TrustEntry { at: UnixMillis(history.now()), record });
    let draft = Draft {
        incarnation: Incarnation([life; 16]),
        ..draft("registrar", LogKind::Trust, after, vec![entry])
    };
    Arc::new(Group::write(&signing("registrar"), &history.id, draft).expect("a group"))
}

/// A registrar that admitted `press` in this life, with the end of its log.
fn writer(history: &History) -> (Node, LinkId, Tip) {
    let mut node = Node::member("registrar", history);
    let link = node.link("left");
    node.wait(OWN_LOG_WAIT);
    let (_, asked) = node.asks("press", "code");
    node.carry_out(asked);
    let tip = node.ledger().log(&key("registrar")).expect("its log").tips()[0];
    (node, link, tip)
}

fn sightings(node: &Node) -> Vec<(Incarnation, Sighting)> {
    let view = node.plant.view();
    view.strange_lives.iter().map(|(life, seen)| (*life, seen.sighting)).collect()
}

#[test]
fn a_writer_that_is_shown_a_group_of_its_key_that_it_did_not_write_raises_the_alarm() {
    let history = busy_plant();
    let (mut node, link, tip) = writer(&history);
    assert!(report::alarms(&node.plant.view()).is_empty());
    // It goes on where the node ended, so the log has one branch and no other alarm is raised.
    let stolen = group_of(&history, 9, &[tip], "thief");
    node.page(link, &[&stolen]);
    assert_eq!(sightings(&node), [(Incarnation([9; 16]), Sighting::Clone)]);
    let alarms = report::alarms(&node.plant.view());
    assert_eq!(alarms.iter().filter(|alarm| alarm.contains("two places")).count(), 1);
    let alarm = alarms.iter().find(|alarm| alarm.contains("two places")).expect("an alarm");
    for part in [&"09".repeat(16)[..], "left-machine", "/ip4/192.0.2.9/tcp/"] {
        assert!(alarm.contains(part), "{part}: {alarm}");
    }
}

#[test]
fn a_group_that_names_this_very_life_is_a_clones_even_before_it_wrote() {
    let history = busy_plant();
    let mut node = Node::member("registrar", &history);
    let link = node.link("left");
    node.page(link, &[&group_of(&history, 0, &[], "thief")]);
    assert_eq!(sightings(&node), [(Incarnation([0; 16]), Sighting::Clone)]);
}

#[test]
fn what_a_node_pulls_before_it_writes_says_only_that_its_journal_is_older() {
    let history = busy_plant();
    let mut node = Node::member("registrar", &history);
    let link = node.link("left");
    let first = group_of(&history, 9, &[], "press");
    node.page(link, &[&first]);
    assert_eq!(sightings(&node), [(Incarnation([9; 16]), Sighting::OlderJournal)]);
    let alarms = report::alarms(&node.plant.view());
    assert!(alarms[0].contains("journal is older"), "{alarms:?}");
    // Once it writes, what the same life still shows is no old record any more.
    node.wait(OWN_LOG_WAIT);
    let (_, asked) = node.asks("robot", "code");
    node.carry_out(asked);
    node.page(link, &[&group_of(&history, 9, &[first.tip()], "thief")]);
    assert_eq!(sightings(&node), [(Incarnation([9; 16]), Sighting::Clone)]);
}

#[test]
fn a_node_that_lost_the_end_of_its_journal_is_not_alarmed_by_its_own_earlier_life() {
    let history = busy_plant();
    let (first_life, _, _) = writer(&history);
    let own = first_life.ledger().log(&key("registrar")).expect("its log").in_order()[0].clone();
    let mut node = Node::member("registrar", &history);
    node.restart();
    let link = node.link("left");
    node.page(link, &[&own]);
    assert!(node.is_member("press") && sightings(&node).is_empty());
}

#[test]
fn groups_of_other_keys_and_its_own_writes_mean_nothing() {
    let mut history = busy_plant();
    let (mut node, link, _) = writer(&history);
    node.page(link, &[&history.write("admin", redeem("robot", "code", machine("robot")))]);
    assert!(sightings(&node).is_empty());
}

#[test]
fn strange_lives_beyond_the_bound_are_counted() {
    let history = busy_plant();
    let (mut node, link, mut tip) = writer(&history);
    for life in 0..STRANGE_LIVES_MAX + 3 {
        let life = 100 + u8::try_from(life).expect("few");
        let group = group_of(&history, life, &[tip], "thief");
        tip = group.tip();
        node.page(link, &[&group]);
    }
    let view = node.plant.view();
    assert_eq!((view.strange_lives.len(), view.unnamed_strange), (STRANGE_LIVES_MAX, 3));
    assert!(report::alarms(&view).iter().any(|alarm| alarm.contains("3 groups more")));
}

#[test]
fn a_group_that_is_not_on_disk_raises_nothing_yet() {
    let history = busy_plant();
    let (mut node, link, tip) = writer(&history);
    let groups = vec![group_of(&history, 9, &[tip], "thief")];
    let begun = node.feed(Input::Page { link, acts: Vec::new(), groups });
    assert!(sightings(&node).is_empty());
    node.carry_out(begun);
    assert_eq!(sightings(&node).len(), 1);
}

#[test]
fn a_registrar_goes_on_behind_what_it_wrote_however_long_a_thiefs_branch_is() {
    let history = busy_plant();
    let (mut node, link, own) = writer(&history);
    let mut stolen: Vec<Arc<VerifiedGroup>> = Vec::new();
    for joiner in ["thief", "fence", "friend"] {
        let after: Vec<Tip> = stolen.last().map(|last| last.tip()).into_iter().collect();
        stolen.push(redeemed(&history, 9, &after, (joiner, "a code of the thief's")));
    }
    node.page(link, &stolen.iter().collect::<Vec<_>>());
    let mut last = own;
    for (joiner, is_new_life) in [("robot", false), ("packer", true)] {
        if is_new_life {
            node.restart();
            node.wait(OWN_LOG_WAIT);
        }
        let (_, asked) = node.asks(joiner, "code");
        node.carry_out(asked);
        let ends = node.ledger().log(&key("registrar")).expect("its log").tips();
        let grown = ends.into_iter().find(|end| end.group != stolen[2].id());
        let grown = grown.expect("its own branch stands beside the thief's");
        assert_eq!(grown.number, last.number + 1, "{joiner}");
        last = grown;
    }
}
