//! Since when, until when, and under which record a key acts.

use gearmesh_protocol::grant::Terms;
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::trust::Reason;

use crate::core::plant::world::records::{
    admin, admit, amend, machine, redeem, registrar, revoke, revoke_wholly,
};
use crate::core::plant::world::{FOUNDED, Plant, first, key};

#[test]
fn the_clocks_floor_is_the_newest_time_in_a_valid_admin_record() {
    let mut plant = Plant::with_one_root();
    assert_eq!(plant.roster().time_floor(), UnixMillis(FOUNDED));
    plant.at(2_000).write("root", admin("admin"));
    assert_eq!(plant.roster().time_floor(), UnixMillis(2_000));
    let good = plant.at(3_000).write("admin", registrar("registrar"));
    plant.at(50_000).write("registrar", admit("node", machine("robot")));
    assert_eq!(plant.roster().time_floor(), UnixMillis(3_000), "a registrar's clock is its own");
    plant.at(90_000).write("admin", admit("node", machine("robot")));
    assert_eq!(plant.roster().time_floor(), UnixMillis(90_000));
    plant.at(4_000).write("root", revoke("admin", Reason::Compromised, &[&good]));
    assert_eq!(plant.roster().time_floor(), UnixMillis(4_000), "a cut lowers the floor");
}

#[test]
fn an_act_of_the_root_raises_the_floor() {
    let mut plant = Plant::with_three_roots();
    plant.at(7_000).act(&["root-1", "root-3"], registrar("registrar"));
    assert_eq!(plant.roster().time_floor(), UnixMillis(7_000));
    plant.at(9_000).write("root-1", registrar("registrar"));
    assert_eq!(plant.roster().time_floor(), UnixMillis(7_000), "a root key alone says nothing");
}

#[test]
fn a_membership_ends_at_its_end_by_a_clock_that_is_never_behind_the_floor() {
    let mut plant = Plant::at_work();
    let terms = Terms { until: Some(UnixMillis(5_000)), ..machine("robot") };
    plant.write("admin", admit("node", terms));
    let roster = plant.roster();
    let is_member = |now| roster.member_at(&key("node"), UnixMillis(now)).is_some();
    assert_eq!([0, 4_999, 5_000, 5_001].map(is_member), [true, true, false, false]);
    assert!(roster.member(&key("node")).is_some(), "ended, and known");
    plant.at(5_000).write("admin", registrar("other"));
    let roster = plant.roster();
    assert!(roster.member_at(&key("node"), UnixMillis(0)).is_none(), "the floor has passed it");
}

#[test]
fn a_membership_without_an_end_has_none() {
    let mut plant = Plant::at_work();
    plant.write("admin", admit("node", machine("robot")));
    assert!(plant.roster().member_at(&key("node"), UnixMillis(u64::MAX)).is_some());
    assert!(plant.roster().member_at(&key("stranger"), UnixMillis(0)).is_none());
}

#[test]
fn an_amendment_prolongs_a_membership() {
    let mut plant = Plant::at_work();
    let until = |end| Terms { until: Some(UnixMillis(end)), ..machine("robot") };
    let admitted = plant.write("admin", admit("node", until(5_000)));
    plant.write("admin", amend("node", first(&admitted), until(9_000)));
    let roster = plant.roster();
    assert!(roster.member_at(&key("node"), UnixMillis(8_999)).is_some());
    assert!(roster.member_at(&key("node"), UnixMillis(9_000)).is_none());
}

#[test]
fn everybody_acts_under_the_record_that_lets_it() {
    let mut plant = Plant::with_one_root();
    let of_admin = plant.write("root", admin("admin"));
    let of_registrar = plant.write("admin", registrar("registrar"));
    let root = Some(RecordId(plant.id.0));
    let acts = |plant: &Plant, role: &str| plant.roster().acting_under(&key(role));
    assert_eq!(acts(&plant, "root"), root);
    assert_eq!(acts(&plant, "admin"), Some(first(&of_admin)));
    assert_eq!(acts(&plant, "registrar"), Some(first(&of_registrar)));
    let member = plant.write("admin", admit("registrar", machine("press")));
    assert_eq!(acts(&plant, "registrar"), Some(first(&member)), "its membership comes first");
    let amended = plant.write("admin", amend("registrar", first(&member), machine("robot")));
    assert_eq!(acts(&plant, "registrar"), Some(first(&amended)));
    assert_eq!(acts(&plant, "stranger"), None);
    plant.write("root", revoke("admin", Reason::Retired, &[&amended]));
    plant.write("root", revoke_wholly("registrar"));
    assert_eq!((acts(&plant, "admin"), acts(&plant, "registrar")), (None, None));
}

#[test]
fn a_revocation_remembers_name_and_earliest_time() {
    let mut plant = Plant::at_work();
    plant.write("registrar", redeem("press", "code", machine("press")));
    plant.at(6_000).write("admin", revoke("press", Reason::Lost, &[]));
    plant.at(5_000).write("root", revoke("press", Reason::Retired, &[]));
    let roster = plant.roster();
    let revoked = &roster.revoked()[&key("press")];
    assert_eq!(revoked.name.as_ref().map(|name| name.as_str()), Some("press"));
    assert_eq!((revoked.at, revoked.reason), (UnixMillis(5_000), Reason::Lost));
}

#[test]
fn of_several_delegations_of_one_key_the_lowest_record_is_the_one_it_acts_under() {
    let mut plant = Plant::with_one_root();
    for role in ["admin", "registrar"] {
        let delegation = || if role == "admin" { admin(role) } else { registrar(role) };
        let records: Vec<RecordId> =
            (0..8).map(|_| first(&plant.write("root", delegation()))).collect();
        let lowest = records.into_iter().min();
        assert_eq!(plant.roster().acting_under(&key(role)), lowest, "{role}");
    }
}

#[test]
fn a_member_took_the_place_of_those_that_were_replaced_under_its_name() {
    let mut plant = Plant::at_work();
    for (node, reason) in
        [("old", Reason::Replaced), ("older", Reason::Replaced), ("stolen", Reason::Compromised)]
    {
        plant.write("admin", admit(node, machine("press-1")));
        plant.write("admin", revoke(node, reason, &[]));
    }
    plant.write("admin", admit("other", machine("robot-1")));
    plant.write("admin", revoke("other", Reason::Replaced, &[]));
    plant.write("admin", admit("new", machine("press-1")));
    let roster = plant.roster();
    assert_eq!(roster.predecessors(&key("new")), [key("old"), key("older")]);
    assert!(roster.predecessors(&key("old")).is_empty(), "it is no member");
}
