//! How long durable values are kept: what is too old goes, is told as missing, and nothing else.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::sample::Value;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::wait::until;

const KEEP: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep", "1d"];

/// The values that a node has, and how many it says are missing.
fn history(plant: &Plant, at: &str) -> (Vec<Value>, u64) {
    let said = plant.gearmesh(at, &["history", "--json", "gateway-1/part/count"]).ok();
    let (mut values, mut missing) = (Vec::new(), 0);
    for line in said.lines() {
        match serde_json::from_str(line).expect("an event") {
            HistoryEvent::Entry(entry) => values.push(entry.sample.value),
            HistoryEvent::Gap { count, .. } => missing += count,
            HistoryEvent::End { .. } => {}
        }
    }
    (values, missing)
}

fn publish(plant: &Plant, number: &str) {
    drop(plant.gearmesh("gateway-1", &["pub", "part/count", number, "--durable"]).ok());
}

/// The files of the only log at a node.
fn segments(plant: &Plant, at: &str) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    inside(plant.home(at).join("data")).into_iter().flat_map(inside).collect()
}

#[test]
fn what_is_older_than_it_is_to_be_kept_goes_and_is_told_as_missing() {
    let plant = Plant::founded();
    let gateway = plant.up_with("gateway-1", &KEEP);
    for number in ["1", "2", "3"] {
        publish(&plant, number);
    }
    assert_eq!(gateway.stop(), Some(0));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    for segment in segments(&plant, "gateway-1") {
        let file = File::options().write(true).open(segment).expect("a segment");
        file.set_modified(long_ago).expect("a time");
    }
    // Without a bound on the age everything stays.
    let gateway = plant.up("gateway-1");
    assert_eq!(history(&plant, "gateway-1"), ([1, 2, 3].map(Value::Integer).to_vec(), 0));
    assert_eq!(gateway.stop(), Some(0));
    let gateway = plant.up_with("gateway-1", &KEEP);
    publish(&plant, "4");
    let kept = until("what is old goes", || {
        let (values, missing) = history(&plant, "gateway-1");
        (missing == 3).then_some(values)
    });
    assert_eq!(kept, [Value::Integer(4)]);
    publish(&plant, "5");
    assert_eq!(gateway.stop(), Some(0));
    let _gateway = plant.up_with("gateway-1", &KEEP);
    assert_eq!(history(&plant, "gateway-1"), ([4, 5].map(Value::Integer).to_vec(), 3));
}

#[test]
fn what_cannot_be_kept_is_said_with_what_to_write() {
    let plant = Plant::founded();
    for (words, told) in [
        (["--keep", "soon"], "90s, 30m, 1h or 7d"),
        (["--keep-bytes", "much"], "512K, 256M or 4G"),
        (["--keep-all-bytes", "0G"], "512K, 256M or 4G"),
    ] {
        let said = plant.gearmesh("gateway-1", &["up", words[0], words[1]]).refused_saying(told);
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn views_that_are_gone_or_damaged_are_made_anew_and_the_node_says_so() {
    let plant = Plant::founded();
    // Small segments, so that some are closed.
    let small = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep-bytes", "1M"];
    let gateway = plant.up_with("gateway-1", &small);
    let long = "x".repeat(16 << 10);
    for number in 0..20 {
        let text = format!("{number}{long}");
        drop(plant.gearmesh("gateway-1", &["pub", "part/count", &text, "--durable"]).ok());
    }
    let before = history(&plant, "gateway-1");
    assert_eq!((before.0.len(), before.1), (20, 0));
    assert_eq!(gateway.stop(), Some(0));
    let views = plant.home("gateway-1").join("views");
    let said = |words: &str| plant.log("gateway-1").matches(words).count();
    let gateway = plant.up_with("gateway-1", &small);
    assert_eq!((history(&plant, "gateway-1"), said("made anew")), (before.clone(), 0));
    assert_eq!(gateway.stop(), Some(0));

    std::fs::remove_dir_all(&views).expect("views to lose");
    let gateway = plant.up_with("gateway-1", &small);
    assert_eq!((history(&plant, "gateway-1"), said("made anew")), (before.clone(), 1));
    assert_eq!(gateway.stop(), Some(0));

    for file in std::fs::read_dir(&views).expect("views").map(|file| file.expect("a file").path()) {
        if file.is_file() {
            let length = std::fs::metadata(&file).expect("a length").len();
            std::fs::write(&file, vec![0xA5; length as usize]).expect("a write");
        }
    }
    let _gateway = plant.up_with("gateway-1", &small);
    assert_eq!(history(&plant, "gateway-1"), before);
    assert!(said("made anew") > 1, "{}", plant.log("gateway-1"));
}

#[test]
fn a_node_whose_durable_values_are_gone_says_so_and_gets_back_what_members_have() {
    let plant = Plant::founded();
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let port = free_port();
    let press = plant.up_at("press-1", port);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let all: Vec<Value> = (0..5).map(Value::Integer).collect();
    for number in 0..5 {
        let number = number.to_string();
        let words = ["pub", "part/count", &number, "--durable", "--ack", "replicated=1"];
        drop(plant.gearmesh("gateway-1", &words).ok());
    }
    gateway.kill();
    assert_eq!(press.stop(), Some(0));
    std::fs::remove_dir_all(plant.home("gateway-1").join("data")).expect("values to lose");
    let _gateway = plant.up("gateway-1");
    let alarms = || plant.status("gateway-1").alarms;
    let told = |alarm: &String| alarm.contains("gone from its disk");
    until("an alarm", || alarms().iter().any(told).then_some(()));
    let why = plant.gearmesh("gateway-1", &["why", "gateway-1"]).ok();
    assert!(why.contains("gone from its disk"), "{why}");
    let _press = plant.up_at("press-1", port);
    until("they are back", || (history(&plant, "gateway-1") == (all.clone(), 0)).then_some(()));
    until("no alarm", || (!alarms().iter().any(told)).then_some(()));
}
