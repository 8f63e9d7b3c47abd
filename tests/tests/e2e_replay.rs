//! Recordings that are played: every value says that it is one, wherever it comes out.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::{Path, PathBuf};

use gearmesh_protocol::local::SubscribeEvent;
use gearmesh_protocol::sample::{Quality, Value};
use gearmesh_tests::api::Follower;
use gearmesh_tests::cli::gearmesh;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::skip::skip;

/// Recordings of real machines are not part of the repository: the folder that `GEARMESH_DATA` names,
/// or `shared/data` beside the repository.
fn recordings() -> Option<PathBuf> {
    let named = std::env::var_os("GEARMESH_DATA").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let beside = above.map(|above| above.join("shared/data"));
    named.or(beside).filter(|folder| folder.is_dir())
}

/// A recording of this text.
fn recording(plant: &Plant, name: &str, text: &str) -> String {
    let path = plant.home("press-1").with_file_name(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn every_value_is_marked_and_keeps_the_time_at_which_it_was_recorded() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let text = "2022-08-08T13:51:34.7167146Z|S1load|17.5|mode|AUTOMATIC\n\
                2022-08-08T13:51:35.0000000Z|coolant_cond|FAULT|2017|||Coolant low\n\
                2022-08-08T13:51:35.5000000Z|@ASSET@|T1|CuttingTool|<x/>\n\
                2022-08-08T13:51:36.0000000Z|S1load|UNAVAILABLE\n";
    let file = recording(&plant, "okuma.txt", text);
    let mut following = Follower::of(&plant.home("gateway-1"), "press-1/tape/#");
    let played =
        plant.gearmesh("press-1", &["replay", &file, "--as", "tape", "--speed", "10x"]).ok();
    assert!(played.contains("played 4 values, each marked as replay"), "{played}");
    let mut samples = Vec::new();
    while samples.len() < 4 {
        if let SubscribeEvent::Sample(delivered) = following.next_event() {
            samples.push(delivered);
        }
    }
    assert!(samples.iter().all(|delivered| delivered.sample.replay), "{samples:?}");
    let of = |topic: &'static str| samples.iter().filter(move |delivered| delivered.topic == topic);
    let load: Vec<_> = of("press-1/tape/S1load").map(|delivered| &delivered.sample).collect();
    assert_eq!(load[0].value, Value::Float(17.5));
    assert_eq!(load[0].source_time.to_string(), "2022-08-08T13:51:34Z");
    assert_eq!((load[1].quality, load.len()), (Quality::Bad, 2));
    let condition = of("press-1/tape/coolant_cond").next().expect("a condition");
    assert_eq!(condition.sample.value, Value::Text("FAULT 2017 Coolant low".to_owned()));
    // People see it too, and the age is that of the recording.
    let said = plant.gearmesh("gateway-1", &["get", "press-1/tape/#"]).ok();
    assert_eq!(said.matches("replay)").count(), 3, "{said}");
    assert!(said.contains("AUTOMATIC  (replay)") && said.contains("(bad, replay)"), "{said}");
}

#[test]
fn a_mark_is_signed_with_a_durable_value_and_stays_in_exports() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let body = r#"{"topic":"part","sample":{"value":{"integer":7},"quality":"good","source_time":9,"unit":null,"replay":true},"ack":{"replicated":1}}"#;
    let answer =
        gearmesh_tests::api::Api::of(&plant.home("press-1")).post_json("/v1/durable", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let history = plant.gearmesh("gateway-1", &["history", "press-1/part"]).ok();
    assert!(history.contains("press-1/part  7  (replay)"), "{history}");
    let table = plant.gearmesh("gateway-1", &["export", "press-1/part", "--csv"]).ok();
    assert!(table.lines().nth(1).is_some_and(|line| line.ends_with(",true")), "{table}");
}

#[test]
fn tables_are_played_and_what_is_no_recording_is_refused() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let text = "timestamp,Air temperature [K],state\n2013-12-02 21:15:00,298.1,on\n2013-12-02 21:15:01,298.2,off\n";
    let file = recording(&plant, "air.csv", text);
    let _ = plant.gearmesh("press-1", &["replay", &file, "--speed", "100x"]).ok();
    let said = plant.gearmesh("press-1", &["get", "press-1/replay/#"]).ok();
    assert!(said.contains("press-1/replay/Air-temperature  298.2 K  (replay)"), "{said}");
    let _ = plant.gearmesh("press-1", &["replay", "/nowhere"]).refused_with(407);
    let file = recording(&plant, "novel.txt", "Call me Ishmael.\n");
    let _ = plant.gearmesh("press-1", &["replay", &file]).refused_with(408);
}

#[test]
fn a_recording_of_a_real_machine_is_played() {
    let name = "a_recording_of_a_real_machine_is_played";
    let Some(folder) = recordings() else {
        return skip(
            name,
            "no recordings: GEARMESH_DATA names no folder, nor is there ../shared/data",
        );
    };
    let okuma = folder.join("okuma_mtconnect/okuma.shdr.txt").display().to_string();
    let said = gearmesh(&["demo", "--once", "--replay", &okuma]).ok();
    assert!(said.contains("steps passed"), "{said}");
    let (plant, _, _gateway, _press) = Plant::of_two();
    let played = plant.gearmesh("press-1", &["replay", &okuma, "--speed", "10000x"]).ok();
    let count = played.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > 10_000), "{played}");
    let said = plant.gearmesh("press-1", &["get", "press-1/replay/ppartcount"]).ok();
    assert!(said.contains("(replay)"), "{said}");
}
