//! What a node says, as lines of JSON: the fields that docs/operations.md names, and no others.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::collections::BTreeSet;

use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::wait::until;
use serde_json::{Map, Value};

const PAGE: &str = include_str!("../../docs/operations.md");

/// The words in backquotes of the row of the page that begins with such a cell.
fn documented(row: &str) -> BTreeSet<String> {
    let line = PAGE.lines().find(|line| line.starts_with(row)).expect("a row");
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn lines(text: &str) -> Vec<Map<String, Value>> {
    text.lines().map(|line| serde_json::from_str(line).expect("an object on each line")).collect()
}

#[test]
fn a_node_speaks_in_objects_whose_fields_are_documented() {
    let mut plant = Plant::founded();
    plant.log_as("info");
    std::fs::write(plant.home("gateway-1").join("gearmesh.toml"), "[log]\nform = \"json\"\n")
        .expect("a file");
    let _gateway = plant.up_with("gateway-1", &["--listen", "127.0.0.1:0", "--no-mdns"]);
    plant.join("press-1");
    let words = ["--listen", "127.0.0.1:0", "--no-mdns", "--log", "json"];
    let press = plant.up_with("press-1", &words);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    assert_eq!(press.stop(), Some(0));
    let said = until("the gateway tells of it", || {
        Some(plant.log("gateway-1")).filter(|log| log.contains("press-1 was stopped"))
    });
    let events = documented("| `event`");
    let mut seen = BTreeSet::new();
    for line in lines(&said).into_iter().chain(lines(&plant.log("press-1"))) {
        assert!(line["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{line:?}");
        assert!(line["at_ms"].is_u64() && line["message"].is_string(), "{line:?}");
        let level = line["level"].as_str().expect("a level").to_owned();
        assert!(documented("| `level`").contains(&level), "{line:?}");
        let known = ["at", "at_ms", "level", "event", "message", "source", "fields"];
        assert!(line.keys().all(|key| known.contains(&key.as_str())), "{line:?}");
        match line.get("event").and_then(Value::as_str) {
            Some(event) => {
                assert!(event.is_empty() || events.contains(event), "{line:?}");
                seen.insert(event.to_owned());
            }
            None => assert!(line["source"].is_string(), "{line:?}"),
        }
    }
    for event in ["node running", "listening", "plant", "joined", "linked", "left", "stopped"] {
        assert!(seen.contains(event), "{event}: {seen:?}");
    }
}
