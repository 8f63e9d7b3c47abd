//! A machine whose disk is put back to an older copy: its log forks, everybody says so, and it ends by
//! a person's word; nothing of either branch is lost or told twice.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::path::Path;

use gearmesh_node::evidence::{Counted, Verifier};
use gearmesh_protocol::export::ExportLine;
use gearmesh_protocol::inspect::{FindingKind, Why};
use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::values::{consumed, entries, publish, sorted, withheld};
use gearmesh_tests::wait::until;

/// Copies a folder with all that is in it; what is there already is gone.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).expect("an old folder");
    }
    std::fs::create_dir_all(to).expect("a folder");
    std::fs::set_permissions(to, std::fs::metadata(from).expect("a folder").permissions())
        .expect("a mode");
    for file in std::fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        let place = to.join(file.file_name());
        match file.file_type().expect("a kind") {
            kind if kind.is_dir() => copy(&file.path(), &place),
            kind if kind.is_file() => drop(std::fs::copy(file.path(), place).expect("a copy")),
            _ => {}
        }
    }
}

/// What an export of all values at a node proves of the press.
fn proven(plant: &Plant, at: &str) -> Counted {
    let said = plant.gearmesh(at, &["export", "--jsonl", "press-1/#"]).ok();
    let mut verifier = Verifier::default();
    for line in said.lines() {
        let line: ExportLine = serde_json::from_str(line).expect("a line");
        verifier.take(line).expect("it is right");
    }
    let evidence = verifier.finish().expect("it is right");
    let counted = evidence.authors.into_values().next();
    counted.expect("values of the press")
}

/// What is wrong with the press, as a node sees it.
fn why(plant: &Plant, at: &str) -> Vec<FindingKind> {
    let said = plant.gearmesh(at, &["why", "press-1", "--json"]).ok();
    let why: Why = serde_json::from_str(&said).expect("reasons");
    why.findings.iter().map(|finding| finding.kind).collect()
}

fn is_alarmed(plant: &Plant, at: &str) -> bool {
    let alarms = plant.status(at).alarms;
    alarms.iter().any(|alarm| alarm.contains("press-1 have two branches"))
}

/// A plant in which the press wrote 0 to 5, was put back to where it had written 0 to 2, and wrote
/// 100 and 101 while nobody else was there. `part` of its home was put back.
fn forked(part: &str) -> (Plant, u16, Vec<Daemon>) {
    let plant = Plant::founded();
    let port = free_port();
    let gateway = plant.up_at("gateway-1", port);
    plant.join("press-1");
    plant.join("robot-1");
    let robot = plant.up("robot-1");
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    let (home, image) = (plant.home("press-1"), plant.home("image"));
    let write = |numbers: std::ops::Range<i64>| {
        let press = plant.up("press-1");
        for at in ["gateway-1", "robot-1"] {
            plant.wait_for("press-1", at, Presence::Online);
        }
        numbers.for_each(|number| drop(publish(&plant, "press-1", number, "replicated=2")));
        press.kill();
    };
    write(0..3);
    copy(&home.join(part), &image);
    write(3..6);
    robot.kill();
    gateway.kill();

    copy(&image, &home.join(part));
    let press = plant.up("press-1");
    publish(&plant, "press-1", 100, "local");
    publish(&plant, "press-1", 101, "local");
    let nodes = vec![press, plant.up_at("gateway-1", port), plant.up("robot-1")];
    for at in ["gateway-1", "robot-1"] {
        plant.wait_for(at, "press-1", Presence::Online);
    }
    (plant, port, nodes)
}

#[test]
fn a_restored_disk_forks_the_log_until_a_person_settles_it() {
    let (plant, port, mut nodes) = forked("data");
    let everywhere = ["gateway-1", "press-1", "robot-1"];
    let all = [0, 1, 2, 3, 4, 5, 100, 101];
    for at in everywhere {
        until(&format!("{at} is alarmed"), || is_alarmed(&plant, at).then_some(()));
        until("both branches are there", || (sorted(&plant, at, "press-1/#") == all).then_some(()));
    }
    let aside = entries(&plant, "robot-1", "press-1/#");
    assert_eq!(aside.iter().filter(|entry| entry.fork).count(), 2, "{aside:?}");
    assert_eq!(proven(&plant, "gateway-1").on_forks, 2);
    assert_eq!(why(&plant, "robot-1"), [FindingKind::Forked]);
    let told = plant.gearmesh("gateway-1", &["why", "press-1"]).ok();
    assert!(told.contains("2 branches since group") && told.contains("(number 2)"), "{told}");
    assert!(told.contains("one of 3 entries") && told.contains("one of 2 entries"), "{told}");
    assert!(told.contains("type on press-1: gearmesh settle"), "{told}");
    assert_eq!(sorted_numbers(consumed(&plant, "gateway-1", 8)), all);

    drop(plant.gearmesh("gateway-1", &["settle", "press-1", "--yes"]).refused_with(228));
    drop(plant.gearmesh("gateway-1", &["settle", "--yes"]).refused_with(283));
    let unasked = plant.gearmesh("press-1", &["settle"]);
    assert!(unasked.err.contains("3 entries in 3 groups"), "{unasked:?}");
    assert!(unasked.err.contains("2 entries in 2 groups"), "{unasked:?}");
    drop(unasked.refused_with(251));
    assert!(is_alarmed(&plant, "press-1"), "nothing was done");

    let said = plant.gearmesh("press-1", &["settle", "press-1", "--yes"]).ok();
    assert!(said.contains("joins 2 branches"), "{said}");
    for at in everywhere {
        until(&format!("{at} is calm"), || plant.status(at).alarms.is_empty().then_some(()));
        assert_eq!(sorted(&plant, at, "press-1/#"), all, "each once at {at}");
        assert!(!entries(&plant, at, "press-1/#").iter().any(|entry| entry.fork), "at {at}");
        assert_eq!(why(&plant, at), [], "at {at}");
    }
    let told = plant.gearmesh("robot-1", &["why", "press-1"]).ok();
    assert_eq!(told.trim(), "nothing is wrong with press-1");
    publish(&plant, "press-1", 6, "replicated=2");
    assert_eq!(consumed(&plant, "gateway-1", 1), [6], "nothing is told twice");
    let counted = proven(&plant, "gateway-1");
    assert_eq!((counted.values, counted.on_forks, counted.breaks), (9, 0, 0));

    nodes.remove(1).kill();
    nodes.push(plant.up_at("gateway-1", port));
    assert!(!is_alarmed(&plant, "gateway-1"), "it stays so after a restart");
    assert_eq!(sorted(&plant, "gateway-1", "press-1/#").len(), 9);
}

fn sorted_numbers(mut numbers: Vec<i64>) -> Vec<i64> {
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_machine_whose_whole_home_was_put_back_is_shown_what_it_does_not_know() {
    let (plant, _, _nodes) = forked("");
    let strange = || {
        let alarms = plant.status("press-1").alarms;
        alarms.iter().any(|alarm| alarm.contains("two places")).then_some(())
    };
    until("the press is shown what it wrote before", strange);
    until("the fork is there", || is_alarmed(&plant, "robot-1").then_some(()));
    until("the press has both branches", || is_alarmed(&plant, "press-1").then_some(()));
    assert_eq!(why(&plant, "press-1"), [FindingKind::StrangeLife, FindingKind::Forked]);
    let told = plant.gearmesh("press-1", &["why", "press-1"]).ok();
    assert!(told.contains("gearmesh settle"), "{told}");
    drop(plant.gearmesh("press-1", &["settle", "--yes"]).ok());
    for at in ["press-1", "robot-1", "gateway-1"] {
        until(&format!("{at} is calm"), || plant.status(at).alarms.is_empty().then_some(()));
    }
    drop(plant.gearmesh("press-1", &["settle", "--yes"]).refused_with(283));
}

#[test]
fn a_clone_is_cried_with_cause_and_what_it_wrote_can_be_cut_away() {
    let (plant, _, gateway, press) = Plant::of_two();
    let last = [0, 1].map(|number| publish(&plant, "press-1", number, "replicated=1"))[1].group;
    press.kill();
    copy(&plant.home("press-1"), &plant.home("clone"));
    let _press = plant.up("press-1");
    let clone = plant.up("clone");
    publish(&plant, "press-1", 10, "local");
    publish(&plant, "clone", 20, "local");
    // Whoever heard of the other's value before it wrote went on behind it; otherwise there is a fork.
    let mut seen = Vec::new();
    until("the gateway sees two of it, and what both wrote", || {
        seen.extend(why(&plant, "gateway-1"));
        let has_all = sorted(&plant, "gateway-1", "press-1/#") == [0, 1, 10, 20];
        (has_all && seen.contains(&FindingKind::Clone)).then_some(())
    });
    until("one is shown what it did not write", || {
        let alarms = ["press-1", "clone"].map(|at| plant.status(at).alarms).concat();
        alarms.iter().any(|alarm| alarm.contains("signs in two places")).then_some(())
    });
    clone.kill();
    let cut = last.to_string();
    let words = ["revoke", "press-1", "--yes", "--reason", "compromised", "--cut", &cut[..12]];
    drop(plant.gearmesh("gateway-1", &words).ok());
    until("what came after that group is withheld", || {
        let found = (sorted(&plant, "gateway-1", "press-1/#"), withheld(&plant, "gateway-1", "#"));
        (found == (vec![0, 1], 2)).then_some(())
    });
    let told = plant.gearmesh("gateway-1", &["why", "press-1"]).ok();
    assert!(told.contains("2 of its 4 durable values lie beyond the cut"), "{told}");
    drop(gateway);
}
