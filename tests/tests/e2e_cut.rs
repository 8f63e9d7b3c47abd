//! Cuts of data logs: what a compromised key wrote beyond the cut is withheld everywhere, what stands
//! before it counts, and a member that writes under terms that were changed is found.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::grant::{Role, Terms};
use gearmesh_protocol::inspect::{DataLog, FindingKind, Why};
use gearmesh_protocol::local::{LogEnds, PlantStatus, Presence};
use gearmesh_protocol::log::LogKind;
use gearmesh_protocol::trust::{Amendment, TrustRecord};
use gearmesh_tests::admin::Admin;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::values::{consumed, entries, numbers, publish, sorted, withheld};
use gearmesh_tests::wait::until;

fn revoke(plant: &Plant, name: &str, more: &[&str]) -> Said {
    let words = [&["revoke", name, "--yes", "--reason", "compromised"], more].concat();
    plant.gearmesh("gateway-1", &words)
}

fn why(plant: &Plant, at: &str, name: &str) -> Why {
    let said = plant.gearmesh(at, &["why", name, "--json"]).ok();
    serde_json::from_str(&said).expect("reasons")
}

/// The first digits of the group in which a machine wrote a number.
fn group_of(plant: &Plant, filter: &str, number: i64) -> String {
    let found = entries(plant, "gateway-1", filter);
    let at = numbers(&found).iter().position(|it| *it == number).expect("it was written");
    found[at].group.to_string()[..12].to_owned()
}

/// A plant whose gateway keeps its port, with these machines.
fn running(machines: &[&str]) -> (Plant, u16, Daemon, Vec<Daemon>) {
    let plant = Plant::founded();
    let port = free_port();
    let gateway = plant.up_at("gateway-1", port);
    let mut nodes = Vec::new();
    for machine in machines {
        plant.join(machine);
        nodes.push(plant.up(machine));
        plant.wait_for("gateway-1", machine, Presence::Online);
    }
    (plant, port, gateway, nodes)
}

#[test]
fn what_a_compromised_key_wrote_counts_up_to_the_group_that_a_person_names() {
    let (plant, port, gateway, _nodes) = running(&["press-1", "robot-1", "packer-1"]);
    for number in 0..6 {
        publish(&plant, "press-1", number, "replicated=3");
    }
    publish(&plant, "robot-1", 7, "replicated=3");
    let press = plant.members("gateway-1").into_iter().find(|it| it.name == "press-1");
    let press = press.expect("the press").key;
    let said = revoke(&plant, "press-1", &[]);
    assert_eq!(said.out.matches("1 entry  press-1/part/count").count(), 6, "{said:?}");
    let group = group_of(&plant, "press-1/#", 2);
    assert!(said.out.contains(&format!("  {group}  ")), "{said:?}");
    let err = said.refused_with(252);
    assert!(err.contains("press-1 wrote durable values: how much of that still counts?"), "{err}");
    assert!(err.contains("--cut GROUP") && err.contains("--cut all"), "{err}");
    drop(revoke(&plant, "press-1", &["--cut", "0123456789ab"]).refused_with(254));
    let log: DataLog = Api::of(gateway.home()).get(&format!("/v1/data/log?key={press}")).read();
    assert_eq!((log.groups.len(), log.earlier, log.counted.values), (6, 0, 6));

    drop(revoke(&plant, "press-1", &["--cut", &group]).ok());
    for at in ["gateway-1", "robot-1"] {
        until("the cut counts", || (withheld(&plant, at, "press-1/#") == 3).then_some(()));
        assert_eq!(sorted(&plant, at, "press-1/#"), [0, 1, 2], "at {at}");
    }
    let told = why(&plant, "robot-1", "press-1");
    assert_eq!(told.findings.len(), 1, "{told:?}");
    assert_eq!(told.findings[0].kind, FindingKind::Revoked);
    assert!(told.findings[0].text.contains("3 of its 6 durable values"), "{told:?}");
    assert_eq!(consumed(&plant, "packer-1", 4).len(), 4, "three of the press, one of the robot");

    drop(revoke(&plant, "robot-1", &["--cut", "all"]).ok());
    gateway.kill();
    let _gateway = plant.up_at("gateway-1", port);
    assert_eq!(sorted(&plant, "gateway-1", "press-1/#"), [0, 1, 2], "also after a restart");
    assert!(sorted(&plant, "gateway-1", "robot-1/#").is_empty(), "nothing counts");
    assert_eq!(withheld(&plant, "gateway-1", "#"), 4);
    until("the packer heard of it", || {
        let found =
            [withheld(&plant, "packer-1", "#"), entries(&plant, "packer-1", "#").len() as u64];
        (found == [4, 3]).then_some(())
    });
    let told = plant.gearmesh("packer-1", &["why", "robot-1"]).ok();
    assert!(told.contains("1 of its 1 durable values lie beyond the cut"), "{told}");
}

#[test]
fn of_a_key_with_two_logs_both_are_asked_for() {
    let (plant, _, _gateway, _nodes) = running(&["press-1"]);
    for number in 0..3 {
        publish(&plant, "gateway-1", number, "replicated=1");
    }
    let said = revoke(&plant, "gateway-1", &[]);
    assert!(said.out.contains("admits press-1") && said.out.contains("part/count"), "{said:?}");
    let err = said.refused_with(252);
    assert!(err.contains("signed for the plant and wrote durable values"), "{err}");
    assert!(err.contains("--cut RECORD --cut GROUP"), "{err}");
    let values = group_of(&plant, "gateway-1/#", 1);
    let said = revoke(&plant, "gateway-1", &["--cut", &values]);
    let line = said.out.lines().find(|line| line.contains("admits press-1")).expect("listed");
    let record = line.split_whitespace().next().expect("a record").to_owned();
    assert!(!said.out.contains("part/count"), "of its values it was said: {said:?}");
    let err = said.refused_with(252);
    assert!(err.contains(&format!("--cut {values} --cut RECORD")), "{err}");

    let said = revoke(&plant, "gateway-1", &["--cut", &values, "--cut", &record]);
    assert!(said.out.contains("gateway-1 is revoked (compromised)"), "{said:?}");
    assert!(!said.out.contains("fell with it"), "{said:?}");
    until("the press heard of it", || {
        let found = (withheld(&plant, "press-1", "#"), sorted(&plant, "press-1", "#"));
        (found == (1, vec![0, 1])).then_some(())
    });
}

#[test]
fn whatever_the_reason_the_cut_names_the_ends_of_both_logs() {
    let (plant, _, gateway, _nodes) = running(&["press-1"]);
    publish(&plant, "gateway-1", 1, "replicated=1");
    let key = plant.status("gateway-1").key;
    let ends: LogEnds = Api::of(gateway.home()).get(&format!("/v1/trust/ends?key={key}")).read();
    let kinds: Vec<LogKind> = ends.cut.iter().map(|cut| cut.kind).collect();
    assert_eq!(kinds, [LogKind::Trust, LogKind::Data]);
    assert!(ends.cut.iter().all(|cut| cut.leaves.len() == 1), "{ends:?}");
}

#[test]
fn what_a_member_wrote_under_terms_that_were_changed_is_withheld_and_said() {
    let (plant, port, gateway, press) = Plant::of_two();
    for number in 0..2 {
        publish(&plant, "press-1", number, "replicated=1");
    }
    let plant_of = |at: &str| -> PlantStatus { plant.status(at).plant.expect("a plant") };
    let (node, replaces) = (plant.status("press-1").key, plant_of("press-1").acting_under);
    press.kill();
    let mut api = Api::of(gateway.home());
    let ends: LogEnds = api.get(&format!("/v1/trust/ends?key={node}")).read();
    let data = ends.cut.iter().find(|cut| cut.kind == LogKind::Data).expect("a data log");
    let terms = Terms {
        name: "press-1".parse().expect("a name"),
        roles: Bounded::first_of([Role::Machine]),
        scope: Some("hall/press-1".parse().expect("a scope")),
        subscribe: Bounded::new(),
        until: None,
    };
    let (replaces, data_leaves) = (replaces.expect("a record"), data.leaves.clone());
    let amendment = Amendment { node, replaces, terms, data_leaves };
    Admin::of(&plant.keyring()).sign(&mut api, TrustRecord::Amendment(amendment));
    gateway.kill();

    // Alone, the press does not know of it.
    let _press = plant.up("press-1");
    publish(&plant, "press-1", 2, "local");
    let _gateway = plant.up_at("gateway-1", port);
    until("the press heard of its terms", || {
        (plant_of("press-1").acting_under != Some(replaces)).then_some(())
    });
    publish(&plant, "press-1", 3, "replicated=1");
    assert_eq!(sorted(&plant, "gateway-1", "press-1/#"), [0, 1]);
    assert_eq!(sorted(&plant, "gateway-1", "hall/press-1/#"), [3]);
    assert_eq!(withheld(&plant, "gateway-1", "press-1/#"), 1);
    let told = why(&plant, "gateway-1", "press-1");
    let kinds: Vec<FindingKind> = told.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Narrowed], "{told:?}");
    assert_eq!(told.log.counted.amended, 1);
}
