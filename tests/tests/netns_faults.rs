//! Real nodes under real faults: whatever happens to machines, network, disks and clocks, nothing
//! that was acknowledged is lost, nothing wrong is shown, and all show the same in the end.
//!
//! One round of each kind; the long form is the program `faults`.
#![expect(clippy::print_stdout, reason = "who asks for it sees each round")]

use gearmesh_tests::faults::{Kind, Spans, missing, run};
use gearmesh_tests::skip::skip;

/// One round of each of these kinds, on one plant.
fn rounds(test: &str, kinds: &[Kind]) {
    if let Some(reason) = missing() {
        return skip(test, &reason);
    }
    let seeds = kinds.iter().map(|kind| run::seed_of(*kind, run::seed())).collect();
    let outcome =
        run::Run { seeds, plants: 1, spans: Spans::SHORT }.run(&|line| println!("{line}"));
    assert!(outcome.failed.is_empty(), "{outcome}\n{}", outcome.failed.join("\n"));
    assert_eq!((outcome.rounds, outcome.lost), (kinds.len(), 0));
    println!("{test}: {outcome}");
}

#[test]
fn what_was_acknowledged_outlives_nodes_that_are_killed_stopped_and_off_in_time() {
    let test = "what_was_acknowledged_outlives_nodes_that_are_killed_stopped_and_off_in_time";
    rounds(test, &[Kind::Killed, Kind::TwoKilled, Kind::Stopped, Kind::Clock]);
}

#[test]
fn what_was_acknowledged_outlives_networks_that_are_cut_and_lose_packets() {
    let test = "what_was_acknowledged_outlives_networks_that_are_cut_and_lose_packets";
    rounds(test, &[Kind::Partition, Kind::OneWay, Kind::Loss]);
}

#[test]
fn what_was_acknowledged_outlives_disks_that_are_full_damaged_and_wiped() {
    let test = "what_was_acknowledged_outlives_disks_that_are_full_damaged_and_wiped";
    let damaged = [Kind::OverwrittenDown, Kind::OverwrittenUp];
    rounds(test, &[&[Kind::FullDisk, Kind::Wiped][..], &damaged].concat());
}
