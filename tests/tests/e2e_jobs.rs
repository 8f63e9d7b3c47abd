//! Machines that hand work to whoever can do it, with real nodes and programs: whatever is killed in
//! between, exactly one completion is recorded, or a failure with its reason.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use gearmesh_protocol::local::Presence;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::wait::until;
use serde_json::Value;

/// A plant in which the gateway offers, and press and robot pack.
struct Cell {
    plant: Plant,
    port: u16,
    nodes: Vec<(&'static str, Daemon)>,
    serving: Vec<(&'static str, Daemon)>,
}

impl Cell {
    fn new() -> Self {
        let plant = Plant::founded();
        let port = free_port();
        let gateway = plant.up_at("gateway-1", port);
        let mut nodes = vec![("gateway-1", gateway)];
        for machine in ["press-1", "robot-1"] {
            plant.join(machine);
            nodes.push((machine, plant.up(machine)));
            plant.wait_for("gateway-1", machine, Presence::Online);
        }
        plant.wait_for("press-1", "robot-1", Presence::Online);
        Self { plant, port, nodes, serving: Vec::new() }
    }

    /// A machine packs with a script, and the gateway knows of it.
    fn pack(&mut self, machine: &'static str, rest: &str) {
        let folder = self.file("");
        let path = folder.join(format!("{machine}.sh"));
        let text = format!(
            "#!/bin/sh\ncd {}\necho \"{machine} $GEARMESH_TOKEN\" >> packed\n{rest}\n",
            folder.display()
        );
        std::fs::write(&path, text).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
        let path = path.display().to_string();
        let words = ["serve", "pack", "--exec", &path, "--jobs"];
        self.serving.push((machine, self.plant.begin(machine, &words)));
        self.wait_for_worker(machine);
    }

    fn wait_for_worker(&self, machine: &str) {
        until("the gateway knows who packs", || {
            let said = self.plant.gearmesh("gateway-1", &["verbs", machine, "--json"]);
            let verbs: Value = serde_json::from_str(&said.out).ok()?;
            (verbs[0]["jobs"] == true).then_some(())
        });
    }

    fn file(&self, name: &str) -> PathBuf {
        self.plant.home("press-1").with_file_name(name)
    }

    fn packed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file("packed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn offer(&self, words: &[&str]) -> Said {
        self.plant.gearmesh("gateway-1", &[&["offer", "pack"], words].concat())
    }

    fn offered(&self, words: &[&str]) -> String {
        self.offer(words).ok().trim().to_owned()
    }

    fn items(&self, at: &str, words: &[&str]) -> Vec<Value> {
        let said = self.plant.gearmesh(at, &[&["jobs", "--json"], words].concat()).ok();
        serde_json::from_str(&said).expect("items")
    }

    fn item(&self, id: &str) -> Option<Value> {
        self.items("gateway-1", &[]).into_iter().find(|item| item["id"] == id)
    }

    fn wait_for(&self, id: &str, state: &str) -> Value {
        until(&format!("{id} is {state}"), || self.item(id).filter(|item| item["state"] == state))
    }

    /// Waits until somebody has begun to pack. Who.
    fn packer(&self) -> &'static str {
        until("somebody packs", || {
            let packed = self.packed();
            let line = packed.last()?;
            ["press-1", "robot-1"].into_iter().find(|name| line.starts_with(name))
        })
    }

    fn kill(&mut self, name: &str) {
        let at = self.nodes.iter().position(|(node, _)| *node == name).expect("a node");
        self.nodes.remove(at).1.kill();
    }

    fn start(&mut self, name: &'static str) {
        let daemon = match name {
            "gateway-1" => self.plant.up_at(name, self.port),
            _ => self.plant.up(name),
        };
        self.nodes.push((name, daemon));
    }

    fn let_go(&self) {
        std::fs::write(self.file("go"), "").expect("a file");
    }
}

/// A script that works until it is let go, or its test is over.
const PATIENT: &str = "while [ -e packed ] && [ ! -e go ]; do sleep 0.05; done; echo '\"packed\"'";

#[test]
fn it_is_done_by_whoever_can_and_what_came_of_it_can_be_seen() {
    let mut cell = Cell::new();
    let said = cell.offer(&["{\"part\":17}"]);
    assert!(said.err.contains("no machine that is linked takes pack"), "{said:?}");
    let id = said.ok().trim().to_owned();
    assert_eq!(cell.item(&id).expect("an item")["state"], "offered");
    cell.pack("press-1", "cat");
    let item = cell.wait_for(&id, "completed");
    assert_eq!((&item["worker"], &item["result"]["part"]), (&"press-1".into(), &17.into()));
    // The same again is the same item, and other words under its id are none.
    assert_eq!(cell.offered(&["{\"part\":17}", "--id", &id]), id);
    let _ = cell.offer(&["{\"part\":18}", "--id", &id]).refused_with(172);
    let waited = cell.offer(&["{\"part\":19}", "--wait"]).ok();
    assert_eq!(waited.trim(), "{\"part\":19}");
    assert_eq!(cell.packed().len(), 2);
    until("the press has it in its copy", || {
        let all = cell.items("press-1", &["--all"]);
        all.iter()
            .any(|item| item["id"] == id.as_str() && item["state"] == "completed")
            .then_some(())
    });
    let _ = cell.plant.gearmesh("gateway-1", &["jobs", "cancel", &id]).refused_with(310);
}

#[test]
fn two_machines_share_the_work_and_nothing_is_done_twice() {
    let mut cell = Cell::new();
    cell.pack("press-1", "sleep 0.05; cat");
    cell.pack("robot-1", "sleep 0.05; cat");
    let ids: Vec<String> = (0..20).map(|part| cell.offered(&[&part.to_string()])).collect();
    for id in &ids {
        cell.wait_for(id, "completed");
    }
    let mut packed = cell.packed();
    assert_eq!(packed.len(), 20);
    for machine in ["press-1", "robot-1"] {
        assert!(packed.iter().any(|line| line.starts_with(machine)), "{machine} did nothing");
    }
    packed.sort_unstable();
    packed.dedup();
    assert_eq!(packed.len(), 20, "a token was given twice");
}

#[test]
fn what_a_killed_machine_had_is_offered_again() {
    let mut cell = Cell::new();
    cell.pack("press-1", PATIENT);
    cell.pack("robot-1", PATIENT);
    let id = cell.offered(&["17", "--ttl", "2s"]);
    let first = cell.packer();
    cell.kill(first);
    let second = until("another one packs", || {
        let packed = cell.packed();
        (packed.len() == 2).then(|| cell.packer())
    });
    assert_ne!(first, second);
    cell.let_go();
    let item = cell.wait_for(&id, "completed");
    assert_eq!((&item["worker"], &item["takes"]), (&second.into(), &2.into()));
    // The first one comes back, and what it began counts no more.
    cell.start(first);
    cell.plant.wait_for("gateway-1", first, Presence::Online);
    let item = cell.item(&id).expect("an item");
    assert_eq!((&item["state"], &item["worker"]), (&"completed".into(), &second.into()));
    assert_eq!(cell.packed().len(), 2);
}

#[test]
fn an_offerer_that_is_killed_records_one_completion() {
    let mut cell = Cell::new();
    cell.pack("press-1", PATIENT);
    let id = cell.offered(&["17"]);
    let waiting = cell.offered(&["18"]);
    let _ = cell.packer();
    cell.kill("gateway-1");
    cell.let_go();
    cell.start("gateway-1");
    for id in [&id, &waiting] {
        let item = cell.wait_for(id, "completed");
        assert_eq!((&item["takes"], &item["result"]), (&1.into(), &"packed".into()));
    }
    assert_eq!(cell.packed().len(), 2);
    // It is as true after another start.
    cell.kill("gateway-1");
    cell.start("gateway-1");
    until("the log was read", || {
        let items = cell.items("gateway-1", &[]);
        (items.len() == 2 && items.iter().all(|item| item["state"] == "completed")).then_some(())
    });
    assert_eq!(cell.offered(&["17", "--id", &id]), id);
    assert_eq!(cell.packed().len(), 2);
}

#[test]
fn a_program_that_cannot_do_it_is_reported() {
    let mut cell = Cell::new();
    cell.pack("press-1", "echo no parts >&2; exit 3");
    let id = cell.offered(&["17"]);
    let item = cell.wait_for(&id, "failed");
    let why = item["trouble"].as_str().expect("why");
    assert!(why.contains("no parts") && item["takes"] == 1, "{item}");
    let again = cell.offered(&["18", "--retry-failed", "--tries", "2"]);
    assert_eq!(cell.wait_for(&again, "failed")["takes"], 2);
    let _ = cell.offer(&["19", "--wait"]).refused_with(312);
}

#[test]
fn a_program_that_is_killed_in_between_does_not_end_the_work() {
    let mut cell = Cell::new();
    cell.pack("press-1", PATIENT);
    let id = cell.offered(&["17", "--ttl", "2s"]);
    let _ = cell.packer();
    // Its serving command goes, with the program; another machine can pack, too.
    let (_, serving) = cell.serving.remove(0);
    serving.kill();
    cell.pack("robot-1", "echo 1");
    let item = cell.wait_for(&id, "completed");
    assert_eq!((&item["worker"], &item["takes"]), (&"robot-1".into(), &2.into()));
}

#[test]
fn what_nobody_has_taken_can_be_cancelled() {
    let cell = Cell::new();
    let id = cell.offered(&["17"]);
    let _ = cell.plant.gearmesh("gateway-1", &["jobs", "cancel", &id]).ok();
    assert_eq!(cell.wait_for(&id, "failed")["trouble"], "cancelled");
    let unknown = "00112233445566778899aabbccddeeff";
    let _ = cell.plant.gearmesh("gateway-1", &["jobs", "cancel", unknown]).refused_with(308);
}

#[test]
fn the_work_of_a_machine_that_is_thrown_out_finds_a_new_home() {
    let mut cell = Cell::new();
    let said = cell.plant.gearmesh("press-1", &["offer", "pack", "17"]).ok();
    let old = said.trim().to_owned();
    until("the gateway has it in its copy", || {
        let all = cell.items("gateway-1", &["--all"]);
        all.iter().any(|item| item["id"] == old.as_str()).then_some(())
    });
    let rehome = ["jobs", "rehome", "press-1", "--json"];
    let _ = cell.plant.gearmesh("gateway-1", &rehome[..3]).refused_with(311);
    let revoke = ["revoke", "press-1", "--reason", "lost", "--yes"];
    let _ = cell.plant.gearmesh("gateway-1", &revoke);
    let orphan = |item: &Value| item["id"] == old.as_str() && item["orphaned"] == true;
    assert!(cell.items("gateway-1", &["--all"]).iter().any(orphan));
    let rehomed = |cell: &Cell| -> Value {
        let said = cell.plant.gearmesh("gateway-1", &rehome).ok();
        serde_json::from_str(&said).expect("items")
    };
    let first = rehomed(&cell);
    assert_eq!((first.as_array().map(Vec::len), &first[0]["old"]), (Some(1), &old.as_str().into()));
    assert_eq!(rehomed(&cell), first, "however often somebody asks for it");
    cell.pack("robot-1", "cat");
    let id = first[0]["id"].as_str().expect("an id");
    assert_eq!(cell.wait_for(id, "completed")["instead_of"], old.as_str());
    assert_eq!(cell.packed().len(), 1);
}

#[test]
fn what_was_done_before_its_offerer_heard_of_it_is_not_offered_again() {
    let mut cell = Cell::new();
    cell.pack("robot-1", PATIENT);
    until("the press knows who packs", || {
        let said = cell.plant.gearmesh("press-1", &["verbs", "robot-1", "--json"]);
        let verbs: Value = serde_json::from_str(&said.out).ok()?;
        (verbs[0]["jobs"] == true).then_some(())
    });
    let old = cell.plant.gearmesh("press-1", &["offer", "pack", "17"]).ok().trim().to_owned();
    let _ = cell.packer();
    until("the gateway has in its copy who took it", || {
        let all = cell.items("gateway-1", &["--all"]);
        let is_taken = |item: &Value| item["id"] == old.as_str() && item["state"] == "taken";
        all.iter().any(is_taken).then_some(())
    });
    cell.kill("press-1");
    cell.let_go();
    let revoke = ["revoke", "press-1", "--reason", "lost", "--yes"];
    let _ = cell.plant.gearmesh("gateway-1", &revoke);
    until("the gateway has in its copy of the robot's log that it was done", || {
        let said = cell.plant.gearmesh("gateway-1", &["log"]).ok();
        said.contains("asks robot-1 to pack: done").then_some(())
    });
    let said = cell.plant.gearmesh("gateway-1", &["jobs", "rehome", "press-1"]).ok();
    assert_eq!(said, format!("{old}  was done by robot-1\n"));
    assert_eq!(cell.packed().len(), 1);
}

#[test]
fn a_log_that_is_full_takes_no_new_work_and_forgets_none() {
    let plant = Plant::founded();
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let small = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep-bytes", "1M"];
    let press = plant.up_with("press-1", &small);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let old = plant.gearmesh("press-1", &["offer", "pack", "17"]).ok().trim().to_owned();
    gateway.kill();
    plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
    let long = "x".repeat(400 << 10);
    for _ in 0..8 {
        let body = format!(
            r#"{{"topic":"note","sample":{{"value":{{"text":"{long}"}},"quality":"good","source_time":0,"unit":null}}}}"#
        );
        let _ = Api::of(&plant.home("press-1")).post_json("/v1/durable", &body);
    }
    drop(press);
    let _press = plant.up_with("press-1", &small);
    until("the log is found to be full", || {
        let said = plant.gearmesh("press-1", &["offer", "pack", "18"]);
        said.err.contains("[code 146]").then_some(())
    });
    let said = plant.gearmesh("press-1", &["jobs", "--json"]).ok();
    let items: Value = serde_json::from_str(&said).expect("items");
    assert!(items.as_array().expect("a list").iter().any(|item| item["id"] == old.as_str()));
}

#[test]
fn an_observer_offers_nothing_and_the_local_api_says_what_is_wrong() {
    let plant = Plant::founded();
    let _gateway = plant.up_at("gateway-1", free_port());
    let code = plant.code("panel", &["--role", "observer"]);
    let _ = plant.gearmesh("panel", &["join", &code]).ok();
    let _panel = plant.up("panel");
    until("the panel is told no", || {
        plant.gearmesh("panel", &["offer", "pack"]).err.contains("[code 170]").then_some(())
    });
    let mut api = Api::of(&plant.home("gateway-1"));
    let id = r#"{"id":"00112233445566778899aabbccddeeff"}"#;
    for (path, body, code) in [
        ("/v1/offer", r#"{"verb":"pack","silence_ms":999}"#, 260),
        ("/v1/offer", r#"{"verb":"pack","tries":0}"#, 260),
        ("/v1/offer", r#"{"verb":"Pack"}"#, 260),
        ("/v1/jobs/cancel", id, 308),
        ("/v1/serve", r#"{"verb":"pack","query":true,"jobs":true}"#, 260),
    ] {
        let answer = api.post_json(path, body);
        assert!(answer.body.contains(&format!("\"code\":{code}")), "{path} {body}: {answer:?}");
    }
    let long = format!(r#"{{"verb":"pack","arguments":"{}"}}"#, "x".repeat(70 << 10));
    let answer = api.post_json("/v1/offer", &long);
    assert!(answer.body.contains("\"code\":153"), "{answer:?}");
}
