//! How terms change, and what happens when two people change them at the same time.

use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Topic;

use super::super::{Alarm, Member, Roster};
use super::assert_members;
use crate::core::plant::world::records::{admin, admit, amend, machine, redeem};
use crate::core::plant::world::{Plant, few, first, key};

fn node(roster: &Roster) -> &Member {
    roster.member(&key("node")).expect("the node is a member")
}

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

/// A plant whose admin admitted `node` as a machine called `one`.
fn with_node() -> (Plant, RecordId) {
    let mut plant = Plant::at_work();
    let admitted = plant.write("admin", admit("node", machine("one")));
    (plant, first(&admitted))
}

fn lowest<'a>(records: &[(RecordId, &'a str)]) -> (RecordId, &'a str) {
    records.iter().min().copied().expect("some records")
}

#[test]
fn an_amendment_replaces_the_record_that_it_names() {
    let (mut plant, admitted) = with_node();
    let wider = Terms { roles: few(vec![Role::Machine, Role::Gateway]), ..machine("two") };
    let amended = plant.write("admin", amend("node", admitted, wider));
    let roster = plant.roster();
    assert_eq!(node(&roster).name().as_str(), "two");
    assert_eq!(node(&roster).acting_under(), first(&amended));
    assert!(node(&roster).may_publish(&topic("partner/acme/order")));
    assert!(!node(&roster).is_concurrent() && roster.alarms().is_empty());
}

#[test]
fn what_was_written_before_its_author_heard_of_an_amendment_counts_unless_it_allows_less() {
    let ended = |terms: Terms| {
        let (mut plant, admitted) = with_node();
        plant.write("admin", amend("node", admitted, terms));
        let roster = plant.roster();
        !roster.past(&key("node"), &admitted).expect("a past").ended_at.is_empty()
    };
    assert!(!ended(Terms { name: "two".parse().expect("a name"), ..machine("one") }));
    assert!(!ended(Terms { roles: few(vec![Role::Gateway]), ..machine("one") }));
    assert!(ended(machine("two")), "another scope");
    assert!(ended(Terms { roles: few(vec![Role::Observer]), ..machine("one") }));
}

#[test]
fn amendments_form_chains_whatever_their_ids() {
    let (mut plant, mut replaces) = with_node();
    for number in 2..10 {
        let author = if number % 2 == 0 { "admin" } else { "root" };
        let terms = machine(&format!("name-{number}"));
        replaces = first(&plant.write(author, amend("node", replaces, terms)));
    }
    let roster = plant.roster();
    assert_eq!(node(&roster).name().as_str(), "name-9");
    assert!(!node(&roster).is_concurrent());
}

#[test]
fn an_amendment_of_a_redeemed_admission_counts() {
    let mut plant = Plant::at_work();
    let admitted = plant.write("registrar", redeem("node", "code", machine("press")));
    plant.write("admin", amend("node", first(&admitted), machine("robot")));
    assert_eq!(node(&plant.roster()).name().as_str(), "robot");
}

#[test]
fn registrars_and_members_amend_nothing() {
    let (mut plant, admitted) = with_node();
    plant.write("registrar", amend("node", admitted, machine("two")));
    plant.write("node", amend("node", admitted, machine("three")));
    assert_eq!(node(&plant.roster()).name().as_str(), "one");
}

#[test]
fn an_amendment_of_nothing_or_of_anothers_record_makes_nobody_a_member() {
    let (mut plant, admitted) = with_node();
    plant.write("admin", amend("ghost", RecordId([7; 32]), machine("two")));
    plant.write("admin", amend("ghost", admitted, machine("three")));
    plant.write("admin", amend("node", RecordId([7; 32]), machine("four")));
    let roster = plant.roster();
    assert_members(&roster, &["node"]);
    assert_eq!(node(&roster).name().as_str(), "one");
}

#[test]
fn concurrent_amendments_intersect_and_alarm() {
    let (mut plant, admitted) = with_node();
    plant.write("root", admin("admin-2"));
    let until = Some(UnixMillis(9_000));
    let roles = few(vec![Role::Machine, Role::Gateway]);
    let subscribe = few(vec!["hall/#".parse().expect("a filter")]);
    let one = Terms { roles, until: Some(UnixMillis(9_500)), ..machine("hall") };
    let two = Terms { subscribe, until, name: "two".parse().expect("a name"), ..machine("hall") };
    let one = (first(&plant.write("admin", amend("node", admitted, one))), "hall");
    let two = (first(&plant.write("admin-2", amend("node", admitted, two))), "two");
    let roster = plant.roster();
    let member = node(&roster);
    assert!(member.is_concurrent());
    assert_eq!((member.acting_under(), member.name().as_str()), lowest(&[one, two]));
    assert_eq!((member.roles(), member.until()), (vec![Role::Machine], until));
    assert!(member.may_publish(&topic("hall/temp")));
    assert!(!member.may_publish(&topic("partner/acme/order")));
    assert!(member.may_see(&topic("hall/temp")) && !member.may_see(&topic("yard/temp")));
    let alarm = Alarm::ConcurrentTerms { member: key("node") };
    assert!(roster.alarms().contains(&alarm));
    let settled = plant.write("root", amend("node", one.0, machine("hall")));
    assert!(plant.roster().alarms().contains(&alarm), "the other record stands still");
    plant.write("root", amend("node", two.0, machine("hall")));
    assert!(plant.roster().alarms().is_empty(), "both say the same");
    assert!(node(&plant.roster()).records().any(|stands| stands.record == first(&settled)));
}

#[test]
fn two_admissions_of_one_key_intersect_and_alarm() {
    let (mut plant, admitted) = with_node();
    let again = plant.write("registrar", redeem("node", "code", machine("press")));
    let roster = plant.roster();
    let expected = lowest(&[(admitted, "one"), (first(&again), "press")]);
    assert_eq!((node(&roster).acting_under(), node(&roster).name().as_str()), expected);
    assert_eq!(
        node(&roster).scope().map(gearmesh_protocol::topic::Scope::as_str),
        Some(expected.1)
    );
    let anywhere = ["one/temp", "press/temp"].map(|text| node(&roster).may_publish(&topic(text)));
    assert_eq!(anywhere, [false, false], "no topic lies in both scopes");
    assert!(roster.alarms().contains(&Alarm::ConcurrentTerms { member: key("node") }));
}

#[test]
fn a_chain_on_either_side_of_a_fork_is_followed_to_its_end_whatever_the_ids() {
    // Whether a chain is followed must not depend on the ids, which are as good as random.
    for round in 0..64 {
        let (mut plant, admitted) = with_node();
        plant.at(5_000 + 100 * round);
        let mut change = |replaces: RecordId, name: &str| -> RecordId {
            first(&plant.write("admin", amend("node", replaces, machine(name))))
        };
        let trunk = change(admitted, "trunk");
        let left = change(trunk, "left");
        let right = change(trunk, "right");
        let right_end = change(right, "right-end");
        let roster = plant.roster();
        let standing: Vec<RecordId> = node(&roster).records().map(|stands| stands.record).collect();
        let mut expected = vec![left, right_end];
        expected.sort_unstable();
        assert_eq!(standing, expected, "round {round}");
    }
}
