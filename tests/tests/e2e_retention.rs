//! How long durable values are kept: what is too old goes, is told as missing, and nothing else.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gearmesh_tests::daemon::Plant;
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

#[test]
fn what_is_older_than_it_is_to_be_kept_goes_and_is_told_as_missing() {
    let plant = Plant::founded();
    let gateway = plant.up_with("gateway-1", &KEEP);
    for number in 1..=3 {
        publish(&plant, "gateway-1", number, "local");
    }
    assert_eq!(gateway.stop(), Some(0));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    for segment in segments(&plant, "gateway-1") {
        let file = File::options().write(true).open(segment).expect("a segment");
        file.set_modified(long_ago).expect("a time");
    }
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
