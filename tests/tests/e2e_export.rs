//! Exports: a table for spreadsheets, and lines that prove without a node who wrote what. Whatever is
//! changed in them is found.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use gearmesh_node::evidence::{Counted, Evidence, Verifier, Wrong};
use gearmesh_protocol::export::{ExportLine, ExportedEntry};
use gearmesh_protocol::sample::Value;
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::wait::until;

fn publish(plant: &Plant, at: &str, topic: &str, value: &str, ack: &str) {
    drop(plant.gearmesh(at, &["pub", topic, value, "--durable", "--ack", ack]).ok());
}

fn lines(plant: &Plant, at: &str, words: &[&str]) -> Vec<ExportLine> {
    let said = plant.gearmesh(at, &[&["export", "--jsonl"], words].concat()).ok();
    said.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
}

fn verified(lines: &[ExportLine]) -> Result<Evidence, Wrong> {
    let mut verifier = Verifier::default();
    lines.iter().cloned().try_for_each(|line| verifier.take(line))?;
    verifier.finish()
}

/// A plant whose press wrote five counts and five temperatures, before and after the gateway's one.
fn with_values() -> (Plant, Daemon, Daemon) {
    let (plant, _, gateway, press) = Plant::of_two();
    for number in 0..5 {
        publish(&plant, "press-1", "part/count", &number.to_string(), "replicated=1");
        publish(&plant, "press-1", "oil/temperature", &format!("4{number}.5"), "replicated=1");
    }
    publish(&plant, "gateway-1", "note", "=HYPERLINK(\"x\")", "local");
    (plant, gateway, press)
}

#[test]
fn what_was_exported_is_proven_without_a_node() {
    let (plant, gateway, press) = with_values();
    let words = ["export", "--jsonl", "press-1/part/#"];
    let file = plant.home("gateway-1").with_extension("jsonl");
    std::fs::write(&file, plant.gearmesh("gateway-1", &words).ok()).expect("a file");
    gateway.kill();
    press.kill();
    let path = file.to_str().expect("a path");
    let said = plant.gearmesh("gateway-1", &["verify", path]).ok();
    assert!(said.contains("5 values of press-1") && said.contains("check words"), "{said}");
    let said = plant.gearmesh("gateway-1", &["verify", path, "--json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&said).expect("a report");
    assert_eq!(report["authors"][0]["values"], 5, "{report}");

    let text = std::fs::read_to_string(&file).expect("the export");
    std::fs::write(&file, text.replacen("\"integer\":3", "\"integer\":4", 1)).expect("a file");
    let err = plant.gearmesh("gateway-1", &["verify", path]).refused_with(282);
    assert!(err.contains("line") && err.contains("differs"), "{err}");
    std::fs::write(&file, "time,topic\n").expect("a file");
    drop(plant.gearmesh("gateway-1", &["verify", path]).refused_with(281));
    drop(plant.gearmesh("gateway-1", &["verify", "/nowhere"]).refused_with(259));
}

#[test]
fn whatever_is_changed_in_an_export_is_found() {
    let (plant, _gateway, _press) = with_values();
    let right = lines(&plant, "gateway-1", &["press-1/part/#"]);
    let press = plant.members("gateway-1").into_iter().find(|member| member.name == "press-1");
    let press = press.expect("the press").key;
    let evidence = verified(&right).expect("what the node wrote");
    let all = Counted { values: 5, ..Counted::default() };
    assert_eq!(evidence.authors.get(&press), Some(&all));

    for (at, line) in right.iter().enumerate() {
        for other in mutated(line) {
            let mut changed = right.clone();
            changed[at] = other;
            assert!(verified(&changed).is_err(), "line {at} was {line:?}, is {:?}", changed[at]);
        }
        let mut shorter = right.clone();
        shorter.remove(at);
        // A header without values of its own may go; the chain is then shown to be broken.
        let breaks = |evidence: Evidence| evidence.authors.get(&press).map_or(0, |it| it.breaks);
        let is_found = verified(&shorter).map_or(true, |evidence| breaks(evidence) > 0);
        let is_last_header = at + 2 == right.len();
        assert!(is_found || is_last_header, "line {at} was left out: {line:?}");
        let mut twice = right.clone();
        twice.insert(at, line.clone());
        let is_harmless = matches!(line, ExportLine::Group(_) | ExportLine::Ledger(_));
        assert!(is_harmless || verified(&twice).is_err(), "line {at} stands there twice: {line:?}");
    }
}

/// The line with something else in it.
fn mutated(line: &ExportLine) -> Vec<ExportLine> {
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        gearmesh_protocol::hex::HexBytes(bytes)
    };
    match line {
        ExportLine::Export { plant, by, at, .. } => {
            vec![ExportLine::Export { format: 2, plant: *plant, by: *by, at: *at }]
        }
        ExportLine::Ledger(bytes) => vec![ExportLine::Ledger(flipped(&bytes.0))],
        ExportLine::Group(bytes) => vec![ExportLine::Group(flipped(&bytes.0))],
        ExportLine::Entry(entry) => mutated_entries(entry)
            .into_iter()
            .map(|entry| ExportLine::Entry(Box::new(entry)))
            .chain([ExportLine::Entry(Box::new(ExportedEntry {
                proof: flipped(&entry.proof.0),
                ..(**entry).clone()
            }))])
            .collect(),
        ExportLine::Gap { .. } => Vec::new(),
        ExportLine::End { entries, withheld } => {
            vec![ExportLine::End { entries: entries + 1, withheld: *withheld }]
        }
    }
}

fn mutated_entries(entry: &ExportedEntry) -> Vec<ExportedEntry> {
    let changes: [fn(&mut ExportedEntry); 8] = [
        |entry| entry.value.sample.value = Value::Integer(1_000_000),
        |entry| entry.value.sample.source_time.0 += 1,
        |entry| entry.value.topic = "press-1/part/other".to_owned(),
        |entry| entry.value.author = "somebody".to_owned(),
        |entry| entry.value.entry += 1,
        |entry| entry.value.after_cut ^= true,
        |entry| entry.value.fork ^= true,
        |entry| entry.bytes.0[0] ^= 1,
    ];
    let change = |change: &fn(&mut ExportedEntry)| {
        let mut entry = entry.clone();
        change(&mut entry);
        entry
    };
    changes.iter().map(change).collect()
}

#[test]
fn what_a_revoked_machine_wrote_is_marked_and_proven() {
    let (plant, _gateway, _press) = with_values();
    let words = ["revoke", "press-1", "--reason", "retired", "--yes"];
    drop(plant.gearmesh("gateway-1", &words).ok());
    until("the revocation is in the export", || {
        let lines = lines(&plant, "gateway-1", &["press-1/#"]);
        let evidence = verified(&lines).expect("an export");
        (!evidence.roster.revoked().is_empty()).then_some(())
    });
    let lines = lines(&plant, "gateway-1", &["press-1/#"]);
    let evidence = verified(&lines).expect("an export");
    let counted: Vec<&Counted> = evidence.authors.values().collect();
    let [counted] = counted[..] else { panic!("one author: {counted:?}") };
    assert_eq!((counted.values, counted.after_cut), (10, 0), "all lie before the cut");
}

#[test]
fn a_table_holds_every_value_and_carries_nothing_out() {
    let (plant, _gateway, _press) = with_values();
    let said = plant.gearmesh("gateway-1", &["export", "--csv"]).ok();
    let mut rows = said.lines();
    assert_eq!(rows.next(), Some("time,topic,value,unit,quality,author,after_cut,fork,replay"));
    assert_eq!(rows.clone().count(), 11, "{said}");
    let counts = rows.clone().filter(|row| row.contains("press-1/part/count"));
    assert_eq!(counts.count(), 5, "{said}");
    assert!(said.contains("\"'=HYPERLINK(\"\"x\"\")\""), "{said}");
    let err = plant.gearmesh("gateway-1", &["export"]);
    assert_eq!(err.code, Some(2), "a form has to be chosen: {}", err.err);
}
