//! What partners have done at each other's: only what the sheet names, once, and in time.

use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::entry::{CommandState, PartnerEvent};
use gearmesh_protocol::ids::CommandId;
use gearmesh_protocol::partner::{Direction, Terms};
use gearmesh_protocol::partner_call::{PartnerCall, PartnerProgress};
use gearmesh_protocol::partner_local::PartnerCalled;
use gearmesh_protocol::refusal::Refusal;

use super::super::*;
use super::stage::{Stage, line, local, terms, value};

/// An agreement under which company 1 may call `order` at company 0.
fn serving(stage: &mut Stage, confirm: bool) -> SheetId {
    let order = "order".parse().expect("a name");
    stage.agreed_on(Terms {
        verbs: Bounded::try_from(vec![order]).expect("one"),
        confirm_at_machine: confirm,
        ..terms(Vec::new())
    })
}

fn call(stage: &mut Stage, id: u8, verb: &str) -> Answer {
    let wish = CallWish {
        name: "stock".parse().expect("a name"),
        verb: verb.parse().expect("a name"),
        arguments: b"17".to_vec(),
        id: CommandId([id; 16]),
        ttl: Duration::from_secs(5),
    };
    stage.wish(1, Wish::Call(wish))
}

fn called(stage: &mut Stage, id: u8) -> PartnerCalled {
    match call(stage, id, "order") {
        Answer::Called(called) => called,
        other => panic!("{other:?}"),
    }
}

/// What the bridge of company 0 carries out now.
fn begun(stage: &mut Stage, sheet: SheetId) -> Vec<u64> {
    let (now, mut numbers) = (stage.now(), Vec::new());
    while let Some(ready) = stage.companies[0].core.next_called(now, &sheet) {
        numbers.push(ready.number);
        let effects = stage.companies[0].core.begin_call(now, &sheet, ready.number);
        stage.carry_out(0, effects);
    }
    numbers
}

fn done(stage: &mut Stage, sheet: SheetId, number: u64) {
    let ended = Some((CommandState::Done { result: b"7".to_vec() }, String::new()));
    stage.give(0, Input::CallOver { sheet, number, ended });
}

#[test]
fn a_call_is_carried_out_once_whatever_is_lost() {
    let mut stage = Stage::new(2);
    let sheet = serving(&mut stage, false);
    assert_eq!(called(&mut stage, 1).number, 0);
    assert_eq!(begun(&mut stage, sheet), [0]);
    assert_eq!(called(&mut stage, 1).progress, Some(PartnerProgress::Begun));
    for who in [0, 1] {
        stage.restart(who);
        stage.pass(Duration::from_secs(2));
        assert!(called(&mut stage, 1).state.is_none(), "nobody knows yet");
        assert!(begun(&mut stage, sheet).is_empty(), "it is not begun again");
    }
    let now = stage.now();
    let recalled = stage.companies[0].core.calls_to_recall(now, &sheet);
    assert_eq!(recalled.len(), 1, "the plant is asked what became of it");
    assert_eq!((recalled[0].0, &recalled[0].2[..]), (0, &b"17"[..]));
    done(&mut stage, sheet, 0);
    let state = called(&mut stage, 1).state;
    assert_eq!(state, Some(CommandState::Done { result: b"7".to_vec() }));
    stage.restart(0);
    stage.restart(1);
    stage.pass(Duration::from_secs(2));
    let _asked_again = called(&mut stage, 1);
    assert!(called(&mut stage, 1).state.is_some() && begun(&mut stage, sheet).is_empty());
    assert_eq!(called(&mut stage, 2).number, 1, "numbers go on");
}

#[test]
fn what_the_sheet_does_not_name_is_not_carried_out_even_if_it_is_signed() {
    let mut stage = Stage::new(2);
    let sheet = serving(&mut stage, false);
    let refused = call(&mut stage, 1, "other");
    assert!(matches!(refused, Answer::Refused(it) if it.code == Refusal::VerbNotAgreed));
    let (now, session) = (stage.now(), *stage.sessions.keys().next().expect("a session"));
    let (partner, plant) = (stage.companies[1].gateway.clone(), stage.companies[0].plant);
    let give = |stage: &mut Stage, key: &SigningKey, number, verb: &str, incarnation| {
        let tick_ms = u64::try_from(now.tick.as_millis()).expect("not that long");
        let issued = gearmesh_protocol::command::Moment { incarnation, tick_ms };
        let (id, ttl_ms) = (CommandId([9; 16]), 5_000);
        let verb = verb.parse().expect("a name");
        let call = PartnerCall { sheet, number, id, issued, ttl_ms, verb, arguments: Vec::new() };
        let frame = Box::new(SessionFrame::Call(Signed::sign(key, &plant, &call)));
        stage.give(0, Input::Frame { session, frame });
    };
    let life = Incarnation([1; 16]);
    let stranger = SigningKey::from_bytes(&[77; 32]);
    give(&mut stage, &partner, 40, "other", life);
    give(&mut stage, &stranger, 41, "order", life);
    give(&mut stage, &partner, 42, "order", Incarnation([8; 16]));
    assert!(begun(&mut stage, sheet).is_empty());
    give(&mut stage, &partner, 43, "order", life);
    assert_eq!(begun(&mut stage, sheet), [43], "the same in order is");
    give(&mut stage, &partner, 43, "order", life);
    assert!(begun(&mut stage, sheet).is_empty(), "once");
    stage.pass(Duration::from_secs(1));
    let refusals = stage.companies[0].acts.iter().filter_map(|act| match &act.event {
        PartnerEvent::Refused { refusal, count, .. } => Some((*refusal, *count)),
        _ => None,
    });
    assert_eq!(refusals.collect::<Vec<_>>(), [(Refusal::VerbNotAgreed, 1)]);
}

#[test]
fn a_flood_of_calls_is_refused_beyond_a_bound() {
    let mut stage = Stage::new(2);
    let sheet = serving(&mut stage, true);
    let answers: Vec<Answer> = (0..40).map(|id| call(&mut stage, id, "order")).collect();
    let taken = answers.iter().filter(|it| matches!(it, Answer::Called(_))).count();
    assert_eq!((taken, stage.status(0).requests.len()), (calling::OPEN_MAX, serving::OPEN_MAX));
    assert!(begun(&mut stage, sheet).is_empty(), "a person allows each");
    let name: Name = "orders".parse().expect("a name");
    let number = 3;
    let allowed = stage.wish(0, Wish::Allow { name: name.clone(), number, allow: true });
    assert!(matches!(allowed, Answer::Done), "{allowed:?}");
    assert_eq!(begun(&mut stage, sheet), [3]);
    let twice = stage.wish(0, Wish::Allow { name, number, allow: true });
    assert!(matches!(twice, Answer::Refused(it) if it.code == Refusal::CallNotWaiting));
    stage.pass(Duration::from_secs(6));
    assert!(stage.status(0).requests.is_empty(), "the others' time is over");
    assert_eq!(called(&mut stage, 7).state, Some(CommandState::Expired));
}

#[test]
fn a_new_sheet_goes_on_where_the_old_one_ends() {
    let mut stage = Stage::new(2);
    let first = stage.agreed();
    stage.export(0, first, vec![value("output", 1)]);
    assert_eq!(stage.received(1, first), [1]);
    stage.cut();
    stage.export(0, first, vec![value("output", 2)]);
    stage.is_connected = true;
    let (to, amended) = ("Acme".parse().expect("a title"), vec![line(Direction::Export, "parts")]);
    let signer = stage.companies[0].signer("Rossi");
    let open_until = stage.now().wall.plus_ms(1000);
    let local_of = local("orders", "acme", &[("parts", "hall/+/count")]);
    let draft = Wish::Draft {
        signer,
        to,
        terms: terms(amended),
        open_until,
        local: local_of,
        onto: Onto::Amends,
    };
    let Answer::Draft { proposal, .. } = stage.wish(0, draft) else { panic!("a draft") };
    let company = &stage.companies[0];
    let signed = Signed::sign(&company.admin, &company.plant, proposal.as_ref());
    assert!(matches!(stage.wish(0, Wish::Propose { signed }), Answer::Kept(_)));
    stage.links.insert(proposal.link, 0);
    let words = stage.accept(1, (proposal.share, proposal.link), local("x", "y", &[]));
    let (same, second) = stage.confirm(0, "orders");
    assert_eq!(words, same);
    stage.export(0, second, vec![value("parts", 3)]);
    stage.restart(1);
    stage.restart(0);
    stage.pass(Duration::from_secs(3));
    let mut came = Vec::new();
    while let Some((under, entries)) = stage.companies[1].core.next_received(&second) {
        came.extend(entries.iter().map(|entry| (under, entry.alias.to_string())));
        stage.give(1, Input::Delivered { sheet: second });
    }
    assert_eq!(came, [(first, "output".to_owned()), (second, "parts".to_owned())]);
    stage.export(0, first, vec![value("output", 9)]);
    assert!(stage.companies[1].core.next_received(&second).is_none(), "the old one is void");
    let name = &stage.status(1).agreements[0].name;
    assert_eq!(name.as_str(), "stock", "it keeps its name");
    assert_eq!(stage.status(1).agreements.len(), 1);
}
