//! What a node answers to those who ask it to join and to follow.

use std::sync::Arc;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::PlantId;
use gearmesh_protocol::trust::{Reason, TrustRecord};

use super::*;
use crate::core::plant::roster::Roster;
use crate::core::plant::world::records::{admit, machine, offer, redeem, revoke};
use crate::core::plant::world::{Plant as History, key};

/// What is true at the node with the key of `role`.
pub(in crate::core::plant) fn view(role: &str, history: Option<&History>) -> View {
    let ledger = history.map(|history| Arc::new(history.ledger()));
    View {
        roster: ledger.as_ref().map(|ledger| Arc::new(Roster::of(ledger))),
        ledger,
        ..View::without_plant(key(role))
    }
}

/// A plant in which `press` is a member.
fn with_press() -> History {
    let mut history = History::at_work();
    history.write("registrar", redeem("press", "code", machine("press")));
    history
}

fn code(history: &History, seed: u8) -> Code {
    Code::new(&history.id, [seed; 16], &[])
}

fn refused<T>(answer: Result<T, ErrorBody>) -> Refusal {
    match answer {
        Ok(_) => panic!("it was not refused"),
        Err(body) => body.code,
    }
}

/// Why a filter may not be followed.
fn denied(view: &View, filter: &str) -> Option<Refusal> {
    may_follow(view, &filter.parse().expect("a filter")).err().map(|body| body.code)
}

#[test]
fn who_is_no_member_hears_why() {
    let blank = member(&view("press", None)).expect_err("no plant");
    assert_eq!(blank.code, Refusal::NotAMember);
    assert!(blank.error.contains("has not joined") && blank.mend.contains("join CODE"), "{blank}");

    let mut history = with_press();
    assert_eq!(member(&view("press", Some(&history))).map(Member::key), Ok(key("press")));
    assert_eq!(refused(member(&view("robot", Some(&history)))), Refusal::NotAMember);
    let mut told = view("press", Some(&history));
    told.refused_by = Some(Refusal::Revoked);
    assert_eq!(refused(member(&told)), Refusal::Revoked, "by those it dials");
    history.write("admin", revoke("press", Reason::Lost, &[]));
    assert_eq!(refused(member(&view("press", Some(&history)))), Refusal::Revoked, "by record");
}

#[test]
fn a_filter_that_can_bring_nothing_is_refused_at_once() {
    let mut history = History::at_work();
    let mut narrow = machine("press");
    narrow.subscribe = Bounded::first_of(["hall/+/temp".parse().expect("a filter")]);
    history.write("admin", admit("press", narrow));
    let press = view("press", Some(&history));
    for filter in ["hall/#", "hall/a/temp", "#", "+/a/+"] {
        assert_eq!(denied(&press, filter), None, "{filter}");
    }
    for filter in ["yard/#", "hall/a/b/temp", "hall/a", "+/a/rpm"] {
        assert_eq!(denied(&press, filter), Some(Refusal::SubscribeNotGranted), "{filter}");
    }
    for filter in ["Hall/#", "$SYS/#", "admin/#", "a b/c", "/x"] {
        assert_eq!(denied(&press, filter), Some(Refusal::FilterMatchesNothing), "{filter}");
    }
    assert_eq!(denied(&view("press", None), "#"), Some(Refusal::NotAMember));
}

#[test]
fn a_code_is_redeemed_by_a_node_without_a_plant_only() {
    let mut history = with_press();
    let (own, other) = (code(&history, 1), code(&history, 2));
    for code in [&own, &other] {
        let mut invitation = offer("code", "registrar", machine("robot"));
        invitation.key = code.id();
        history.write("admin", TrustRecord::Invitation(invitation));
    }
    let mut admission = redeem("robot", "code", machine("robot"));
    if let TrustRecord::Admission(admission) = &mut admission {
        admission.invitation = Some(own.id());
    }
    history.write("registrar", admission);

    assert!(joined_before(&view("robot", None), &own).is_none(), "it goes and redeems");
    assert!(joined_before(&view("packer", Some(&history)), &own).is_none(), "a member no more");
    let robot = view("robot", Some(&history));
    let answer = joined_before(&robot, &own).expect("an answer").expect("joined");
    assert_eq!((answer.name.as_str(), answer.again), ("robot", true));
    assert_eq!(refused(joined_before(&robot, &other).expect("one")), Refusal::AlreadyMember);
    let foreign = Code::new(&PlantId([9; 32]), [1; 16], &[]);
    let refusal = joined_before(&robot, &foreign).expect("one").expect_err("another plant");
    assert_eq!(refusal.code, Refusal::BelongsAlready);
    assert!(refusal.error.contains("\"Rossi\""), "{refusal}");
    history.write("admin", revoke("robot", Reason::Lost, &[]));
    let robot = view("robot", Some(&history));
    assert_eq!(refused(joined_before(&robot, &own).expect("one")), Refusal::Revoked);
}

#[test]
fn of_several_failures_the_most_telling_is_told() {
    let silent = |address: &str| Trial::Silent { address: address.to_owned(), cause: "hung up" };
    let said = |refusal| Trial::Refused(refusal);
    for (trials, told) in [
        (vec![silent("a"), said(Refusal::NotAdmitted)], Refusal::InvitationUnknown),
        (vec![said(Refusal::NotAdmitted), said(Refusal::NotTheRedeemer)], Refusal::NotTheRedeemer),
        (vec![said(Refusal::InvitationUsed), said(Refusal::OtherPlant)], Refusal::InvitationUsed),
        (vec![silent("a"), silent("b")], Refusal::RedeemerSilent),
        (Vec::new(), Refusal::RedeemerSilent),
    ] {
        assert_eq!(explain(&trials, &[]).code, told, "{trials:?}");
    }
    let both = explain(&[silent("192.0.2.1:7430"), silent("b")], &[]);
    assert_eq!(both.error, "the redeemer does not answer (192.0.2.1:7430: hung up; b: hung up)");
}

#[test]
fn whoever_does_not_know_an_invitation_is_named() {
    let silent = Trial::Silent { address: "a:1".to_owned(), cause: "hung up" };
    let asked = ["a:1", "b:1"].map(str::to_owned);
    for refusal in [Refusal::NotAdmitted, Refusal::InvitationUnknown] {
        let told = explain(&[silent.clone(), Trial::Refused(refusal)], &asked);
        assert_eq!(told.code, Refusal::InvitationUnknown);
        assert!(told.error.starts_with("the machine at b:1 does not know"), "{told}");
        assert!(told.mend.contains("check that b:1 is"), "{}", told.mend);
    }
}
