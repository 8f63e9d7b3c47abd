//! Durable values: what a publisher was told to be safe is there after kill -9, reaches members
//! that were never online together with it, and says where it is.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::path::PathBuf;

use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::values::{consumed, entries, history, missing, numbers, publish};
use gearmesh_tests::wait::until;

#[test]
fn what_was_acknowledged_survives_a_kill_and_keeps_its_order() {
    let plant = Plant::founded();
    let mut told = Vec::new();
    for life in 0..3 {
        let gateway = plant.up("gateway-1");
        for number in life * 5..life * 5 + 5 {
            let published = publish(&plant, "gateway-1", number, "local");
            assert!(published.reached && published.replicas == 0);
            told.push((published.group, published.entry));
        }
        gateway.kill();
    }
    let _gateway = plant.up("gateway-1");
    let found = entries(&plant, "gateway-1", "gateway-1/part/count");
    assert_eq!(numbers(&found), (0..15).collect::<Vec<_>>());
    let places: Vec<_> = found.iter().map(|entry| (entry.group, entry.entry)).collect();
    assert_eq!(places, told, "each lies where its publisher was told");
}

#[test]
fn a_value_reaches_a_member_that_was_never_online_with_its_author() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    plant.join("press-1");
    plant.join("robot-1");
    let press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let published = publish(&plant, "press-1", 7, "replicated=1");
    assert_eq!((published.replicas, published.reached), (1, true));
    press.kill();

    let _robot = plant.up("robot-1");
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    let found = until("the robot has the press's value", || {
        let found = entries(&plant, "robot-1", "press-1/#");
        (!found.is_empty()).then_some(found)
    });
    assert_eq!((numbers(&found), found[0].author.as_str()), (vec![7], "press-1"));
    gateway.kill();
    assert_eq!(entries(&plant, "robot-1", "press-1/#"), found, "it has a copy of its own");
}

#[test]
fn a_node_that_was_away_catches_up() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    for number in 0..40 {
        publish(&plant, "gateway-1", number, "local");
    }
    let _press = plant.up("press-1");
    until("the press has caught up", || {
        let found = entries(&plant, "press-1", "gateway-1/part/count");
        (numbers(&found) == (0..40).collect::<Vec<_>>()).then_some(())
    });
}

/// The largest segment in the copy that a node has of the log of another.
fn segment(plant: &Plant, at: &str, author: &str) -> PathBuf {
    let members = plant.members(at);
    let key = members.iter().find(|member| member.name == author).expect("a member").key;
    let folder = plant.home(at).join("data").join(key.to_string());
    let files = std::fs::read_dir(folder).expect("a log").map(|file| file.expect("a file").path());
    let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    files.max_by_key(length).expect("a segment")
}

#[test]
fn what_a_disk_lost_comes_back_from_members() {
    let (plant, port, gateway, press) = Plant::of_two();
    for number in 0..20 {
        publish(&plant, "press-1", number, "replicated=1");
    }
    let segment = segment(&plant, "gateway-1", "press-1");
    gateway.kill();
    press.kill();
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 600].fill(0xff);
    std::fs::write(&segment, &bytes).expect("a segment");

    let _gateway = plant.up_at("gateway-1", port);
    let alarms = || plant.status("gateway-1").alarms;
    until("somebody is told", || {
        alarms().iter().any(|alarm| alarm.contains("disk lost")).then_some(())
    });
    let topic = "press-1/part/count";
    let found = entries(&plant, "gateway-1", topic).len() as u64;
    let missing = missing(&plant, "gateway-1", topic);
    assert_eq!(missing + found, 20, "each is there or said to be missing");

    let _press = plant.up("press-1");
    until("what was lost is here again", || {
        let found = numbers(&entries(&plant, "gateway-1", "press-1/part/count"));
        (found == (0..20).collect::<Vec<_>>()).then_some(())
    });
    until("the alarm goes", || alarms().is_empty().then_some(()));
}

#[test]
fn where_a_value_is_safe_is_said_as_it_is() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    let alone = plant.gearmesh("gateway-1", &["pub", "part/done", "1", "--durable"]).ok();
    assert!(alone.contains("safe on this machine's disk"), "{alone}");
    plant.join("press-1");
    let words = ["pub", "part/done", "2", "--durable", "--ack"];
    let err =
        plant.gearmesh("gateway-1", &[&words[..], &["replicated=2"]].concat()).refused_with(145);
    assert!(err.contains("fewer"), "{err}");
    let said = plant.gearmesh("gateway-1", &[&words[..], &["replicated=1"]].concat());
    assert_eq!(said.code, Some(4), "nobody else is there: {}", said.err);
    assert!(said.out.contains("the others get it when they can be reached"), "{}", said.out);
    let found = numbers(&entries(&plant, "gateway-1", "gateway-1/part/done"));
    assert_eq!(found, [1, 2], "it is safe here all the same");

    let _press = plant.up("press-1");
    until("the press got what was written while it was away", || {
        let found = numbers(&entries(&plant, "press-1", "gateway-1/part/done"));
        (found == [1, 2]).then_some(())
    });
}

#[test]
fn a_time_and_a_filter_narrow_the_past() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for number in 0..3 {
        publish(&plant, "gateway-1", number, "local");
    }
    let counts = |words: &[&str]| {
        let events = history(&plant, "gateway-1", words);
        let Some(HistoryEvent::End { entries, .. }) = events.last() else {
            panic!("no end: {events:?}")
        };
        *entries
    };
    assert_eq!(counts(&[]), 3);
    assert_eq!(counts(&["gateway-1/part/#", "--since", "1h"]), 3);
    assert_eq!(counts(&["--until", "1h"]), 0);
    assert_eq!(counts(&["--since", "2026-01-01T00:00:00Z"]), 3);
    assert_eq!(counts(&["gateway-1/other"]), 0);
    let err = plant.gearmesh("gateway-1", &["history", "--since", "yesterday"]).refused();
    assert!(err.contains("2026-11-22") && err.contains("8h"), "{err}");
    let said = plant.gearmesh("gateway-1", &["history", "gateway-1/other"]);
    assert!(said.err.contains("nothing durable on gateway-1/other"), "{}", said.err);
}

#[test]
fn what_a_revoked_machine_wrote_stays_and_what_it_may_not_write_is_refused() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let words = ["pub", "/gateway-1/part/count", "1", "--durable"];
    drop(plant.gearmesh("press-1", &words).refused_with(130));
    publish(&plant, "press-1", 1, "replicated=1");
    drop(plant.gearmesh("gateway-1", &["revoke", "press-1", "--reason", "retired", "--yes"]).ok());
    until("the press hears that it is out", || {
        let said = plant.gearmesh("press-1", &["pub", "part/count", "2", "--durable"]);
        said.err.contains("[code 110]").then_some(())
    });
    press.kill();
    let found = entries(&plant, "gateway-1", "press-1/#");
    assert_eq!((numbers(&found), found[0].after_cut), (vec![1], false), "it lies before the cut");
}

#[test]
fn a_named_subscription_goes_on_where_it_was_whatever_was_killed() {
    let plant = Plant::founded();
    let port = free_port();
    let gateway = plant.up_at("gateway-1", port);
    plant.join("press-1");
    let press = plant.up("press-1");
    for number in 0..6 {
        publish(&plant, "press-1", number, "replicated=1");
    }
    assert_eq!(consumed(&plant, "gateway-1", 4), [0, 1, 2, 3]);
    // What was confirmed is in the gateway's own log a moment later, and so on the press's disk.
    until("the cursor is written down", || {
        let cursors = plant.status("gateway-1").counters.durable;
        (cursors > 0).then_some(())
    });
    gateway.kill();
    press.kill();
    let gateway = plant.up_at("gateway-1", port);
    assert_eq!(consumed(&plant, "gateway-1", 2), [4, 5], "nothing twice, nothing lost");
    let _press = plant.up("press-1");
    publish(&plant, "press-1", 6, "replicated=1");
    assert_eq!(consumed(&plant, "gateway-1", 1), [6]);
    drop(gateway);
}

#[test]
fn a_program_that_is_started_again_at_once_repeats_nothing() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for number in 0..8 {
        publish(&plant, "gateway-1", number, "local");
    }
    let read: Vec<_> = (0..4).flat_map(|_| consumed(&plant, "gateway-1", 2)).collect();
    assert_eq!(read, (0..8).collect::<Vec<_>>());
}

#[test]
fn one_program_at_a_time_reads_by_a_name() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    publish(&plant, "gateway-1", 1, "local");
    let first = plant.begin("gateway-1", &["sub", "#", "--durable", "mes"]);
    until("the first reads", || plant.said("gateway-1").contains("part/count").then_some(()));
    let second = ["sub", "#", "--durable", "mes", "--count", "1"];
    drop(plant.gearmesh("gateway-1", &second).refused_with(279));
    first.kill();
    publish(&plant, "gateway-1", 2, "local");
    let found = until("the name is free again", || {
        let said = plant.gearmesh("gateway-1", &[&second[..], &["--json"]].concat());
        (said.code == Some(0)).then_some(said.out)
    });
    assert!(found.contains("part/count"), "{found}");
}
