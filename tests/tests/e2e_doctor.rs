//! Looking after a machine: what `doctor`, `verify --ledger` and `log` say, and that it is so.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;

use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::wait::until;
use serde_json::Value;

/// What the doctor says of one check, and how it ended.
fn doctor(plant: &Plant, name: &str) -> (Option<i32>, Vec<Value>) {
    let said = plant.gearmesh(name, &["doctor", "--json"]);
    let findings = serde_json::from_str(&said.out);
    (said.code, findings.unwrap_or_else(|error| panic!("{error}: {said:?}")))
}

fn verdict<'a>(findings: &'a [Value], check: &str) -> &'a str {
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.and_then(|finding| finding["verdict"].as_str()).unwrap_or("not looked at")
}

fn mends(findings: &[Value], check: &str) -> String {
    let of_check = findings.iter().filter(|finding| finding["check"] == check);
    of_check.map(|finding| finding["mend"].to_string()).collect()
}

#[test]
fn a_sound_machine_is_found_sound_with_evidence() {
    let (plant, port, _gateway, press) = Plant::of_two();
    let (code, findings) = doctor(&plant, "gateway-1");
    assert_eq!(code, Some(0), "{findings:?}");
    for check in ["permissions", "settings", "clock", "ledger", "node", "members", "outside"] {
        assert_eq!(verdict(&findings, check), "fine", "{check}: {findings:?}");
    }
    assert!(findings.iter().all(|finding| !finding["evidence"].as_str().unwrap_or("").is_empty()));
    // On loopback alone nobody else can reach it, and without multicast nobody finds it.
    assert_eq!(verdict(&findings, "ports"), "look");
    assert_eq!(verdict(&findings, "multicast"), "look");
    let ports = findings.iter().find(|finding| finding["check"] == "ports").expect("ports");
    assert!(ports["evidence"].to_string().contains(&format!("127.0.0.1:{port}")), "{ports}");
    press.kill();
    until("the doctor names who is away", || {
        let (code, findings) = doctor(&plant, "gateway-1");
        let is_named = mends(&findings, "members").contains("why press-1");
        (code == Some(1) && verdict(&findings, "members") == "wrong" && is_named).then_some(())
    });
}

#[test]
fn a_machine_without_a_node_is_looked_at_too() {
    let plant = Plant::founded();
    let (code, findings) = doctor(&plant, "gateway-1");
    assert_eq!((code, verdict(&findings, "node")), (Some(0), "look"), "{findings:?}");
    assert!(mends(&findings, "node").contains(" up"));
    let key = plant.home("gateway-1").join("node.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("a chmod");
    std::fs::write(plant.home("gateway-1").join("gearmesh.toml"), "[keep]\nbyts = \"1G\"")
        .expect("a file");
    let (code, findings) = doctor(&plant, "gateway-1");
    assert_eq!(code, Some(1));
    assert_eq!(verdict(&findings, "permissions"), "wrong", "{findings:?}");
    assert!(mends(&findings, "permissions").contains("chmod go-rwx"), "{findings:?}");
    assert_eq!(verdict(&findings, "settings"), "wrong", "{findings:?}");
    let said = plant.gearmesh("gateway-1", &["doctor"]).refused_with(402);
    assert!(said.contains("2 things need a person"), "{said}");
}

#[test]
fn a_damaged_journal_does_not_pass() {
    let plant = Plant::founded();
    for name in ["press-1", "press-2"] {
        let node = plant.up_at("gateway-1", free_port());
        let _ = plant.code(name, &[]);
        node.kill();
    }
    let proven = plant.gearmesh("gateway-1", &["verify", "--ledger"]).ok();
    assert!(proven.contains("Plant     Test plant        check words:"), "{proven}");
    assert!(!proven.contains("WRONG") && !proven.contains("DAMAGED"), "{proven}");
    let journal = plant.home("gateway-1").join("journal");
    let length = std::fs::metadata(&journal).expect("a journal").len();
    let mut file = std::fs::OpenOptions::new().write(true).open(&journal).expect("a journal");
    file.seek(SeekFrom::Start(length / 2)).expect("a place");
    file.write_all(&[0xff; 8]).expect("damage");
    let said = plant.gearmesh("gateway-1", &["verify"]);
    assert!(said.out.contains("DAMAGED"), "{said:?}");
    let _ = said.refused_with(400);
    let (code, findings) = doctor(&plant, "gateway-1");
    assert_eq!((code, verdict(&findings, "ledger")), (Some(1), "wrong"), "{findings:?}");
}

#[test]
fn the_trail_says_who_did_what_and_commands_are_in_it() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let serving = plant.begin("press-1", &["serve", "load", "--exec", "cat"]);
    let call = ["call", "press-1", "load", "{\"part\":17}"];
    until("the verb is known", || {
        (plant.gearmesh("gateway-1", &call).code == Some(0)).then_some(())
    });
    let _ = plant.code("press-2", &[]);
    let trail = |more: &[&str]| plant.gearmesh("gateway-1", &[&["log"], more].concat()).ok();
    let whole = until("the command's record is replicated", || {
        Some(trail(&[])).filter(|text| text.contains("asks press-1 to load: done"))
    });
    for line in
        ["founds the plant Test plant", "invites press-1", "admits press-1", "invites press-2"]
    {
        assert!(whole.contains(line), "{line}: {whole}");
    }
    let of_press = trail(&["press-1"]);
    assert!(of_press.contains("admits press-1") && of_press.contains("load: done"), "{of_press}");
    assert!(!of_press.contains("press-2") && !of_press.contains("founds"), "{of_press}");
    let last = trail(&["--count", "1", "--json"]);
    assert_eq!(last.lines().count(), 1);
    let line: Value = serde_json::from_str(last.trim()).expect("a line of JSON");
    assert_eq!((line["kind"].as_str(), line["whom"].as_str()), (Some("trust"), Some("press-2")));
    drop(serving);
}
