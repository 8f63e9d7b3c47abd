//! What a node is when it starts is what its journal says.

use gearmesh_protocol::ids::Incarnation;
use gearmesh_protocol::plant::MemberAddresses;

use super::stage::{Node, address, busy_plant, dials, records_of, writes};
use crate::core::plant::TICK;
use crate::core::plant::world::records::{admit, machine};
use crate::core::plant::world::{Plant as History, few, key};
use crate::core::plant::{Effect, Input, report};
use crate::core::record::Record;

#[test]
fn a_journal_gives_back_the_ledger_it_was_written_from() {
    let history = busy_plant();
    let node = Node::member("left", &history);
    assert_eq!(records_of(node.ledger()), records_of(&history.ledger()));
    assert_eq!(*node.roster(), history.roster());
}

#[test]
fn every_prefix_of_a_journal_is_a_state() {
    let whole = records_of(&busy_plant().ledger());
    let mut members = 0;
    for length in 0..=whole.len() {
        let node = Node::from_disk("left", whole[..length].to_vec());
        assert_eq!(node.plant.ledger().is_some(), length > 0);
        let now = node.plant.roster().map_or(0, |roster| roster.members().len());
        assert!(now >= members, "{length} records");
        members = now;
    }
    assert_eq!(members, 3);
}

#[test]
fn records_that_do_not_fit_are_skipped_and_the_rest_counts() {
    let history = busy_plant();
    let mut other = History::founded(&["other-root"], 1);
    let foreign = other.write("other-root", admit("thief", machine("thief")));
    let mut journal = vec![Record::Group(foreign.group().clone())];
    journal.extend(records_of(&history.ledger()));
    journal.insert(2, Record::Group(foreign.group().clone()));
    journal.insert(2, Record::Incarnation(Incarnation([9; 16])));
    journal.insert(2, records_of(&other.ledger())[0].clone());
    let twice: Vec<_> =
        journal.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
    let node = Node::from_disk("left", twice);
    assert_eq!(*node.roster(), history.roster());
}

#[test]
fn a_member_that_was_reached_before_is_dialled_again_after_a_restart() {
    let mut node = Node::member("left", &busy_plant());
    let (_, effects) = node.link_with("right", |up| up.is_dialer = true);
    assert!(!effects.is_empty());
    node.restart();
    let effects = node.wait(TICK);
    assert_eq!(dials("right", &effects), 1);
}

#[test]
fn the_last_address_of_a_journal_counts() {
    let mut journal = records_of(&busy_plant().ledger());
    for port in [1, 2] {
        let addresses = few(vec![address(&format!("/ip4/192.0.2.1/tcp/{port}"))]);
        journal.push(Record::Addresses(MemberAddresses { member: key("right"), addresses }));
    }
    let node = Node::from_disk("left", journal);
    let found = node.plant.view().address(&key("right")).cloned();
    assert_eq!(found, Some(address("/ip4/192.0.2.1/tcp/2")));
}

#[test]
fn the_same_inputs_give_the_same_effects() {
    let story = || {
        let mut node = Node::member("registrar", &History::at_work());
        let link = node.link("left");
        let (_, asked) = node.asks("press", "code");
        let mut told = node.carry_out(asked);
        told.extend(node.wait(std::time::Duration::from_secs(4)));
        told.extend(node.page(link, &[]));
        format!("{told:?}")
    };
    assert_eq!(story(), story());
}

#[test]
fn a_journal_that_is_not_written_is_an_alarm_until_it_is() {
    let mut history = busy_plant();
    let mut node = Node::member("left", &history);
    let link = node.link("right");
    let alarms = |node: &Node| report::alarms(&node.plant.view());
    assert!(alarms(&node).is_empty());

    let group = history.write("admin", admit("robot", machine("robot")));
    let page = |group| Input::Page { link, acts: Vec::new(), groups: vec![group] };
    let begun = node.feed(page(std::sync::Arc::clone(&group)));
    let (write, cause) = (writes(&begun)[0], "no space".to_owned());
    let failed = node.feed(Input::PersistFailed { write, cause });
    assert!(failed.iter().any(|effect| matches!(effect, Effect::Publish(_))), "{failed:?}");
    let said =
        "the journal cannot be written: no space; free some space, and it writes again by itself";
    assert_eq!(alarms(&node), [said]);

    node.run(page(group));
    assert!(alarms(&node).is_empty(), "the disk took the next one");
    node.feed(Input::Noted { trouble: Some("no space".to_owned()) });
    assert_eq!(alarms(&node), [said]);
    node.feed(Input::Noted { trouble: None });
    assert!(alarms(&node).is_empty());
}

#[test]
fn a_node_without_a_plant_also_says_that_its_journal_is_not_written() {
    let mut node = Node::blank("left");
    node.feed(Input::Noted { trouble: Some("no space".to_owned()) });
    assert_eq!(report::alarms(&node.plant.view()).len(), 1);
}
