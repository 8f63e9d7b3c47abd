//! What a registrar may hand out: what the invitation says, to whom it says, and nothing else.

use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::limits::INVITATION_USES_MAX;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;
use gearmesh_protocol::trust::{Invitation, Reason, TrustRecord};

use super::super::Alarm;
use super::assert_members;
use crate::core::plant::world::records::{
    invite, machine, offer, redeem, registrar, revoke, withdraw,
};
use crate::core::plant::world::{Plant, few, first, key};

fn filters(texts: &[&str]) -> Vec<TopicFilter> {
    texts.iter().map(|text| text.parse().expect("a filter")).collect()
}

/// A machine's terms with two filters and an end, so that each part has something wider.
fn bounded_terms() -> Terms {
    let subscribe = few(filters(&["hall/#", "yard/+"]));
    Terms { subscribe, until: Some(UnixMillis(5_000)), ..machine("press") }
}

/// Whether a registrar that was to offer [`bounded_terms`] can hand out `handed` instead.
fn is_handed_out(handed: Terms) -> bool {
    let mut plant = Plant::at_work();
    plant.write("admin", invite("bounded", "registrar", bounded_terms()));
    plant.write("registrar", redeem("node", "bounded", handed));
    plant.roster().member(&key("node")).is_some()
}

#[test]
fn a_registrar_hands_out_what_the_invitation_offers_or_less() {
    assert!(is_handed_out(bounded_terms()));
    assert!(is_handed_out(Terms { subscribe: few(filters(&["hall/#"])), ..bounded_terms() }));
    assert!(is_handed_out(Terms { until: Some(UnixMillis(4_000)), ..bounded_terms() }));
    assert!(is_handed_out(Terms { roles: few(vec![]), ..bounded_terms() }));
}

#[test]
fn a_registrar_widens_no_part_of_the_terms() {
    let terms = bounded_terms;
    let name = "robot".parse().expect("a name");
    assert!(!is_handed_out(Terms { name, ..terms() }), "another name");
    let scope = "hall".parse().ok();
    assert!(!is_handed_out(Terms { scope, ..terms() }), "another scope");
    assert!(!is_handed_out(Terms { scope: None, ..terms() }), "no scope");
    let roles = few(vec![Role::Machine, Role::Gateway]);
    assert!(!is_handed_out(Terms { roles, ..terms() }), "one more role");
    let roles = few(vec![Role::Observer]);
    assert!(!is_handed_out(Terms { roles, ..terms() }), "another role");
    let subscribe = few(filters(&["hall/#", "office/#"]));
    assert!(!is_handed_out(Terms { subscribe, ..terms() }), "another filter");
    assert!(!is_handed_out(Terms { subscribe: few(vec![]), ..terms() }), "no filter: all");
    let until = Some(UnixMillis(5_001));
    assert!(!is_handed_out(Terms { until, ..terms() }), "a later end");
    assert!(!is_handed_out(Terms { until: None, ..terms() }), "no end");
}

#[test]
fn a_registrar_redeems_no_invitation_of_another() {
    let mut plant = Plant::at_work();
    plant.write("admin", registrar("other"));
    plant.write("other", redeem("node", "code", machine("press")));
    plant.write("registrar", redeem("guest", "no-such-code", machine("press")));
    let roster = plant.roster();
    assert_members(&roster, &[]);
    assert!(roster.invitations()[&key("code")].redeemed.is_empty());
}

#[test]
fn nobody_redeems_without_being_a_registrar() {
    let mut plant = Plant::at_work();
    plant.write("admin", invite("code-2", "node", machine("robot")));
    plant.write("admin", invite("code-3", "admin", machine("robot")));
    plant.write("registrar", redeem("node", "code", machine("press")));
    plant.write("node", redeem("guest", "code-2", machine("robot")));
    plant.write("admin", redeem("visitor", "code-3", machine("robot")));
    assert_members(&plant.roster(), &["node"]);
}

#[test]
fn an_invitation_bound_to_a_key_admits_that_key_alone() {
    let mut plant = Plant::at_work();
    let bound = offer("bound", "registrar", machine("robot"));
    let bound = Invitation { bound_to: Some(key("robot")), ..bound };
    plant.write("admin", TrustRecord::Invitation(bound));
    plant.write("registrar", redeem("thief", "bound", machine("robot")));
    assert_members(&plant.roster(), &[]);
    plant.write("registrar", redeem("robot", "bound", machine("robot")));
    assert_members(&plant.roster(), &["robot"]);
}

#[test]
fn an_invitation_for_no_uses_or_too_many_is_none() {
    for (uses, stands) in
        [(0, false), (1, true), (INVITATION_USES_MAX, true), (INVITATION_USES_MAX + 1, false)]
    {
        let mut plant = Plant::at_work();
        let unsound = Invitation { uses, ..offer("odd", "registrar", machine("robot")) };
        plant.write("admin", TrustRecord::Invitation(unsound));
        plant.write("registrar", redeem("robot", "odd", machine("robot")));
        let roster = plant.roster();
        assert_eq!(roster.member(&key("robot")).is_some(), stands, "{uses} uses");
        assert_eq!(roster.invitations().contains_key(&key("odd")), stands, "{uses} uses");
    }
}

#[test]
fn a_withdrawn_invitation_keeps_the_redemptions_before_its_cut() {
    let mut plant = Plant::at_work();
    let early = plant.write("registrar", redeem("early", "code", machine("press")));
    plant.write("registrar", redeem("late", "code", machine("press")));
    plant.write("admin", invite("code-2", "registrar", machine("robot")));
    plant.write("registrar", redeem("robot", "code-2", machine("robot")));
    plant.write("admin", withdraw("code", &[&early]));
    let roster = plant.roster();
    assert_members(&roster, &["early", "robot"]);
    let invited = &roster.invitations()[&key("code")];
    assert!(invited.is_revoked);
    assert_eq!(invited.redeemed.get(&key("early")), Some(&first(&early)));
    assert!(!invited.redeemed.contains_key(&key("late")));
    assert!(roster.revoked().is_empty(), "withdrawing an invitation throws no key out");
}

#[test]
fn several_withdrawals_keep_what_all_of_them_keep() {
    let mut plant = Plant::at_work();
    let early = plant.write("registrar", redeem("early", "code", machine("press")));
    let late = plant.write("registrar", redeem("late", "code", machine("press")));
    plant.write("admin", withdraw("code", &[&late]));
    assert_members(&plant.roster(), &["early", "late"]);
    plant.write("root", withdraw("code", &[&early]));
    assert_members(&plant.roster(), &["early"]);
}

#[test]
fn registrars_withdraw_no_invitations() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("registrar", withdraw("code", &[]));
    assert_members(&plant.roster(), &["press"]);
    assert!(!plant.roster().invitations()[&key("code")].is_revoked);
}

#[test]
fn admissions_beyond_the_uses_all_stand_with_an_alarm() {
    let mut plant = Plant::at_work();
    let nodes = ["press-1", "press-2", "press-3", "press-4"];
    for node in &nodes[..3] {
        plant.write("registrar", redeem(node, "code", machine("press")));
    }
    let alarm = Alarm::InvitationOverused { invitation: key("code") };
    assert!(!plant.roster().alarms().contains(&alarm));
    plant.write("registrar", redeem(nodes[3], "code", machine("press")));
    assert_members(&plant.roster(), &nodes);
    assert!(plant.roster().alarms().contains(&alarm));
}

#[test]
fn a_revoked_key_has_used_its_invitation_up() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.write("admin", revoke("press", Reason::Lost, &[]));
    assert!(plant.roster().invitations()[&key("code")].redeemed.contains_key(&key("press")));
}

#[test]
fn of_two_invitations_with_one_key_the_lowest_record_is_the_invitation() {
    let mut plant = Plant::at_work();
    let one = plant.write("admin", invite("twice", "registrar", machine("one")));
    let two = plant.write("admin", invite("twice", "registrar", machine("two")));
    let (record, name) =
        if first(&one) < first(&two) { (first(&one), "one") } else { (first(&two), "two") };
    plant.write("registrar", redeem("node-1", "twice", machine("one")));
    plant.write("registrar", redeem("node-2", "twice", machine("two")));
    let roster = plant.roster();
    assert_eq!(roster.invitations()[&key("twice")].record, record);
    assert_eq!(roster.members().len(), 1);
    assert!(roster.members().values().all(|member| member.name().as_str() == name));
}
