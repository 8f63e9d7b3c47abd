//! Machines that ask each other to do things, with real nodes and programs: what is asked is done at
//! most once, and whatever goes wrong has a name.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use gearmesh_protocol::local::Presence;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::wait::{until, within};

/// A plant in which the gateway calls and the press serves.
struct Cell {
    plant: Plant,
    port: u16,
    gateway: Option<Daemon>,
    press: Option<Daemon>,
    /// Programs that serve; they end with this.
    served: Vec<Daemon>,
}

impl Cell {
    fn new() -> Self {
        let (plant, port, gateway, press) = Plant::of_two();
        Self { plant, port, gateway: Some(gateway), press: Some(press), served: Vec::new() }
    }

    /// A file of the test's own.
    fn file(&self, name: &str) -> PathBuf {
        self.plant.home("press-1").with_file_name(name)
    }

    /// A shell script that notes that it ran, and then does the rest.
    fn script(&self, rest: &str) -> PathBuf {
        let path = self.file("program.sh");
        let ran = self.file("ran");
        let text = format!("#!/bin/sh\necho \"$GEARMESH_ID\" >> {}\n{rest}\n", ran.display());
        std::fs::write(&path, text).expect("a script");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&path, mode).expect("a mode");
        path
    }

    /// How often the script ran.
    fn ran(&self) -> usize {
        std::fs::read_to_string(self.file("ran")).map_or(0, |text| text.lines().count())
    }

    /// Serves `load` at the press with a script, until the gateway knows of it.
    fn serve(&mut self, rest: &str, words: &[&str]) {
        let script = self.script(rest);
        self.serve_with(&script.display().to_string(), words);
    }

    fn serve_with(&mut self, program: &str, words: &[&str]) {
        let all = [&["serve", "load", "--exec", program], words].concat();
        self.served.push(self.plant.begin("press-1", &all));
        self.wait_for_verb();
    }

    fn wait_for_verb(&self) {
        until("the gateway knows the verb", || {
            let said = self.plant.gearmesh("gateway-1", &["verbs", "press-1"]);
            said.out.contains("load").then_some(())
        });
    }

    fn call(&self, words: &[&str]) -> Said {
        let all = [&["call", "press-1", "load"], words].concat();
        self.plant.gearmesh("gateway-1", &all)
    }

    /// A call that is not waited for.
    fn begin_call(&self, words: &[&str]) -> Child {
        let all = [&["call", "press-1", "load"], words].concat();
        let mut command = self.plant.command_at("gateway-1", &all);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gearmesh starts")
    }

    fn kill_press(&mut self) {
        self.press.take().expect("a press").kill();
    }

    fn start_press(&mut self) {
        self.press = Some(self.plant.up("press-1"));
        self.plant.wait_for("gateway-1", "press-1", Presence::Online);
    }
}

fn said(child: Child) -> Said {
    child.wait_with_output().expect("gearmesh ends").into()
}

#[test]
fn a_machine_does_what_it_is_asked_and_answers() {
    let mut cell = Cell::new();
    cell.serve(r#"read part; echo "{\"loaded\": $part, \"for\": \"$GEARMESH_CALLER\"}""#, &[]);
    let done = cell.call(&[r#"{"part": 17}"#]);
    assert_eq!(done.err, "received\naccepted\n");
    assert_eq!(done.ok(), "{\"for\":\"gateway-1\",\"loaded\":{\"part\":17}}\n");
    let json = cell.call(&["3", "--json"]).ok();
    let states: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<_> = states.iter().map(|event| event["state"].as_str()).collect();
    assert_eq!(names, [Some("received"), Some("accepted"), Some("done")]);
    assert_eq!(states[2]["result"]["loaded"], 3);
    // A machine may ask itself.
    let own = cell.plant.gearmesh("press-1", &["call", "press-1", "load", "1"]).ok();
    assert!(own.contains("\"for\":\"press-1\""), "{own}");
    let status = cell.plant.status("press-1");
    assert_eq!((status.counters.commands, cell.ran()), (3, 3));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_executed() {
    let mut cell = Cell::new();
    let schema = cell.file("load.json");
    let text = r#"{"type":"object","properties":{"part":{"type":"integer"}},"required":["part"]}"#;
    std::fs::write(&schema, text).expect("a schema");
    cell.serve("echo true", &["--schema", schema.to_str().expect("a path")]);
    let listed = cell.plant.gearmesh("gateway-1", &["verbs"]).ok();
    assert!(listed.contains("{part: integer}"), "{listed}");
    for wrong in [&[r#"{"part": "x"}"#][..], &["{}"], &[]] {
        let _ = cell.call(wrong).refused_with(152);
    }
    let _ = cell.plant.gearmesh("gateway-1", &["call", "press-1", "lod", "{}"]).refused_with(150);
    let _ = cell.call(&["{part: 17}"]).refused_with(290);
    let _ = cell.call(&[r#"{"part": 17}"#, "--query"]).refused_with(157);
    let _ = cell.plant.gearmesh("gateway-1", &["call", "robot-9", "load"]).refused_with(236);
    let long = format!("\"{}\"", "x".repeat(64 << 10));
    let words = ["call", "press-1", "load", "-"];
    let _ = cell.plant.gearmesh_reading("gateway-1", &words, &long).refused_with(153);
    assert_eq!(cell.ran(), 0);
    let _ = cell.call(&[r#"{"part": 17}"#]).ok();
    let counters = cell.plant.status("press-1").counters;
    // Three that do not fit, an unknown verb, and a command as a query.
    assert_eq!((counters.commands, counters.refused_commands), (1, 5));
}

#[test]
fn a_program_that_does_not_do_it_fails_by_name() {
    for (program, code, words) in [
        ("echo door open >&2; exit 3", "(3): door open", &[][..]),
        ("kill -SEGV $$", "(139): signal 11 ended it", &[]),
        ("sleep 60 & sleep 60", "(124): it did not end within 1 s", &["--timeout", "1s"]),
        ("echo it went well", "(125): what it printed is no JSON: it went well", &[]),
        ("head -c 70000 /dev/zero", "(125): its answer is longer than 64 KiB", &[]),
    ] {
        let mut cell = Cell::new();
        cell.serve(program, words);
        let failed = cell.call(&[]).refused_with(296);
        assert!(failed.contains(code), "{program}: {failed}");
        assert_eq!(cell.ran(), 1, "{program}");
    }
    let mut cell = Cell::new();
    cell.serve_with("gearmesh-no-such-program", &[]);
    let missing = cell.call(&[]).refused_with(296);
    assert!(missing.contains("(127): gearmesh-no-such-program"), "{missing}");
}

#[test]
fn an_observer_may_not_ask() {
    let mut cell = Cell::new();
    cell.serve("echo true", &[]);
    let code = cell.plant.code("panel", &["--role", "observer"]);
    let _ = cell.plant.gearmesh("panel", &["join", &code]).ok();
    let _panel = cell.plant.up("panel");
    cell.plant.wait_for("panel", "gateway-1", Presence::Online);
    let _ = cell.plant.gearmesh("panel", &["call", "press-1", "load"]).refused_with(151);
    let words = ["serve", "load", "--exec", "cat"];
    let _ = cell.plant.gearmesh("panel", &words).refused_with(294);
}

#[test]
fn a_machine_that_is_away_is_told_at_once_or_waited_for() {
    let mut cell = Cell::new();
    cell.serve("echo true", &[]);
    cell.kill_press();
    cell.plant.wait_for("gateway-1", "press-1", Presence::Unreachable);
    let away = cell.call(&[]).refused_with(287);
    assert!(away.contains("press-1 cannot be reached from here, since"), "{away}");
    let _ = cell.call(&["--wait", "--ttl", "1s"]).refused_with(287);
    let waiting = cell.begin_call(&["--wait", "--ttl", "60s"]);
    cell.start_press();
    // The program waits for its node too; until then nobody serves the verb.
    let end = said(waiting);
    assert!(end.code == Some(0) || end.err.contains("[code 150]"), "{end:?}");
    cell.wait_for_verb();
    let before = cell.ran();
    let _ = cell.call(&["--wait"]).ok();
    assert_eq!(cell.ran(), before + 1);
}

#[test]
fn one_id_is_executed_once_and_stands_for_one_command() {
    let mut cell = Cell::new();
    cell.serve("echo \"$GEARMESH_ID\" | sed 's/.*/\"&\"/'", &[]);
    let id = "000102030405060708090a0b0c0d0e0f";
    let first = cell.call(&["1", "--id", id]).ok();
    assert_eq!(cell.call(&["1", "--id", id]).ok(), first, "the same answer");
    let _ = cell.call(&["2", "--id", id]).refused_with(154);
    assert_eq!(cell.ran(), 1);
    // Another life of the press, and of the caller, know it from the press's log.
    cell.kill_press();
    cell.gateway.take().expect("a gateway").kill();
    cell.gateway = Some(cell.plant.up_at("gateway-1", cell.port));
    cell.start_press();
    cell.wait_for_verb();
    assert_eq!(cell.call(&["1", "--id", id, "--wait"]).ok(), first);
    let _ = cell.call(&["2", "--id", id]).refused_with(154);
    assert_eq!(cell.ran(), 1);
}

#[test]
fn what_was_cut_off_is_indeterminate_and_never_done_again() {
    let mut cell = Cell::new();
    let go = cell.file("go");
    cell.serve(&format!("while [ ! -e {} ]; do sleep 0.1; done", go.display()), &[]);
    let id = "ffffffffffffffffffffffffffffffff";
    let calling = cell.begin_call(&["--id", id]);
    until("the program runs", || (cell.ran() == 1).then_some(()));
    cell.kill_press();
    cell.start_press();
    let cut = said(calling);
    assert_eq!(cut.code, Some(4), "{cut:?}");
    assert!(cut.err.contains("[code 298]"), "{cut:?}");
    cell.wait_for_verb();
    let again = cell.call(&["--id", id]);
    assert!(again.code == Some(4) && again.err.contains("[code 298]"), "{again:?}");
    assert_eq!(cell.ran(), 1);
    // The same for a program whose `serve` is killed under it.
    let calling = cell.begin_call(&[]);
    until("the program runs", || (cell.ran() == 2).then_some(()));
    cell.served.clear();
    let cut = said(calling);
    assert!(cut.code == Some(4) && cut.err.contains("[code 298]"), "{cut:?}");
    // Nobody ends what a killed program left behind.
    std::fs::write(&go, "").expect("a file");
}

#[test]
fn what_arrives_after_its_time_is_not_done() {
    let mut cell = Cell::new();
    cell.serve("echo true", &[]);
    let press = cell.press.as_ref().expect("a press").id().to_string();
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &press]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    };
    signal("-STOP");
    let calling = cell.begin_call(&["--ttl", "1s"]);
    // Nothing came from it for longer than the command lives.
    until("the press is quiet", || {
        let presence = cell.plant.presence("gateway-1", "press-1");
        matches!(presence, Some(Presence::Quiet | Presence::Unreachable)).then_some(())
    });
    signal("-CONT");
    let _ = said(calling).refused_with(297);
    assert_eq!(cell.ran(), 0);
}

#[test]
fn what_finds_no_place_in_its_time_is_not_done() {
    let mut cell = Cell::new();
    let go = cell.file("go");
    cell.serve(
        &format!("while [ ! -e {} ]; do sleep 0.1; done", go.display()),
        &["--at-once", "1"],
    );
    let first = cell.begin_call(&[]);
    until("the first one runs", || (cell.ran() == 1).then_some(()));
    let _ = cell.call(&["--ttl", "1s"]).refused_with(297);
    let waits = cell.begin_call(&["--ttl", "60s"]);
    std::fs::write(&go, "").expect("a file");
    let _ = said(first).ok();
    let _ = said(waits).ok();
    assert_eq!(cell.ran(), 2);
}

#[test]
fn a_log_that_is_full_takes_no_command_and_forgets_none() {
    let plant = Plant::founded();
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let small = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep-bytes", "1M"];
    let press = plant.up_with("press-1", &small);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let serving = plant.begin("press-1", &["serve", "load", "--exec", "cat"]);
    let id = "11111111111111111111111111111111";
    let call =
        |words: &[&str]| plant.gearmesh("press-1", &[&["call", "press-1", "load"], words].concat());
    // What is refused under an id stays refused.
    until("the verb is served", || {
        plant.gearmesh("press-1", &["verbs"]).out.contains("load").then_some(())
    });
    let first = call(&["17", "--id", id]).ok();
    // Nobody has a copy of what the press writes now.
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
        let said = call(&["18"]);
        said.err.contains("[code 146]").then_some(())
    });
    assert_eq!(call(&["17", "--id", id]).ok(), first, "what was done is known");
    drop(serving);
}

#[test]
fn a_query_is_answered_and_nothing_is_written() {
    let mut cell = Cell::new();
    cell.serve("echo '\"idle\"'", &["--query"]);
    let _ = cell.call(&[]).refused_with(157);
    for _ in 0..2 {
        assert_eq!(cell.call(&["--query"]).ok(), "\"idle\"\n");
    }
    let counters = cell.plant.status("press-1").counters;
    assert_eq!((counters.queries, counters.commands), (2, 0));
}

#[test]
fn the_local_api_says_what_is_wrong() {
    let mut cell = Cell::new();
    cell.serve("echo true", &[]);
    let mut press = Api::of(&cell.plant.home("press-1"));
    for (path, body, status, code) in [
        ("/v1/serve", r#"{"verb":"load"}"#, 403, 291),
        ("/v1/serve", r#"{"verb":"bad","schema":{"type":"nonsense"}}"#, 400, 293),
        ("/v1/serve", r#"{"verb":"bad","at_once":0}"#, 400, 260),
        ("/v1/serve/answer", r#"{"run":99999,"result":1}"#, 403, 295),
        ("/v1/call", r#"{"machine":"press-1","verb":"load","ttl_ms":600001}"#, 400, 260),
        ("/v1/call", r#"{"machine":"nobody","verb":"load"}"#, 403, 236),
    ] {
        let answer = press.post_json(path, body);
        assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
        assert!(answer.body.contains(&format!("\"code\":{code}")), "{path} {body}: {answer:?}");
    }
    // A program whose node is killed serves again when it is back.
    cell.kill_press();
    cell.start_press();
    assert!(
        within(gearmesh_tests::wait::DEADLINE, || {
            (cell.call(&["--wait"]).code == Some(0)).then_some(())
        })
        .is_some()
    );
}
