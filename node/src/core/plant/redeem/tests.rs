//! Every answer a registrar may give, and which of several reasons comes first.

use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::trust::{Invitation, Reason};

use super::*;
use crate::core::plant::world::records::{
    EXPIRES, admit, amend, invite, machine, offer, redeem, registrar, revoke, withdraw,
};
use crate::core::plant::world::{FOUNDED, Plant, first, key};

const NOW: UnixMillis = UnixMillis(FOUNDED + 500);
const LATE: UnixMillis = UnixMillis(EXPIRES);

fn asks_at(
    plant: &Plant,
    redeemer: &str,
    now: UnixMillis,
    (joiner, code): (&str, &str),
) -> Result<Decision, Refusal> {
    let asked = Redemption { invitation: key(code), joiner: key(joiner) };
    decide(&plant.roster(), &key(redeemer), now, &asked)
}

/// What `registrar` answers to `joiner`, who holds `code`.
fn asks(plant: &Plant, joiner: &str) -> Result<Decision, Refusal> {
    asks_at(plant, "registrar", NOW, (joiner, "code"))
}

fn stands(record: RecordId) -> Result<Decision, Refusal> {
    Ok(Decision::Stands(record))
}

/// A plant whose invitation `code` is what `change` makes of it.
fn inviting(change: impl FnOnce(&mut Invitation)) -> Plant {
    let mut plant = Plant::with_one_root();
    plant.write("root", registrar("registrar"));
    let mut invitation = offer("code", "registrar", machine("press"));
    change(&mut invitation);
    plant.write("root", TrustRecord::Invitation(invitation));
    plant
}

#[test]
fn a_joiner_is_admitted_with_the_terms_of_the_invitation_and_then_stands() {
    let until = Some(UnixMillis(9_000));
    let terms = Terms { until, ..machine("press") };
    let mut plant = inviting(|invitation| invitation.terms = terms.clone());
    let Ok(Decision::Admit(entry)) = asks(&plant, "press") else { panic!("it is admitted") };
    assert_eq!(entry.at, NOW);
    let TrustRecord::Admission(admission) = &entry.record else { panic!("an admission") };
    assert_eq!((admission.node, admission.invitation), (key("press"), Some(key("code"))));
    assert_eq!(admission.terms, terms);
    let written = plant.write("registrar", entry.record);
    assert_eq!(plant.roster().member(&key("press")).and_then(|m| m.until()), until);
    assert_eq!(asks(&plant, "press"), stands(first(&written)));
}

#[test]
fn an_unknown_invitation_is_refused() {
    let answer = asks_at(&Plant::at_work(), "registrar", NOW, ("press", "no-such-code"));
    assert_eq!(answer, Err(Refusal::InvitationUnknown));
}

#[test]
fn an_unsound_invitation_is_unknown() {
    let plant = inviting(|invitation| invitation.uses = 0);
    assert_eq!(asks(&plant, "press"), Err(Refusal::InvitationUnknown));
}

#[test]
fn only_the_redeemer_redeems_and_only_while_it_is_a_registrar() {
    let mut plant = Plant::at_work();
    plant.write("admin", registrar("other"));
    for redeemer in ["other", "admin", "root", "stranger"] {
        let answer = asks_at(&plant, redeemer, NOW, ("press", "code"));
        assert_eq!(answer, Err(Refusal::NotTheRedeemer), "{redeemer}");
    }
    let admitted = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", revoke("registrar", Reason::Retired, &[&admitted]));
    assert_eq!(asks(&plant, "press"), Err(Refusal::NotTheRedeemer));
    assert_eq!(asks(&plant, "robot"), Err(Refusal::NotTheRedeemer));
}

#[test]
fn an_invitation_ends_at_its_end_by_the_redeemers_clock() {
    let plant = Plant::at_work();
    let at = |now| asks_at(&plant, "registrar", UnixMillis(now), ("press", "code"));
    assert!(at(EXPIRES - 1).is_ok());
    assert_eq!(at(EXPIRES), Err(Refusal::InvitationExpired));
    assert_eq!(at(EXPIRES + 1), Err(Refusal::InvitationExpired));
}

#[test]
fn a_clock_that_is_behind_keeps_no_invitation_open() {
    let mut plant = Plant::at_work();
    plant.at(EXPIRES - 1).write("admin", admit("robot", machine("robot")));
    assert!(asks_at(&plant, "registrar", UnixMillis(0), ("press", "code")).is_ok());
    plant.at(EXPIRES).write("admin", admit("crane", machine("crane")));
    let answer = asks_at(&plant, "registrar", UnixMillis(0), ("press", "code"));
    assert_eq!(answer, Err(Refusal::InvitationExpired));
}

#[test]
fn an_invitation_is_used_up_by_other_keys() {
    let mut plant = inviting(|invitation| invitation.uses = 2);
    plant.write("registrar", redeem("press-1", "code", machine("press")));
    assert!(asks(&plant, "press-2").is_ok());
    plant.write("registrar", redeem("press-2", "code", machine("press")));
    assert_eq!(asks(&plant, "press-3"), Err(Refusal::InvitationUsed));
    plant.write("root", revoke("press-1", Reason::Lost, &[]));
    assert_eq!(asks(&plant, "press-3"), Err(Refusal::InvitationUsed), "a use is not given back");
}

#[test]
fn an_invitation_bound_to_a_key_is_refused_to_others() {
    let plant = inviting(|invitation| invitation.bound_to = Some(key("press")));
    assert_eq!(asks(&plant, "thief"), Err(Refusal::InvitationBound));
    assert!(asks(&plant, "press").is_ok());
}

#[test]
fn a_withdrawn_invitation_is_refused() {
    let mut plant = Plant::at_work();
    plant.write("admin", withdraw("code", &[]));
    assert_eq!(asks(&plant, "press"), Err(Refusal::InvitationRevoked));
}

#[test]
fn who_is_a_member_or_signs_for_the_plant_needs_no_invitation() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("robot", machine("robot")));
    plant.write("admin", admit("registrar", machine("registrar")));
    for joiner in ["robot", "registrar", "admin", "root"] {
        assert_eq!(asks(&plant, joiner), Err(Refusal::AlreadyMember), "{joiner}");
    }
}

#[test]
fn a_name_or_scope_that_another_member_has_by_now_is_refused() {
    let called = |name: &str, scope: &str| Terms {
        scope: Some(scope.parse().expect("a scope")),
        ..machine(name)
    };
    for (name, scope, is_taken) in [
        ("press", "elsewhere", true),
        ("robot", "press", true),
        ("robot", "press/left", true),
        ("robot", "press-2", false),
    ] {
        let mut plant = Plant::at_work();
        plant.write("admin", admit("other", called(name, scope)));
        let refused = asks(&plant, "press").err();
        assert_eq!(refused, is_taken.then_some(Refusal::NameOrScopeTaken), "{name}, {scope}");
        plant.write("admin", revoke("other", Reason::Replaced, &[]));
        assert!(asks(&plant, "press").is_ok(), "who is no member any more has no name");
    }
}

#[test]
fn a_scope_within_that_of_a_member_is_taken_too_and_nobody_has_no_scope() {
    let inner = Some("hall/press".parse().expect("a scope"));
    let mut plant = inviting(|invitation| invitation.terms.scope = inner);
    plant.write("root", admit("other", machine("hall")));
    assert_eq!(asks(&plant, "press"), Err(Refusal::NameOrScopeTaken));

    let mut plant = inviting(|invitation| invitation.terms.scope = None);
    plant.write("root", admit("other", Terms { scope: None, ..machine("panel") }));
    assert!(asks(&plant, "press").is_ok());
}

#[test]
fn who_was_admitted_before_its_name_was_taken_stands() {
    let mut plant = Plant::at_work();
    let admitted = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", admit("other", machine("press")));
    assert_eq!(asks(&plant, "press"), stands(first(&admitted)));
}

#[test]
fn an_invitation_for_several_machines_of_one_name_admits_them() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    assert!(asks(&plant, "press-2").is_ok(), "that is what its admin signed");
    plant.write("admin", invite("code-2", "registrar", machine("press")));
    let other = asks_at(&plant, "registrar", NOW, ("press-2", "code-2"));
    assert_eq!(other, Err(Refusal::NameOrScopeTaken));
}

#[test]
fn a_root_key_that_does_not_act_alone_is_not_admitted_either() {
    let mut plant = Plant::with_three_roots();
    plant.write("admin", registrar("registrar"));
    plant.write("admin", invite("code", "registrar", machine("press")));
    assert_eq!(asks(&plant, "root-3"), Err(Refusal::AlreadyMember));
}

#[test]
fn a_revoked_key_is_told_so_before_anything_else() {
    let mut plant = Plant::at_work();
    let admitted = plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", revoke("press", Reason::Lost, &[]));
    plant.write("admin", withdraw("code", &[&admitted]));
    for (redeemer, code) in
        [("registrar", "code"), ("registrar", "no-such-code"), ("other", "code")]
    {
        let answer = asks_at(&plant, redeemer, LATE, ("press", code));
        assert_eq!(answer, Err(Refusal::Revoked), "{redeemer}, {code}");
    }
}

#[test]
fn who_asks_again_stands_whatever_became_of_the_invitation() {
    let mut plant = inviting(|invitation| invitation.uses = 1);
    let admitted = plant.write("registrar", redeem("press", "code", machine("press")));
    let again = |plant: &Plant, now| asks_at(plant, "registrar", now, ("press", "code"));
    assert_eq!(again(&plant, NOW), stands(first(&admitted)), "used up");
    assert_eq!(again(&plant, LATE), stands(first(&admitted)), "expired");
    plant.write("root", amend("press", first(&admitted), machine("robot")));
    assert_eq!(again(&plant, LATE), stands(first(&admitted)), "amended");
    plant.write("root", withdraw("code", &[&admitted]));
    assert_eq!(again(&plant, LATE), stands(first(&admitted)), "withdrawn after its admission");
}

#[test]
fn an_admission_beyond_the_withdrawal_does_not_stand() {
    let mut plant = Plant::at_work();
    let early = plant.write("registrar", redeem("early", "code", machine("press")));
    plant.write("registrar", redeem("late", "code", machine("press")));
    plant.write("admin", withdraw("code", &[&early]));
    assert_eq!(asks(&plant, "early"), stands(first(&early)));
    assert_eq!(asks(&plant, "late"), Err(Refusal::InvitationRevoked));
}

#[test]
fn reasons_have_an_order() {
    // Each line takes away the reason that came first in the line before.
    let all = |change: fn(&mut Invitation)| {
        let mut plant = inviting(|invitation| {
            (invitation.uses, invitation.bound_to) = (1, Some(key("press")));
            change(invitation);
        });
        plant.write("registrar", redeem("press", "code", machine("press")));
        plant.write("registrar", redeem("other", "code", machine("press")));
        plant.write("root", admit("robot", machine("robot")));
        plant
    };
    let late = |plant: &Plant| asks_at(plant, "registrar", LATE, ("robot", "code"));
    let mut withdrawn = all(|_| ());
    let kept = withdrawn.roster().invitations()[&key("code")].redeemed.len();
    assert_eq!(kept, 1, "the other key was not the one that it was bound to");
    withdrawn.write("root", withdraw("code", &[]));
    assert_eq!(late(&withdrawn), Err(Refusal::InvitationRevoked));
    assert_eq!(late(&all(|_| ())), Err(Refusal::InvitationBound));
    assert_eq!(late(&all(|i| i.bound_to = None)), Err(Refusal::InvitationUsed));
    let roomy = |i: &mut Invitation| (i.bound_to, i.uses) = (None, 9);
    assert_eq!(late(&all(roomy)), Err(Refusal::InvitationExpired));
    assert_eq!(asks(&all(roomy), "robot"), Err(Refusal::AlreadyMember));
    assert!(asks(&all(roomy), "crane").is_ok());
}
