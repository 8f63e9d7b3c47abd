//! Adopting the ledger in which this node is a member.

use gearmesh_protocol::refusal::Refusal;

use super::stage::{Node, answer, answers, parts_of, records_of, writes};
use crate::core::plant::world::records::{admit, machine, redeem, revoke_wholly};
use crate::core::plant::world::{Plant as History, key};
use crate::core::plant::{Answer, Effect, Input};
use crate::core::record::Record;

fn joined() -> History {
    let mut history = History::at_work();
    history.write("registrar", redeem("press", "code", machine("press")));
    history
}

fn adopt(node: &mut Node, history: &History) -> Vec<Effect> {
    let ledger = history.ledger();
    let (acts, groups) = parts_of(ledger.pages(), &ledger);
    let ticket = node.ticket();
    node.feed(Input::Adopt { ticket, acts, groups })
}

#[test]
fn a_joiner_belongs_to_the_plant_once_the_ledger_is_on_its_disk() {
    let history = joined();
    let mut node = Node::blank("press");
    let begun = adopt(&mut node, &history);
    assert!(answers(&begun).is_empty() && node.plant.ledger().is_none());
    let done = node.carry_out(begun);
    assert_eq!(answer(&done), Answer::Adopted);
    assert!(matches!(node.disk.first(), Some(Record::Act(_))), "the genesis comes first");
    node.restart();
    assert_eq!(records_of(node.ledger()), records_of(&history.ledger()));
}

#[test]
fn a_joiner_whose_disk_fails_belongs_to_nothing_and_may_try_again() {
    let history = joined();
    let mut node = Node::blank("press");
    let begun = adopt(&mut node, &history);
    let failed =
        node.feed(Input::PersistFailed { write: writes(&begun)[0], cause: "full".to_owned() });
    assert_eq!(answer(&failed), Answer::Refused(Refusal::NotStored));
    assert!(node.plant.ledger().is_none());
    let begun = adopt(&mut node, &history);
    assert_eq!(answer(&node.carry_out(begun)), Answer::Adopted);
}

#[test]
fn a_ledger_in_which_the_node_is_no_member_is_not_adopted() {
    for history in [History::at_work(), {
        let mut history = joined();
        history.write("admin", revoke_wholly("press"));
        history
    }] {
        let mut node = Node::blank("press");
        let refused = adopt(&mut node, &history);
        assert_eq!(answer(&refused), Answer::Refused(Refusal::NotAMember));
        assert!(writes(&refused).is_empty() && node.plant.ledger().is_none());
    }
}

#[test]
fn what_does_not_begin_with_a_genesis_is_no_ledger() {
    let ledger = joined().ledger();
    let (acts, groups) = parts_of(ledger.pages(), &ledger);
    let mut threshold = History::with_three_roots();
    let no_genesis = vec![threshold.act(&["root-1", "root-2"], admit("press", machine("press")))];
    for acts in [Vec::new(), no_genesis] {
        let mut node = Node::blank("press");
        let (ticket, groups) = (node.ticket(), groups.clone());
        let refused = node.feed(Input::Adopt { ticket, acts, groups });
        assert_eq!(answer(&refused), Answer::Refused(Refusal::Protocol));
    }
    assert!(!acts.is_empty());
}

#[test]
fn adopting_again_writes_nothing_and_adopting_more_adds_what_is_new() {
    let mut history = joined();
    let mut node = Node::blank("press");
    let begun = adopt(&mut node, &history);
    node.carry_out(begun);
    let again = adopt(&mut node, &history);
    assert_eq!((answer(&again), writes(&again).len()), (Answer::Adopted, 0));
    history.write("admin", admit("robot", machine("robot")));
    let more = adopt(&mut node, &history);
    assert_eq!(answer(&node.carry_out(more)), Answer::Adopted);
    assert!(node.is_member("robot"));
}

#[test]
fn two_ledgers_that_arrive_at_once_are_one() {
    let history = joined();
    let mut node = Node::blank("press");
    let first = adopt(&mut node, &history);
    assert!(adopt(&mut node, &history).is_empty(), "it waits for the first");
    let done = node.carry_out(first);
    assert_eq!(answers(&done).len(), 2);
    assert_eq!(node.disk, records_of(&history.ledger()));
}

/// The same people found two plants, so keys of the one mean something in the other.
#[test]
fn a_node_that_belongs_to_a_plant_adopts_nothing_of_another() {
    let history = joined();
    let mut node = Node::member("press", &history);
    let mut other = History::founded(&["root", "spare"], 1);
    other.write("root", admit("press", machine("press")));
    other.write("root", admit("intruder", machine("intruder")));
    let before = node.disk.clone();
    let refused = adopt(&mut node, &other);
    assert_eq!(answer(&refused), Answer::Refused(Refusal::OtherPlant));
    assert_eq!((node.disk == before, node.is_member("intruder")), (true, false));
}

#[test]
fn a_member_that_lost_its_membership_cannot_adopt_its_way_back() {
    let history = joined();
    let mut thrown_out = history.clone();
    thrown_out.write("admin", revoke_wholly("press"));
    let mut node = Node::member("press", &thrown_out);
    assert_eq!(answer(&adopt(&mut node, &history)), Answer::Refused(Refusal::NotAMember));
}

#[test]
fn a_ledger_whose_admins_nobody_named_is_not_adopted() {
    let ledger = joined().ledger();
    let (acts, mut groups) = parts_of(ledger.pages(), &ledger);
    groups.retain(|group| group.header().log.author != key("root"));
    let mut node = Node::blank("press");
    let ticket = node.ticket();
    let refused = node.feed(Input::Adopt { ticket, acts, groups });
    assert_eq!(answer(&refused), Answer::Refused(Refusal::NotAMember));
}
