//! A node whose own durable values went without its journal: it says so, and does not begin anew
//! beside what members have.

use std::time::Duration;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::log::Tip;

use super::durable::{publish, ready, says, stored, the_store};
use super::stage::Node;
use crate::core::plant::data::DataEffect;
use crate::core::plant::report::alarms;
use crate::core::plant::world::key;
use crate::core::plant::{Effect, OWN_LOG_WAIT};
use crate::core::record::Record;

const SOON: Duration = Duration::from_secs(1);

/// A node that has written so many groups, and all of their ends.
fn written(groups: usize) -> (Node, Vec<Tip>) {
    let mut node = ready("left");
    let mut tips = Vec::new();
    for number in 0..groups {
        let (_, effects) = publish(&mut node, &[number as u8], AckLevel::Local);
        let (write, groups) = the_store(&effects);
        for effect in stored(&mut node, write, &groups) {
            node.store(&effect);
        }
        tips.push(groups[0].tip());
    }
    (node, tips)
}

fn remembered(node: &Node) -> Vec<u64> {
    let groups = |record: &Record| match record {
        Record::OwnData { groups } => Some(*groups),
        _ => None,
    };
    node.disk.iter().filter_map(groups).collect()
}

fn told(node: &Node) -> Vec<String> {
    let all = alarms(&node.plant.view());
    all.into_iter().filter(|alarm| alarm.contains("are gone from its disk")).collect()
}

fn writes(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Data(DataEffect::Store { .. })))
}

#[test]
fn the_journal_remembers_how_long_the_log_is_whenever_it_has_doubled() {
    let (node, _) = written(9);
    assert_eq!(remembered(&node), [1, 2, 4, 8]);
    assert!(told(&node).is_empty());
}

#[test]
fn a_log_that_is_there_is_not_missed() {
    let (mut node, tips) = written(9);
    node.restart_holding(&[(key("left"), tips[8..].to_vec())]);
    assert!(told(&node).is_empty());
    node.wait(OWN_LOG_WAIT);
    assert!(writes(&publish(&mut node, b"next", AckLevel::Local).1));
}

#[test]
fn a_log_that_is_gone_is_told_and_waited_for() {
    let (mut node, tips) = written(9);
    node.restart();
    assert_eq!(told(&node).len(), 1, "{:?}", told(&node));
    assert!(told(&node)[0].contains("8 groups"));
    node.wait(OWN_LOG_WAIT + SOON);
    let (_, effects) = publish(&mut node, b"next", AckLevel::Local);
    assert!(!writes(&effects), "a member may have it");
    let (link, _) = node.link_with("right", |_| ());
    let effects = says(&mut node, link, "left", &tips[8..]);
    assert!(!writes(&effects), "it is on its way");
    let asked = |effect: &Effect| matches!(effect, Effect::Data(DataEffect::Send { .. }));
    assert!(effects.iter().any(asked), "it is asked for");
}

#[test]
fn one_group_that_is_gone_is_one() {
    let (mut node, _) = written(1);
    node.restart();
    assert!(told(&node)[0].contains(": 1 group of them"), "{:?}", told(&node));
}

#[test]
fn where_no_member_has_it_the_node_goes_on_and_keeps_the_alarm() {
    let (mut node, _) = written(9);
    node.restart();
    let (link, _) = node.link_with("right", |_| ());
    says(&mut node, link, "left", &[]);
    let (_, effects) = publish(&mut node, b"anew", AckLevel::Local);
    let (write, groups) = the_store(&effects);
    stored(&mut node, write, &groups);
    assert_eq!(told(&node).len(), 1);
    assert!(told(&node)[0].contains("7 groups"));

    node.restart();
    node.wait(OWN_LOG_WAIT + SOON);
    assert!(!writes(&publish(&mut node, b"alone", AckLevel::Local).1));
    let effects = node.wait(Duration::from_secs(30));
    assert!(writes(&effects) || writes(&publish(&mut node, b"alone", AckLevel::Local).1));
}
