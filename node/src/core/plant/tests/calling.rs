//! A machine that asks others to do things, and always hears something.

use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::command::{Call, CommandFrame, Moment, Outcome, Progress};
use gearmesh_protocol::durable::AckLevel;
use gearmesh_protocol::entry::{CallState, CommandState, DataEntry};
use gearmesh_protocol::ids::{CommandId, Incarnation};
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::{Signed, Verified};

use super::durable::{publish, ready, stored, the_store};
use super::stage::{Node, answer, answers};
use crate::core::plant::commands::{
    AWAY_WITHIN, Asked, CommandEffect, CommandInput, Ended, Ending, OUTCOME_WITHIN, Service,
};
use crate::core::plant::data::DataEffect;
use crate::core::plant::world::{key, signing};
use crate::core::plant::{Answer, Effect, Input, LinkId, TICK, Ticket};

const LIFE: Incarnation = Incarnation([3; 16]);

fn asked(id: u8) -> Asked {
    Asked {
        id: CommandId([id; 16]),
        target: key("right"),
        verb: "load".parse().expect("a name"),
        arguments: b"17".to_vec(),
        ttl: Duration::from_secs(5),
        waits: false,
        token: None,
        partner: None,
        away_within: AWAY_WITHIN,
    }
}

fn command(node: &mut Node, input: CommandInput) -> Vec<Effect> {
    node.feed(Input::Command(input))
}

fn asks(node: &mut Node, asked: Asked) -> (Ticket, Vec<Effect>) {
    let ticket = node.ticket();
    (ticket, command(node, CommandInput::Ask { ticket, asked, fit: Ok(()) }))
}

/// The target, linked, says what time it is there.
fn linked(node: &mut Node, life: Incarnation, tick_ms: u64) -> (LinkId, Vec<Effect>) {
    let link = node.link("right");
    let frame = CommandFrame::Clock(Moment { incarnation: life, tick_ms });
    (link, command(node, CommandInput::Frame { link, frame }))
}

fn calls(node: &Node, effects: &[Effect]) -> Vec<(LinkId, Call)> {
    let call = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send { link, frame: CommandFrame::Call(signed) }) => {
            let verified = signed.verify(&node.roster().plant(), &key("left"));
            Some((*link, verified.map(Verified::into_value).expect("the caller's signature")))
        }
        _ => None,
    };
    effects.iter().filter_map(call).collect()
}

fn says(node: &mut Node, link: LinkId, target: &str, id: u8, state: CommandState) -> Vec<Effect> {
    let plant = node.roster().plant();
    let (caller, id) = (key("left"), CommandId([id; 16]));
    let outcome = Outcome { caller, id, state, detail: String::new() };
    let signed = Signed::sign(&signing(target), &plant, &outcome);
    let outcome = Box::new(signed.verify(&plant, &key(target)).expect("its own signature"));
    command(node, CommandInput::Outcome { link, outcome })
}

/// What the caller wrote down of its calls.
fn noted(effects: &[Effect]) -> Vec<CallState> {
    let groups = the_store(effects).1;
    let entries = groups.iter().flat_map(|group| group.entries());
    let state = |entry: &Vec<u8>| match codec::decode(entry, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Call(record)) => Some(record.state),
        _ => None,
    };
    entries.filter_map(state).collect()
}

fn is_writing(effects: &[Effect]) -> bool {
    let is_store = |effect: &Effect| matches!(effect, Effect::Data(DataEffect::Store { .. }));
    effects.iter().any(is_store)
}

fn ended(state: CommandState) -> Answer {
    Answer::Ended(Box::new(Ended::plainly(state)))
}

#[test]
fn a_call_names_a_moment_of_its_target_and_lives_from_when_it_was_asked() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 70_000);
    node.jump(Duration::from_millis(800));
    let (ticket, effects) = asks(&mut node, asked(1));
    let sent = calls(&node, &effects);
    let (to, call) = &sent[0];
    assert_eq!((*to, call.issued.tick_ms, call.ttl_ms), (link, 70_000, 5_800));
    assert!(!is_writing(&effects), "nobody waits for that");
    let effects = node.wait(TICK);
    assert_eq!(noted(&effects), [CallState::Sent]);
    let frame = CommandFrame::Progress { id: call.id, progress: Progress::Accepted };
    let effects = command(&mut node, CommandInput::Frame { link, frame });
    let told = |effect: &Effect| matches!(effect, Effect::Command(CommandEffect::Progress { ticket: to, progress: Progress::Accepted }) if *to == ticket);
    assert!(effects.iter().any(told));
    assert!(answers(&says(&mut node, link, "registrar", 1, CommandState::Expired)).is_empty());
    let done = CommandState::Done { result: b"1".to_vec() };
    let effects = says(&mut node, link, "right", 1, done.clone());
    assert_eq!(answers(&effects), [(ticket, ended(done.clone()))]);
    assert!(says(&mut node, link, "right", 1, done).is_empty(), "it ends once");
}

#[test]
fn what_a_caller_writes_down_goes_with_what_somebody_waits_for() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 100);
    let (ticket, effects) = asks(&mut node, asked(1));
    assert!(!is_writing(&effects) && !calls(&node, &effects).is_empty());
    let done = CommandState::Done { result: b"1".to_vec() };
    let effects = says(&mut node, link, "right", 1, done.clone());
    assert_eq!(answers(&effects), [(ticket, ended(done.clone()))], "it is told at once");
    assert!(!is_writing(&effects));
    let (_, effects) = publish(&mut node, b"17", AckLevel::Local);
    assert_eq!(noted(&effects), [CallState::Sent, CallState::Ended(done)], "in their order");
    assert_eq!(the_store(&effects).1[0].entries().len(), 3);
}

#[test]
fn much_that_nobody_waits_for_is_not_left_until_it_finds_no_place() {
    let mut node = ready("left");
    linked(&mut node, LIFE, 100);
    let begun = (0..=u8::MAX).position(|id| is_writing(&asks(&mut node, asked(id)).1));
    assert_eq!(begun, Some(GROUP_ENTRIES_MAX / 2 - 1));
}

#[test]
fn a_machine_that_cannot_be_reached_is_told_at_once_or_waited_for() {
    let mut node = ready("left");
    let (_, effects) = asks(&mut node, asked(1));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::MachineUnreachable));
    let (_, effects) = asks(&mut node, Asked { waits: true, ..asked(2) });
    assert!(effects.is_empty());
    node.wait(Duration::from_secs(3));
    let (_, effects) = linked(&mut node, LIFE, 900);
    assert_eq!(calls(&node, &effects)[0].1.ttl_ms, 2000, "its life began when it was asked for");
}

#[test]
fn what_was_not_sent_in_time_is_not_sent_and_nothing_is_said_of_what_was_before() {
    let mut node = ready("left");
    asks(&mut node, Asked { waits: true, ..asked(1) });
    let effects = node.wait(Duration::from_secs(5));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::MachineUnreachable));
    let (_, effects) = linked(&mut node, LIFE, 100);
    assert!(calls(&node, &effects).is_empty());
}

#[test]
fn the_same_bytes_go_over_every_link_until_somebody_says_what_became_of_them() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 100);
    let (ticket, effects) = asks(&mut node, asked(1));
    let first = calls(&node, &effects).remove(0).1;
    node.feed(Input::LinkDown { link });
    // The target lives another life by now, and has to hear of the call for the earlier one.
    let (next, effects) = linked(&mut node, Incarnation([4; 16]), 10);
    assert_eq!(calls(&node, &effects), [(next, first)]);
    let effects = says(&mut node, next, "right", 1, CommandState::Indeterminate);
    assert_eq!(answers(&effects), [(ticket, ended(CommandState::Indeterminate))]);
}

#[test]
fn a_new_call_waits_for_a_moment_of_the_targets_new_life() {
    let mut node = ready("left");
    let (old, _) = linked(&mut node, LIFE, 100);
    let new = node.link_with("right", |up| up.theirs.incarnation = Incarnation([4; 16])).0;
    let (_, effects) = asks(&mut node, asked(1));
    assert!(calls(&node, &effects).is_empty(), "the moment of {old:?} is of the earlier life");
    let frame = CommandFrame::Clock(Moment { incarnation: Incarnation([4; 16]), tick_ms: 5 });
    let effects = command(&mut node, CommandInput::Frame { link: new, frame });
    assert_eq!(calls(&node, &effects)[0].1.issued.incarnation, Incarnation([4; 16]));
}

#[test]
fn a_target_that_says_nothing_is_not_waited_for_for_ever() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 100);
    asks(&mut node, asked(1));
    let effects = node.wait(Duration::from_secs(5) + OUTCOME_WITHIN);
    assert_eq!(answer(&effects), Answer::Refused(Refusal::OutcomeUnknown));
    // One that works on it may take longer, as long as it is there.
    let (_, effects) = asks(&mut node, asked(2));
    let id = calls(&node, &effects)[0].1.id;
    let frame = CommandFrame::Progress { id, progress: Progress::Accepted };
    command(&mut node, CommandInput::Frame { link, frame });
    assert!(answers(&node.wait(Duration::from_secs(60))).is_empty());
    node.feed(Input::LinkDown { link });
    let effects = node.wait(Duration::from_secs(11));
    assert_eq!(answer(&effects), Answer::Refused(Refusal::OutcomeUnknown));
}

#[test]
fn a_call_that_is_asked_for_twice_is_sent_once_and_another_under_its_id_is_not() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 100);
    let (one, _) = asks(&mut node, asked(1));
    let (two, effects) = asks(&mut node, asked(1));
    assert!(calls(&node, &effects).is_empty());
    let (_, effects) = asks(&mut node, Asked { arguments: b"18".to_vec(), ..asked(1) });
    assert_eq!(answer(&effects), Answer::Refused(Refusal::CommandIdTaken));
    let effects = says(&mut node, link, "right", 1, CommandState::Expired);
    let told: Vec<Ticket> = answers(&effects).into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(told, [one, two]);
}

#[test]
fn a_machine_may_ask_itself() {
    let mut node = ready("left");
    let verb = gearmesh_protocol::command::Verb {
        name: "load".parse().expect("a name"),
        is_query: false,
        schema: Vec::new(),
    };
    let service = Service {
        verb,
        at_once: 1,
        within: Duration::from_secs(1),
        resource: None,
        takes_work: false,
    };
    let ticket = node.ticket();
    command(&mut node, CommandInput::Serve { ticket, service });
    let (ticket, effects) = asks(&mut node, Asked { target: key("left"), ..asked(1) });
    let (write, groups) = the_store(&effects);
    let effects = stored(&mut node, write, &groups);
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Command(CommandEffect::Run(run)) => Some(run.id),
        _ => None,
    });
    let ending = Ending::Done(b"1".to_vec());
    let run = run.expect("a run");
    let (write, groups) = the_store(&command(&mut node, CommandInput::Ended { run, ending }));
    let effects = stored(&mut node, write, &groups);
    let done = ended(CommandState::Done { result: b"1".to_vec() });
    assert_eq!(answers(&effects), [(ticket, done)]);
}

#[test]
fn a_query_is_asked_again_over_the_next_link_and_given_up_in_time() {
    let mut node = ready("left");
    let (link, _) = linked(&mut node, LIFE, 100);
    let ticket = node.ticket();
    let asked = asked(0);
    let asks = CommandInput::AskQuery { ticket, asked, fit: Ok(()) };
    let queries = |effects: &[Effect]| {
        let query = |effect: &Effect| match effect {
            Effect::Command(CommandEffect::Send { link, frame: CommandFrame::Query(query) }) => {
                Some((*link, query.number))
            }
            _ => None,
        };
        effects.iter().filter_map(query).collect::<Vec<_>>()
    };
    assert_eq!(queries(&command(&mut node, asks)), [(link, 1)]);
    node.feed(Input::LinkDown { link });
    let (next, effects) = linked(&mut node, LIFE, 200);
    assert_eq!(queries(&effects), [(next, 1)]);
    let effects = node.wait(Duration::from_secs(5));
    assert_eq!(answer(&effects), ended(CommandState::Expired));
}
