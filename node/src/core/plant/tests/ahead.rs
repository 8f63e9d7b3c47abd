//! Two groups on their way to the disk: what the second may rest on, and what becomes of it when the
//! first does not get there.

use std::sync::Arc;

use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::refusal::Refusal;

use super::durable::{ready, stored, the_store};
use super::stage::{Node, answers};
use crate::core::plant::data::{DataInput, Kept};
use crate::core::plant::{Answer, Effect, Input, Ticket};

/// Groups on their way to the disk.
type OnTheWay = (u64, Vec<Arc<VerifiedGroup>>);

/// Asks for so many entries at once, as one run of publishers.
fn asked(node: &mut Node, entries: u8) -> (Ticket, Input) {
    let (ticket, ack) = (node.ticket(), AckLevel::Local);
    let entries = (0..entries).map(|entry| vec![entry]).collect();
    (ticket, Input::Data(DataInput::Publish { ticket, entries, ack }))
}

/// A turn in which that is all that came: the first write, and with the next turn the second.
fn two_writes(node: &mut Node) -> (Vec<Ticket>, [OnTheWay; 2]) {
    let (tickets, inputs): (Vec<_>, Vec<_>) = (0..4).map(|_| asked(node, 64)).unzip();
    let first = the_store(&turn(node, inputs));
    let second = the_store(&turn(node, Vec::new()));
    assert!(turn(node, Vec::new()).is_empty(), "no third one");
    (tickets, [first, second])
}

fn turn(node: &mut Node, inputs: Vec<Input>) -> Vec<Effect> {
    let now = node.now();
    node.plant.handle_all(now, inputs)
}

fn parent(groups: &[Arc<VerifiedGroup>]) -> Option<GroupId> {
    groups[0].header().parents.first().copied()
}

fn of(effects: &[Effect]) -> Vec<(Ticket, bool)> {
    let is_durable = |(ticket, answer)| (ticket, matches!(answer, Answer::Durable(_)));
    answers(effects).into_iter().map(is_durable).collect()
}

fn fails(node: &mut Node, write: u64) -> Vec<Effect> {
    node.feed(Input::Data(DataInput::StoreFailed { write, cause: "no space".to_owned() }))
}

#[test]
fn of_much_the_half_is_signed_while_the_other_half_is_written() {
    let mut node = ready("left");
    let (tickets, [(write, first), (next_write, second)]) = two_writes(&mut node);
    assert_eq!([first[0].entries().len(), second[0].entries().len()], [128, 128]);
    assert_eq!(parent(&second), Some(first[0].id()));
    let effects = stored(&mut node, write, &first);
    assert_eq!(of(&effects), [(tickets[0], true), (tickets[1], true)]);
    let effects = stored(&mut node, next_write, &second);
    assert_eq!(of(&effects), [(tickets[2], true), (tickets[3], true)]);
    let (_, input) = asked(&mut node, 1);
    assert_eq!(parent(&the_store(&node.feed(input)).1), Some(second[0].id()));
}

#[test]
fn few_wait_for_the_group_that_is_under_way() {
    let mut node = ready("left");
    let (_, input) = asked(&mut node, 10);
    let (write, groups) = the_store(&node.feed(input));
    let (_, input) = asked(&mut node, 127);
    assert!(node.feed(input).is_empty(), "a second sync for so few would slow all down");
    let (_, input) = asked(&mut node, 1);
    let (_, ahead) = the_store(&node.feed(input));
    assert_eq!((ahead[0].entries().len(), parent(&ahead)), (128, Some(groups[0].id())));
    stored(&mut node, write, &groups);
}

#[test]
fn when_the_first_fails_the_second_does_and_nothing_follows_until_then() {
    let mut node = ready("left");
    let (_, input) = asked(&mut node, 1);
    let (write, there) = the_store(&node.feed(input));
    stored(&mut node, write, &there);
    let (tickets, [(write, _), (next_write, _)]) = two_writes(&mut node);
    let refused = Answer::Refused(Refusal::NotStored);
    let effects = fails(&mut node, write);
    assert_eq!(answers(&effects), [(tickets[0], refused.clone()), (tickets[1], refused.clone())]);
    let (waits, input) = asked(&mut node, 128);
    assert!(node.feed(input).is_empty(), "it would rest on what cannot get there");
    // Its parent is not there.
    let kept = vec![Kept { is_new: false, fills: false, extent: vec![there[0].tip()].into() }];
    let effects = node.feed(Input::Data(DataInput::Stored { write: next_write, kept }));
    assert_eq!(answers(&effects), [(tickets[2], refused.clone()), (tickets[3], refused)]);
    let (write, groups) = the_store(&effects);
    assert_eq!(parent(&groups), Some(there[0].id()));
    assert_eq!(of(&stored(&mut node, write, &groups)), [(waits, true)]);
    let (_, [(_, first), (_, second)]) = two_writes(&mut node);
    assert_eq!(parent(&second), Some(first[0].id()), "and two go together again");
}
