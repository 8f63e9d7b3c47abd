//! A machine that is asked to do things: at most once, whatever crashes, and never in silence.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::codec;
use gearmesh_protocol::command::{
    Call, CommandFrame, Moment, Outcome, Progress, Query, Verb, arguments_hash,
};
use gearmesh_protocol::entry::{CommandRecord, CommandState, DataEntry};
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::{CommandId, Incarnation};
use gearmesh_protocol::limits::{COMMAND_BYTES_MAX, COMMAND_TTL_MS_MAX, ENTRY_BYTES_MAX};
use gearmesh_protocol::log::VerifiedGroup;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::{Signed, Verified};

use super::durable::{stored, the_store};
use super::stage::{Node, answer, busy_plant};
use crate::core::plant::commands::{
    CommandEffect, CommandInput, Ending, Fit, RUN_WITHIN_MAX, Recalled, Recorded, Run, Service,
    WAITING_PER_CALLER_MAX,
};
use crate::core::plant::data::{DataEffect, DataInput};
use crate::core::plant::world::records::{admit, machine};
use crate::core::plant::world::{few, key, signing};
use crate::core::plant::{Answer, Effect, Input, LinkId};

/// A machine that serves `load`, one at a time, and is linked with whoever calls.
fn serving() -> (Node, LinkId) {
    serving_at_once(1)
}

fn serving_at_once(at_once: usize) -> (Node, LinkId) {
    let mut node = Node::member("left", &busy_plant());
    node.wait(Duration::from_secs(4));
    serve(&mut node, "load", at_once, false);
    let link = node.link("right");
    (node, link)
}

fn serve(node: &mut Node, verb: &str, at_once: usize, is_query: bool) -> Vec<Effect> {
    let verb = Verb { name: verb.parse().expect("a name"), is_query, schema: Vec::new() };
    let service = Service {
        verb,
        at_once,
        within: Duration::from_secs(60),
        resource: None,
        takes_work: false,
    };
    let ticket = node.ticket();
    let effects = command(node, CommandInput::Serve { ticket, service });
    assert_eq!(answer(&effects), Answer::Serving);
    effects
}

fn command(node: &mut Node, input: CommandInput) -> Vec<Effect> {
    node.feed(Input::Command(input))
}

/// A call of `load`, issued now, that lives for five seconds.
fn call(node: &Node, id: u8) -> Call {
    let tick_ms = u64::try_from(node.now().tick.as_millis()).expect("a short life");
    Call {
        id: CommandId([id; 16]),
        target: key("left"),
        issued: Moment { incarnation: node.plant.view().incarnation, tick_ms },
        ttl_ms: 5000,
        verb: "load".parse().expect("a name"),
        arguments: b"17".to_vec(),
        token: None,
        partner: None,
    }
}

fn arrives(node: &mut Node, link: LinkId, call: &Call) -> Vec<Effect> {
    arrives_from(node, "right", link, call, Ok(()))
}

fn arrives_from(node: &mut Node, caller: &str, link: LinkId, call: &Call, fit: Fit) -> Vec<Effect> {
    let plant = node.roster().plant();
    let signed = Signed::sign(&signing(caller), &plant, call);
    let call = Box::new(signed.verify(&plant, &key(caller)).expect("its own signature"));
    command(node, CommandInput::Call { link, call, fit })
}

/// What a caller is told, signatures checked.
fn told(node: &Node, effects: &[Effect]) -> Vec<Outcome> {
    let outcome = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send { frame: CommandFrame::Outcome(signed), .. }) => {
            let verified = signed.verify(&node.roster().plant(), &key("left"));
            Some(verified.map(Verified::into_value).expect("the target's signature"))
        }
        _ => None,
    };
    effects.iter().filter_map(outcome).collect()
}

fn the_state(node: &Node, effects: &[Effect]) -> CommandState {
    let mut all = told(node, effects);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).state
}

fn progress(effects: &[Effect]) -> Vec<Progress> {
    let progress = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send {
            frame: CommandFrame::Progress { progress, .. },
            ..
        }) => Some(*progress),
        _ => None,
    };
    effects.iter().filter_map(progress).collect()
}

fn runs(effects: &[Effect]) -> Vec<Run> {
    let run = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Run(run)) => Some(run.as_ref().clone()),
        _ => None,
    };
    effects.iter().filter_map(run).collect()
}

fn the_run(effects: &[Effect]) -> Run {
    let mut all = runs(effects);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn ends(node: &mut Node, run: &Run, ending: Ending) -> Vec<Effect> {
    command(node, CommandInput::Ended { run: run.id, ending })
}

fn done() -> Ending {
    Ending::Done(b"true".to_vec())
}

/// What a write says of commands.
fn states(groups: &[Arc<VerifiedGroup>]) -> Vec<CommandState> {
    records(groups).into_iter().map(|record| record.state).collect()
}

fn records(groups: &[Arc<VerifiedGroup>]) -> Vec<CommandRecord> {
    let entries = groups.iter().flat_map(|group| group.entries());
    let record = |entry: &Vec<u8>| match codec::decode(entry, ENTRY_BYTES_MAX) {
        Ok(DataEntry::Command(record)) => Some(record),
        _ => None,
    };
    entries.filter_map(record).collect()
}

/// Carries a command up to its run.
fn begun(node: &mut Node, link: LinkId, call: &Call) -> Run {
    let (write, groups) = the_store(&arrives(node, link, call));
    the_run(&stored(node, write, &groups))
}

/// Carries a new command up to its run.
fn begins(node: &mut Node, link: LinkId, id: u8) -> Run {
    let call = call(node, id);
    begun(node, link, &call)
}

#[test]
fn a_command_is_on_the_disk_before_it_runs_and_its_outcome_before_it_is_told() {
    let (mut node, link) = serving();
    let call = call(&node, 1);
    let effects = arrives(&mut node, link, &call);
    assert_eq!(progress(&effects), [Progress::Received]);
    assert!(runs(&effects).is_empty(), "not before it is on the disk");
    let (write, groups) = the_store(&effects);
    assert_eq!(states(&groups), [CommandState::Accepted]);
    let effects = stored(&mut node, write, &groups);
    assert_eq!(progress(&effects), [Progress::Accepted]);
    let run = the_run(&effects);
    assert_eq!((run.caller, &run.arguments[..]), (key("right"), &b"17"[..]));
    let effects = ends(&mut node, &run, done());
    assert!(told(&node, &effects).is_empty(), "not before it is on the disk");
    let (write, groups) = the_store(&effects);
    let result = CommandState::Done { result: b"true".to_vec() };
    assert_eq!(states(&groups), std::slice::from_ref(&result));
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects), result);
}

#[test]
fn a_call_that_comes_again_is_answered_and_not_executed() {
    let (mut node, link) = serving();
    let call = call(&node, 1);
    let (write, groups) = the_store(&arrives(&mut node, link, &call));
    assert_eq!(progress(&arrives(&mut node, link, &call)), [Progress::Received]);
    let run = the_run(&stored(&mut node, write, &groups));
    assert_eq!(progress(&arrives(&mut node, link, &call)), [Progress::Accepted]);
    let (write, groups) = the_store(&ends(&mut node, &run, done()));
    stored(&mut node, write, &groups);
    for later in [Call { ttl_ms: 9000, ..call.clone() }, call] {
        let effects = arrives(&mut node, link, &later);
        assert_eq!(the_state(&node, &effects).name(), "done");
        assert!(runs(&effects).is_empty());
    }
    assert!(runs(&ends(&mut node, &run, done())).is_empty(), "a run ends once");
}

#[test]
fn one_id_stands_for_one_command_and_for_each_caller_by_itself() {
    let mut history = busy_plant();
    history.write("admin", admit("other", machine("other")));
    let mut node = Node::member("left", &history);
    node.wait(Duration::from_secs(4));
    serve(&mut node, "load", 2, false);
    let (link, other) = (node.link("right"), node.link("other"));
    let first = call(&node, 1);
    begun(&mut node, link, &first);
    let changed = Call { arguments: b"18".to_vec(), ..first.clone() };
    let effects = arrives(&mut node, link, &changed);
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::CommandIdTaken));
    let effects = arrives_from(&mut node, "other", other, &first, Ok(()));
    let (write, groups) = the_store(&effects);
    assert_eq!(the_run(&stored(&mut node, write, &groups)).caller, key("other"));
}

#[test]
fn what_was_begun_in_an_earlier_life_is_indeterminate_once_and_never_run_again() {
    let (mut node, link) = serving();
    let first = call(&node, 1);
    let (write, groups) = the_store(&arrives(&mut node, link, &first));
    stored(&mut node, write, &groups);
    let tip = groups[0].tip();
    let life = node.plant.view().incarnation;
    // Killed after the sync, before the program had answered.
    node.restart_holding(&[(key("left"), vec![tip])]);
    let effects = node.jump(Duration::from_secs(4));
    let asks = |effect: &Effect| matches!(effect, Effect::Command(CommandEffect::Recall));
    assert_eq!(effects.iter().filter(|effect| asks(effect)).count(), 1);
    serve(&mut node, "load", 1, false);
    let link = node.link("right");
    let again = call(&node, 1);
    let effects = arrives(&mut node, link, &again);
    assert_eq!(progress(&effects), [Progress::Received]);
    assert!(told(&node, &effects).is_empty(), "its log may say what became of it");
    let recorded = |record| Recorded { life, number: 1, entry: DataEntry::Command(record) };
    let records = records(&groups).into_iter().map(recorded).collect();
    let recalled = Recalled { records, is_last: true };
    let effects = command(&mut node, CommandInput::Recalled(recalled));
    let (write, groups) = the_store(&effects);
    assert_eq!(states(&groups), [CommandState::Indeterminate]);
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects), CommandState::Indeterminate);
    for call in [&again, &first] {
        let effects = arrives(&mut node, link, call);
        assert_eq!(the_state(&node, &effects), CommandState::Indeterminate);
    }
}

#[test]
fn a_call_for_an_earlier_life_is_answered_from_the_log_or_not_known() {
    let (mut node, link) = serving();
    let earlier = Incarnation([9; 16]);
    let issued = Moment { incarnation: earlier, tick_ms: 1_000_000 };
    let unknown = Call { issued, ..call(&node, 1) };
    let effects = arrives(&mut node, link, &unknown);
    assert_eq!(the_state(&node, &effects), CommandState::Indeterminate);
    let record = CommandRecord {
        id: CommandId([2; 16]),
        caller: key("right"),
        verb: unknown.verb.clone(),
        arguments: arguments_hash(&unknown.arguments),
        state: CommandState::Done { result: b"3".to_vec() },
        at: node.now().wall,
    };
    let entry = DataEntry::Command(record);
    let records = vec![Recorded { life: earlier, number: 1, entry }];
    let recalled = Recalled { records, is_last: false };
    command(&mut node, CommandInput::Recalled(recalled));
    let effects = arrives(&mut node, link, &Call { id: CommandId([2; 16]), ..unknown });
    assert_eq!(the_state(&node, &effects), CommandState::Done { result: b"3".to_vec() });
}

#[test]
fn a_command_whose_time_is_over_is_not_begun() {
    let (mut node, link) = serving();
    let late = call(&node, 1);
    node.wait(Duration::from_secs(5));
    let effects = arrives(&mut node, link, &late);
    assert_eq!(the_state(&node, &effects), CommandState::Expired);
    // While it waits for its place.
    let first = Call { ttl_ms: 60_000, ..call(&node, 2) };
    let run = begun(&mut node, link, &first);
    let waiting = call(&node, 3);
    arrives(&mut node, link, &waiting);
    let effects = node.wait(Duration::from_secs(6));
    assert_eq!(the_state(&node, &effects), CommandState::Expired);
    let (write, groups) = the_store(&ends(&mut node, &run, done()));
    assert!(runs(&stored(&mut node, write, &groups)).is_empty());
    // While it is written down.
    let slow = call(&node, 4);
    let (write, groups) = the_store(&arrives(&mut node, link, &slow));
    node.wait(Duration::from_secs(6));
    let effects = stored(&mut node, write, &groups);
    assert!(runs(&effects).is_empty());
    let (write, groups) = the_store(&effects);
    assert_eq!(states(&groups), [CommandState::Expired]);
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects), CommandState::Expired);
}

#[test]
fn what_is_for_another_machine_or_from_a_time_to_come_is_refused() {
    let (mut node, link) = serving();
    let fit = call(&node, 1);
    let later = Moment { tick_ms: fit.issued.tick_ms + 1, ..fit.issued };
    for wrong in [
        Call { target: key("registrar"), ..fit.clone() },
        Call { issued: later, ..fit.clone() },
        Call { ttl_ms: COMMAND_TTL_MS_MAX + 1, ..fit.clone() },
    ] {
        let effects = arrives(&mut node, link, &wrong);
        assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::CallMisdirected));
    }
    begun(&mut node, link, &fit);
}

#[test]
fn whoever_may_not_and_whatever_does_not_fit_is_refused_and_stays_refused() {
    let mut history = busy_plant();
    let roles = few(vec![Role::Observer]);
    history.write("admin", admit("panel", Terms { roles, ..machine("panel") }));
    let mut node = Node::member("left", &history);
    node.wait(Duration::from_secs(4));
    let (link, panel) = (node.link("right"), node.link("panel"));
    let unknown = call(&node, 1);
    let effects = arrives(&mut node, link, &unknown);
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::VerbUnknown));
    serve(&mut node, "load", 1, false);
    serve(&mut node, "state", 1, true);
    let effects = arrives(&mut node, link, &unknown);
    let state = the_state(&node, &effects);
    assert_eq!(state, CommandState::Refused(Refusal::VerbUnknown), "a copy on its way");
    let observed = call(&node, 2);
    let effects = arrives_from(&mut node, "panel", panel, &observed, Ok(()));
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::CallNotGranted));
    let query = Call { verb: "state".parse().expect("a name"), ..call(&node, 3) };
    let effects = arrives(&mut node, link, &query);
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::VerbKind));
    let long = Call { arguments: vec![b'1'; COMMAND_BYTES_MAX + 1], ..call(&node, 4) };
    let effects = arrives(&mut node, link, &long);
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::CommandTooLarge));
    let unfit = call(&node, 5);
    let effects = arrives_from(&mut node, "right", link, &unfit, Err("/: no part".to_owned()));
    let outcome = told(&node, &effects).remove(0);
    assert_eq!(outcome.state, CommandState::Refused(Refusal::ArgumentsUnfit));
    assert_eq!(outcome.detail, "/: no part");
}

#[test]
fn what_came_over_anothers_link_is_not_looked_at() {
    let (mut node, _) = serving();
    let other = node.link("registrar");
    let call = call(&node, 1);
    assert!(arrives_from(&mut node, "right", other, &call, Ok(())).is_empty());
}

#[test]
fn commands_have_their_places_in_the_order_in_which_they_came() {
    let (mut node, link) = serving_at_once(2);
    let first = begins(&mut node, link, 1);
    begins(&mut node, link, 2);
    for id in 3..=4 {
        let waits = call(&node, id);
        assert_eq!(progress(&arrives(&mut node, link, &waits)), [Progress::Received]);
    }
    let (write, groups) = the_store(&ends(&mut node, &first, done()));
    assert_eq!(states(&groups).len(), 2, "the outcome, and the next command: one sync");
    let run = the_run(&stored(&mut node, write, &groups));
    assert_eq!(run.command, Some(CommandId([3; 16])));
}

#[test]
fn too_many_of_one_caller_wait_in_vain() {
    let (mut node, link) = serving();
    begins(&mut node, link, 0);
    for number in 0..=u16::try_from(WAITING_PER_CALLER_MAX).expect("few") {
        let mut id = [0xaa; 16];
        id[..2].copy_from_slice(&number.to_le_bytes());
        let call = Call { id: CommandId(id), ..call(&node, 0) };
        let effects = arrives(&mut node, link, &call);
        let is_last = usize::from(number) == WAITING_PER_CALLER_MAX;
        assert_eq!(progress(&effects).is_empty(), is_last);
        if is_last {
            let state = the_state(&node, &effects);
            assert_eq!(state, CommandState::Refused(Refusal::CommandsFull));
        }
    }
}

#[test]
fn what_waits_for_a_program_that_goes_is_refused_and_what_it_did_not_end_is_not_known() {
    let (mut node, link) = serving();
    let run = begins(&mut node, link, 1);
    let waits = call(&node, 2);
    arrives(&mut node, link, &waits);
    let effects = command(&mut node, CommandInput::Withdraw { verb: waits.verb });
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::VerbUnknown));
    let (write, groups) = the_store(&ends(&mut node, &run, Ending::Lost));
    assert_eq!(states(&groups), [CommandState::Indeterminate]);
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects), CommandState::Indeterminate);
}

#[test]
fn a_run_that_nobody_ends_is_given_up() {
    let (mut node, link) = serving();
    begins(&mut node, link, 1);
    let effects = node.jump(RUN_WITHIN_MAX);
    let forgets = |effect: &Effect| matches!(effect, Effect::Command(CommandEffect::Forget { .. }));
    assert!(effects.iter().any(forgets));
    assert_eq!(states(&the_store(&effects).1), [CommandState::Indeterminate]);
}

#[test]
fn a_command_that_the_disk_does_not_take_is_not_executed() {
    let (mut node, link) = serving();
    let first = call(&node, 1);
    let (write, _) = the_store(&arrives(&mut node, link, &first));
    let cause = "no space".to_owned();
    let effects = node.feed(Input::Data(DataInput::StoreFailed { write, cause }));
    assert!(runs(&effects).is_empty());
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::NotStored));
    begins(&mut node, link, 2);
}

#[test]
fn an_outcome_that_the_disk_does_not_take_is_told_when_it_does() {
    let (mut node, link) = serving();
    let run = begins(&mut node, link, 1);
    let (write, _) = the_store(&ends(&mut node, &run, done()));
    let cause = "no space".to_owned();
    let effects = node.feed(Input::Data(DataInput::StoreFailed { write, cause }));
    assert!(told(&node, &effects).is_empty());
    let (write, groups) = the_store(&node.wait(Duration::from_millis(250)));
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects).name(), "done");
}

#[test]
fn a_log_that_is_full_takes_no_new_command_and_every_outcome() {
    let (mut node, link) = serving();
    let run = begins(&mut node, link, 1);
    let full = DataInput::Retained { author: key("left"), bytes: u64::MAX, held: None };
    node.feed(Input::Data(full));
    let refused = call(&node, 2);
    let effects = arrives(&mut node, link, &refused);
    assert_eq!(the_state(&node, &effects), CommandState::Refused(Refusal::NotReplicated));
    let (write, groups) = the_store(&ends(&mut node, &run, done()));
    let effects = stored(&mut node, write, &groups);
    assert_eq!(the_state(&node, &effects).name(), "done");
}

#[test]
fn an_answer_that_is_too_long_is_a_failure() {
    let (mut node, link) = serving();
    let run = begins(&mut node, link, 1);
    let ending = Ending::Done(vec![b'1'; COMMAND_BYTES_MAX + 1]);
    assert_eq!(states(&the_store(&ends(&mut node, &run, ending)).1)[0].name(), "failed");
}

#[test]
fn a_query_is_answered_without_a_trace() {
    let (mut node, link) = serving();
    serve(&mut node, "state", 1, true);
    let verb = "state".parse().expect("a name");
    let query = Query { number: 7, verb, arguments: b"null".to_vec(), ttl_ms: 1000 };
    let asks = |node: &mut Node, query: &Query| {
        command(node, CommandInput::Query { link, query: query.clone(), fit: Ok(()) })
    };
    let run = the_run(&asks(&mut node, &query));
    assert_eq!(run.command, None);
    let effects = ends(&mut node, &run, done());
    let writes = |effect: &Effect| matches!(effect, Effect::Data(DataEffect::Store { .. }));
    assert!(!effects.iter().any(writes));
    let answer = |effects: &[Effect]| match effects {
        [
            Effect::Command(CommandEffect::Send {
                frame: CommandFrame::Told { number, state, .. },
                ..
            }),
        ] => (*number, state.clone()),
        other => panic!("one answer was expected, not {other:?}"),
    };
    assert_eq!(answer(&effects), (7, CommandState::Done { result: b"true".to_vec() }));
    let command = Query { verb: "load".parse().expect("a name"), ..query };
    let refused = CommandState::Refused(Refusal::VerbKind);
    assert_eq!(answer(&asks(&mut node, &command)), (7, refused));
}

#[test]
fn verbs_are_told_to_whoever_is_linked_and_one_program_serves_each() {
    let (mut node, link) = serving();
    let effects = serve(&mut node, "press", 1, false);
    let told = |effect: &Effect| match effect {
        Effect::Command(CommandEffect::Send { link: to, frame: CommandFrame::Verbs(verbs) }) => {
            Some((*to, verbs.iter().map(|verb| verb.name.to_string()).collect::<Vec<_>>()))
        }
        _ => None,
    };
    let wanted = vec!["load".to_owned(), "press".to_owned()];
    assert_eq!(effects.iter().find_map(told), Some((link, wanted.clone())));
    let (other, effects) = node.link_with("registrar", |_| ());
    assert_eq!(effects.iter().find_map(told), Some((other, wanted)));
    let verb = Verb { name: "press".parse().expect("a name"), is_query: false, schema: Vec::new() };
    let service = Service {
        verb,
        at_once: 1,
        within: Duration::from_secs(1),
        resource: None,
        takes_work: false,
    };
    let ticket = node.ticket();
    let effects = command(&mut node, CommandInput::Serve { ticket, service });
    assert_eq!(answer(&effects), Answer::Refused(Refusal::VerbTaken));
}
