//! The way of a technician: found, add, join, follow, revoke, with real nodes; and the demo that
//! shows it.

use std::process::{Command, Stdio};

use gearmesh_protocol::local::{Delivered, Presence};
use gearmesh_tests::cli::{self, Said};
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::wait::until;

#[test]
fn a_technician_founds_a_plant_brings_machines_in_sees_values_and_throws_one_out() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for machine in ["press-1", "robot-1"] {
        plant.join(machine);
    }
    let _press = plant.up("press-1");
    let _robot = plant.up("robot-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "robot-1", Presence::Online);

    let said = plant.gearmesh("robot-1", &["sub", "press-1/host/#", "--count", "3", "--json"]).ok();
    for line in said.lines() {
        let value: Delivered = serde_json::from_str(line).expect("a value");
        assert_eq!(value.author, "press-1");
        assert!(value.topic.starts_with("press-1/host/"), "{}", value.topic);
    }

    let said = plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "lost", "--yes"]);
    assert!(said.out.contains("press-1 is revoked"), "{said:?}");
    for node in ["gateway-1", "robot-1"] {
        plant.wait_for(node, "press-1", Presence::Revoked);
    }
    plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
}

#[test]
fn what_a_killed_demo_left_behind_is_removed_by_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let homes = || -> Vec<_> {
        let entries = std::fs::read_dir(folder.path()).expect("a folder").flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let start = || {
        let mut command = Command::new(cli::program());
        command.args(["demo", "--once"]).env("TMPDIR", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("gearmesh starts")
    };
    let mut killed = start();
    let left = until("a node of it runs", || {
        let home = homes().into_iter().next()?;
        home.join("gateway-1/node.sock").exists().then_some(home)
    });
    // A living demo is left alone.
    let mut other = start();
    until("the other demo has begun", || (homes().len() == 2).then_some(()));
    assert!(left.exists());
    killed.kill().expect("a kill");
    killed.wait().expect("it ended");
    other.kill().expect("a kill");
    other.wait().expect("it ended");
    until("its nodes have stopped", || (!left.join("gateway-1/node.sock").exists()).then_some(()));
    let mut next = start();
    until("what was left is gone", || (!left.exists()).then_some(()));
    let asked = Command::new("kill").args(["-INT", &next.id().to_string()]).status();
    assert!(asked.is_ok_and(|status| status.success()), "kill -INT");
    next.wait().expect("it ended");
    assert!(homes().is_empty(), "{:?}", homes());
}

#[test]
fn a_demo_that_is_stopped_has_failed_and_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let folder = tempfile::tempdir().expect("a folder");
        let count = || std::fs::read_dir(folder.path()).expect("a folder").count();
        let mut command = Command::new(cli::program());
        command.args(["demo", "--once", "--json"]).env("TMPDIR", folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let demo = command.spawn().expect("gearmesh starts");
        until("the demo has begun", || (count() > 0).then_some(()));
        let asked = Command::new("kill").args([signal, &demo.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill {signal}");
        let said = Said::from(demo.wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(1), "{signal}: {said:?}");
        assert!(said.out.contains("\"failed\": \"interrupted\""), "{signal}: {said:?}");
        assert!(said.out.contains("\"passed\": false"), "{signal}: {said:?}");
        assert_eq!(count(), 0, "{signal}: the demo's folder is gone");
    }
}
