//! How long durable values are kept: what is too old goes, is told as missing, and nothing else.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::values::{entries, missing, numbers, publish};
use gearmesh_tests::wait::until;

const KEEP: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep", "1d"];

/// The values that a node has, and how many it says are missing.
fn kept(plant: &Plant) -> (Vec<i64>, u64) {
    let (at, topic) = ("gateway-1", "gateway-1/part/count");
    (numbers(&entries(plant, at, topic)), missing(plant, at, topic))
}

/// The files of the only log at a node.
fn segments(plant: &Plant, at: &str) -> Vec<PathBuf> {
    let inside = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
    };
    inside(plant.home(at).join("data")).into_iter().flat_map(inside).collect()
}

/// What the node has written so far was written long ago.
fn age(plant: &Plant) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    for segment in segments(plant, "gateway-1") {
        let file = File::options().write(true).open(segment).expect("a segment");
        file.set_modified(long_ago).expect("a time");
    }
}

#[test]
fn what_is_older_than_it_is_to_be_kept_goes_and_is_told_as_missing() {
    let plant = Plant::founded();
    let gateway = plant.up_with("gateway-1", &KEEP);
    for number in 1..=3 {
        publish(&plant, "gateway-1", number, "local");
    }
    assert_eq!(gateway.stop(), Some(0));
    age(&plant);
    // Without a bound on the age everything stays.
    let gateway = plant.up("gateway-1");
    assert_eq!(kept(&plant), (vec![1, 2, 3], 0));
    assert_eq!(gateway.stop(), Some(0));
    let gateway = plant.up_with("gateway-1", &KEEP);
    publish(&plant, "gateway-1", 4, "local");
    until("what is old goes", || (kept(&plant) == (vec![4], 3)).then_some(()));
    publish(&plant, "gateway-1", 5, "local");
    assert_eq!(gateway.stop(), Some(0));
    let _gateway = plant.up_with("gateway-1", &KEEP);
    assert_eq!(kept(&plant), (vec![4, 5], 3));
}

/// Has all that the node wrote so far go, while it runs.
fn let_go(plant: &Plant, node: Daemon, number: i64) {
    assert_eq!(node.stop(), Some(0));
    age(plant);
    let node = plant.up_with("gateway-1", &KEEP);
    publish(plant, "gateway-1", number, "local");
    until("what is old goes", || (kept(plant).0 == [number]).then_some(()));
    node.kill();
}

#[test]
fn what_is_still_to_be_known_is_written_again_before_it_goes() {
    let plant = Plant::founded();
    let script = plant.home("gateway-1").with_file_name("pack.sh");
    let packed = script.with_extension("packed");
    let text = format!("#!/bin/sh\ntee -a {}\n", packed.display());
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, Permissions::from_mode(0o700)).expect("a mode");
    let serve = |words: &[&str]| {
        let script = script.display().to_string();
        let all = [&["serve", "pack", "--exec", &script], words].concat();
        let serving = plant.begin("gateway-1", &all);
        until("it packs", || {
            let said = plant.gearmesh("gateway-1", &["verbs", "gateway-1"]).out;
            said.contains("pack").then_some(())
        });
        serving
    };
    let command = "000102030405060708090a0b0c0d0e0f";
    let call = |arguments| {
        let words = ["call", "gateway-1", "pack", arguments, "--id", command, "--wait"];
        plant.gearmesh("gateway-1", &words)
    };
    let item = "00112233445566778899aabbccddeeff";
    let offer =
        |arguments| plant.gearmesh("gateway-1", &["offer", "pack", arguments, "--id", item]);
    let node = plant.up_with("gateway-1", &KEEP);
    let serving = serve(&[]);
    assert_eq!(call("1").ok().trim(), "1");
    serving.kill();
    let _ = offer("17").ok();
    publish(&plant, "gateway-1", 1, "local");

    let_go(&plant, node, 2);
    let node = plant.up_with("gateway-1", &KEEP);
    let _ = offer("18").refused_with(172);
    let serving = serve(&["--jobs"]);
    until("the item is completed", || {
        let said = plant.gearmesh("gateway-1", &["jobs", "--json"]).ok();
        (said.contains(item) && said.contains("completed")).then_some(())
    });
    assert_eq!(call("1").ok().trim(), "1", "it is answered, and not done again");
    serving.kill();

    let_go(&plant, node, 3);
    let _node = plant.up_with("gateway-1", &KEEP);
    let _serving = serve(&["--jobs"]);
    let _ = offer("18").refused_with(172);
    let _ = offer("17").ok();
    let _ = call("2").refused_with(154);
    let said = plant.gearmesh("gateway-1", &["jobs", "--json"]).ok();
    assert!(said.contains(item) && said.contains("completed"), "{said}");
    let done = std::fs::read_to_string(&packed).expect("what was packed");
    assert_eq!(done.matches("17").count(), 1, "{done}");
    assert_eq!(done.replace("17", "").matches('1').count(), 1, "{done}");
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
