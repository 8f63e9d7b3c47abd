//! The life of a node: how it starts, what it refuses to start on, and how it comes back.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::{OpenOptions, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gearmesh_node::listen::DEFAULT_PORT;
use gearmesh_protocol::local::{ErrorBody, Presence};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port, type_in};
use gearmesh_tests::skip::skip;
use gearmesh_tests::wait::{throughout, until};

const QUIETLY: [&str; 3] = ["--listen", "127.0.0.1:0", "--no-mdns"];

/// Starts a node that cannot start, and says what it said.
fn refused_to_start(plant: &Plant, name: &str, arguments: &[&str]) -> String {
    let code = plant.spawn(name, arguments).wait();
    let log = plant.log(name);
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains(" [code 2") && !log.contains("panicked"), "{log}");
    log
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a chmod");
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("a file").len()
}

fn cut_to(path: &Path, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).expect("a file");
    file.set_len(bytes).expect("a truncation");
}

#[test]
fn a_home_is_started_once_and_the_second_start_says_where_it_runs() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let said = plant.gearmesh("gateway-1", &[&["up"][..], &QUIETLY].concat());
    assert_eq!(said.code, Some(3), "{said:?}");
    let home = plant.home("gateway-1").display().to_string();
    assert!(said.err.contains("a node is running in") && said.err.contains(&home), "{said:?}");
    assert!(said.err.contains(&format!("gearmesh --home {home} status")), "{said:?}");
    let err = plant.gearmesh("gateway-1", &["init", "Another"]).refused_with(201);
    assert!(err.contains("a node is running in"), "{err}");

    assert_eq!(plant.status("gateway-1").plant.expect("a plant").name, "Test plant");
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn a_port_in_use_is_named() {
    let plant = Plant::empty();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let log = refused_to_start(&plant, "press-1", &["--listen", &address, "--no-mdns"]);
    assert!(log.contains(&format!("{address} is taken by another program")), "{log}");
    assert!(log.contains("--listen IP:PORT"), "{log}");
    drop(taken);
    let _press = plant.up_with("press-1", &["--listen", &address, "--no-mdns"]);
}

#[test]
fn an_address_of_another_machine_cannot_be_listened_on_and_is_named() {
    let plant = Plant::empty();
    // TEST-NET-1 of RFC 5737: no machine has it.
    let log = refused_to_start(&plant, "press-1", &["--listen", "192.0.2.1:7430", "--no-mdns"]);
    assert!(log.contains("192.0.2.1"), "{log}");
    assert!(!log.contains("taken by another program"), "nobody has taken it: {log}");
}

#[test]
fn where_the_default_port_is_taken_the_next_free_one_is_used_and_said_aloud() {
    let Ok(_taken) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)) else {
        return skip("the default port", "another program listens on it");
    };
    let plant = Plant::empty();
    let _press = plant.up_with("press-1", &["--no-mdns"]);
    let said = "port 7430 is taken; this is the next free one";
    let log = until("it says so", || Some(plant.log("press-1")).filter(|log| log.contains(said)));
    let listen = plant.status("press-1").listen;
    assert!(listen.iter().all(|address| !address.ends_with("/7430")), "{listen:?}");
    let port = listen[0].rsplit('/').next().expect("a port");
    assert!(log.contains(&format!(":{port}")), "which one: {log}");
}

#[test]
fn an_address_without_a_port_gets_the_default_one_or_the_next_free_one() {
    let plant = Plant::empty();
    let _press = plant.up_with("press-1", &["--listen", "127.0.0.1", "--no-mdns"]);
    let _robot = plant.up_with("robot-1", &["--listen", "127.0.0.1", "--no-mdns"]);
    let [one, other] = ["press-1", "robot-1"].map(|name| plant.status(name).listen[0].clone());
    assert!(one.starts_with("/ip4/127.0.0.1/tcp/74") && one != other, "{one}, {other}");
}

#[test]
fn nodes_that_were_all_stopped_find_each_other_again_without_being_told_where() {
    let plant = Plant::founded();
    let names = ["gateway-1", "press-1", "robot-1"];
    let ports = names.map(|_| free_port());
    let start = || std::array::from_fn(|at: usize| plant.up_at(names[at], ports[at]));
    let gateway = plant.up_at(names[0], ports[0]);
    plant.join("press-1");
    plant.join("robot-1");
    drop(gateway);

    let nodes: [_; 3] = start();
    plant.wait_for("press-1", "robot-1", Presence::Online);
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    for node in nodes {
        assert_eq!(node.stop(), Some(0));
    }
    let _nodes: [_; 3] = start();
    for (at, of) in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)] {
        plant.wait_for(names[at], names[of], Presence::Online);
    }
}

#[test]
fn a_node_that_is_killed_comes_back_with_all_it_knew() {
    let (plant, port, mut gateway, _press) = Plant::of_two();
    for _ in 0..3 {
        gateway.kill();
        plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
        gateway = plant.up_at("gateway-1", port);
        plant.wait_for("gateway-1", "press-1", Presence::Online);
        plant.wait_for("press-1", "gateway-1", Presence::Online);
        let log = plant.log("gateway-1");
        assert!(!log.contains("damaged") && !log.contains("torn"), "{log}");
    }
    assert_eq!(plant.admissions_of("press-1"), 1);
    assert!(plant.status("gateway-1").alarms.is_empty());
}

#[test]
fn a_node_that_is_told_to_stop_says_goodbye_and_leaves_nothing_behind() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    assert_eq!(press.stop(), Some(0));
    plant.wait_for("gateway-1", "press-1", Presence::Left);
    assert!(plant.log("press-1").contains("stopped"), "{}", plant.log("press-1"));
    assert!(!plant.home("press-1").join("node.sock").exists(), "its socket is gone");
}

#[test]
fn a_node_in_the_foreground_says_who_joins_and_whose_links_come_and_go() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let press = plant.up("press-1");
    let says = |node: &str, line: &str| {
        until(&format!("{node} says {line:?}"), || plant.log(node).contains(line).then_some(()));
    };
    says("gateway-1", "joined         press-1\n");
    says("gateway-1", "linked         press-1  127.0.0.1:");
    says("press-1", "linked         gateway-1  127.0.0.1:");
    press.kill();
    says("gateway-1", "link lost      press-1\n");
    let press = plant.up("press-1");
    until("the link is back", || {
        (plant.log("gateway-1").matches("linked         press-1").count() == 2).then_some(())
    });
    assert_eq!(press.stop(), Some(0));
    says("gateway-1", "left           press-1 was stopped\n");
    let revoke = ["revoke", "press-1", "--reason", "retired", "--yes"];
    let _ = plant.gearmesh("gateway-1", &revoke).ok();
    says("gateway-1", "out            press-1 is no member any more\n");
    let later = plant.up("robot-1");
    let _ = plant.gearmesh("robot-1", &["join", &plant.code("robot-1", &[])]).ok();
    says("robot-1", "joined         the plant Test plant\n");
    drop(later);
}

#[test]
fn a_home_that_others_can_read_is_refused_by_every_command() {
    let plant = Plant::founded();
    let home = plant.home("gateway-1");
    set_mode(&home, 0o755);
    let log = refused_to_start(&plant, "gateway-1", &QUIETLY);
    assert!(log.contains("can be read by others (mode 755)"), "{log}");
    assert!(log.contains("chmod go-rwx"), "{log}");
    for words in [&["status"][..], &["init", "Rossi"], &["members"], &["sub", "#"]] {
        let err = plant.gearmesh("gateway-1", words).refused();
        assert!(err.contains("can be read by others (mode 755)"), "{words:?}: {err}");
        assert!(err.contains("chmod go-rwx"), "{words:?}: {err}");
    }
    set_mode(&home, 0o700);
    let _gateway = plant.up("gateway-1");
}

#[test]
fn a_home_that_is_a_file_is_named_as_one() {
    let plant = Plant::empty();
    std::fs::write(plant.home("press-1"), "no home").expect("a file");
    for words in [&["status"][..], &["init", "Rossi"], &[&["up"][..], &QUIETLY].concat()] {
        let said = plant.gearmesh("press-1", words);
        assert_eq!(said.code, Some(3), "{words:?}: {said:?}");
        let err = said.refused_saying("is a file, not a directory [code 204]");
        assert!(err.contains("--home DIR"), "{words:?}: {err}");
    }
}

#[test]
fn a_member_whose_key_is_gone_does_not_start_as_a_stranger() {
    let plant = Plant::founded();
    let key = plant.home("gateway-1").join("node.key");
    std::fs::remove_file(&key).expect("a key to lose");
    let node = plant.spawn("gateway-1", &["--listen", "127.0.0.1:0", "--no-mdns"]);
    assert_eq!(node.wait(), Some(3));
    let log = plant.log("gateway-1");
    assert!(log.contains("the key of the member") && log.contains("is gone"), "{log}");
    assert!(!key.exists(), "no other key takes its place");
}

#[test]
fn a_key_that_others_can_read_or_that_is_damaged_is_named_and_left_as_it_is() {
    let plant = Plant::founded();
    let key = plant.home("gateway-1").join("node.key");
    let text = std::fs::read(&key).expect("a key");
    set_mode(&key, 0o644);
    let log = refused_to_start(&plant, "gateway-1", &QUIETLY);
    assert!(log.contains("node.key can be read by others (mode 644)"), "{log}");

    set_mode(&key, 0o600);
    for damaged in [&text[..40], b"", b"not a key", &[0xff; 64]] {
        std::fs::write(&key, damaged).expect("a write");
        let log = refused_to_start(&plant, "gateway-1", &QUIETLY);
        assert!(log.contains("node.key is no node key"), "{log}");
        assert_eq!(std::fs::read(&key).expect("a key"), damaged, "it is not replaced");
    }
    std::fs::write(&key, &text).expect("a write");
    let _gateway = plant.up("gateway-1");
    assert!(plant.status("gateway-1").plant.expect("a plant").me.is_some());
}

#[test]
fn a_home_with_too_long_a_path_is_named() {
    let plant = Plant::empty();
    let long = "a".repeat(100);
    let log = refused_to_start(&plant, &long, &QUIETLY);
    assert!(log.contains("too long for a socket"), "{log}");
}

#[test]
fn what_a_torn_journal_lost_comes_back_from_another_member() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    plant.join("press-1");
    let press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let journal = plant.home("press-1").join("journal");
    let before = size(&journal);
    plant.join("robot-1");
    until("press-1 knows robot-1", || plant.presence("press-1", "robot-1"));
    press.kill();
    assert!(size(&journal) > before + 9, "something was written");
    cut_to(&journal, before + 9);

    let _press = plant.up("press-1");
    assert!(plant.log("press-1").contains("torn"), "{}", plant.log("press-1"));
    until("press-1 knows robot-1 again", || plant.presence("press-1", "robot-1"));
    plant.wait_for("gateway-1", "press-1", Presence::Online);
}

#[test]
fn a_registrar_that_lost_its_last_admission_learns_it_back_and_does_not_fork_its_log() {
    let plant = Plant::founded();
    let port = free_port();
    let gateway = plant.up_at("gateway-1", port);
    let code = plant.code("press-1", &[]);
    let journal = plant.home("gateway-1").join("journal");
    let before = size(&journal);
    let _ = plant.gearmesh("press-1", &["join", &code]).ok();
    let _press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    gateway.kill();
    assert!(size(&journal) > before + 9, "something was written");
    cut_to(&journal, before + 9);

    let _gateway = plant.up_at("gateway-1", port);
    assert!(plant.log("gateway-1").contains("torn"), "{}", plant.log("gateway-1"));
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    let _ = plant.gearmesh("robot-1", &["join", &plant.code("robot-1", &[])]).ok();
    for name in ["press-1", "robot-1"] {
        assert_eq!(plant.admissions_of(name), 1, "{name}");
    }
    for node in ["gateway-1", "press-1"] {
        assert!(plant.status(node).alarms.is_empty(), "{:?}", plant.status(node).alarms);
    }
}

#[test]
fn a_node_without_any_network_starts_and_says_what_it_can() {
    let isolated = Command::new("unshare").args(["-n", "true"]).stderr(Stdio::null()).status();
    if !isolated.is_ok_and(|status| status.success()) {
        return skip("a node without any network", "no network namespaces here: not root");
    }
    let mut plant = Plant::founded();
    plant.run_behind("gateway-1", &["unshare", "-n"]);
    let gateway = plant.spawn("gateway-1", &[]);
    until("it answers", || Api::try_of(gateway.home()));
    let status = plant.status("gateway-1");
    assert_eq!(status.plant.expect("a plant").members, 1);
    assert!(status.listen.is_empty(), "{:?}", status.listen);
    let said = plant.gearmesh("gateway-1", &["status"]).ok();
    assert!(said.contains("Listens   nowhere"), "{said}");
    let said = plant.gearmesh("gateway-1", &["pub", "temperature", "21.5"]).ok();
    assert!(said.contains("nobody follows it"), "{said}");
    let err = plant.gearmesh("gateway-1", &["add", "press-1"]).refused_saying("listens nowhere");
    assert!(err.contains("connect it to the network"), "{err}");
    throughout("it goes on", Duration::from_secs(1), || Api::try_of(gateway.home()).is_some());
    assert_eq!(gateway.stop(), Some(0));
    assert!(!plant.log("gateway-1").contains("panicked"), "{}", plant.log("gateway-1"));
}

#[test]
fn a_command_without_a_node_says_how_to_start_one() {
    let plant = Plant::founded();
    let home = plant.home("gateway-1");
    let start = format!("gearmesh --home {} up", home.display());
    for words in [&["status"][..], &["members"], &["pub", "x", "1"], &["sub", "#"], &["add", "a"]] {
        let said = plant.gearmesh("gateway-1", words);
        assert_eq!(said.code, Some(3), "{words:?}: {said:?}");
        let err = said.refused_saying("no node is running in");
        assert!(err.contains(&start), "{words:?}: {err}");
    }
    let err = plant.gearmesh("nobody", &["status"]).refused_saying("there is no node home");
    assert!(err.contains("init NAME") && err.contains("join CODE"), "{err}");
}

#[test]
fn wrong_words_end_with_two_and_say_what_is_wrong() {
    for (words, wrong) in [
        (&["fly"][..], "fly"),
        (&["status", "--loud"], "--loud"),
        (&["join"], "CODE"),
        (&["add", "Press 1"], "Press 1"),
        (&["add", "press-1", "--role", "boss"], "boss"),
        (&["add", "press-1", "--expires", "soon"], "soon"),
        (&["add", "press-1", "--expires", "367d"], "366d at most"),
        (&["sub", "#", "--count", "0"], "--count"),
        (&["up", "--listen", "somewhere"], "somewhere"),
        (&["revoke", "press-1", "--reason", "angry"], "angry"),
        (&["revoke", "press-1"], "--reason"),
        (&["status", "--l\x1b[2Joud"], "--l"),
        (&[], "Usage"),
    ] {
        let said = type_in(words);
        assert_eq!(said.code, Some(2), "{words:?}: {said:?}");
        let command = words.first().filter(|word| **word != "fly");
        let mend = command.map_or_else(String::new, |command| format!("{command} "));
        let err = said.refused_saying(wrong);
        assert!(err.contains("[code 258]"), "{words:?}: {err}");
        assert!(err.contains(&format!(": gearmesh {mend}--help\n")), "{words:?}: {err}");
        assert!(!err.contains('\x1b') && !err.contains("error:"), "{words:?}: {err}");

        let said = type_in(&[words, &["--json"]].concat());
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{words:?}");
        let body: ErrorBody = serde_json::from_str(said.err.trim_end()).expect("one document");
        assert_eq!(body.code, Refusal::WrongWords, "{words:?}");
    }
    let err = type_in(&["status", "--loud"]).refused();
    assert!(err.contains("\nUsage: gearmesh status"), "how it is typed: {err}");
    let err = type_in(&["up", "--listen", "a\nUsage: b\n\nUsage: c"]).refused_saying("no address");
    assert_eq!(err.matches("\nUsage:").count(), 0, "no line of ours: {err}");
}

#[test]
fn help_and_version_are_no_failures() {
    for words in [&["--help"][..], &["add", "--help"], &["--version"]] {
        let said = type_in(words);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}");
        assert!(said.out.contains("gearmesh"), "{words:?}: {}", said.out);
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_command_without_a_panic() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for words in [&["members"][..], &["status", "--json"], &["sub", "#"]] {
        let mut command = plant.command_at("gateway-1", words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("gearmesh starts");
        drop(process.stdout.take());
        let said = Said::from(process.wait_with_output().expect("gearmesh ends"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn of_two_nodes_that_start_together_on_one_port_one_is_refused() {
    let plant = Plant::empty();
    for round in 0..6 {
        let listen = format!("127.0.0.1:{}", free_port());
        let words = ["--listen", listen.as_str(), "--no-mdns"];
        let names = [format!("a-{round}"), format!("b-{round}")];
        let mut nodes: Vec<_> = names.iter().map(|name| Some(plant.spawn(name, &words))).collect();
        let (loser, winner) = until("one of them to give up", || {
            let gave_up = |at: &usize| plant.log(&names[*at]).contains("[code 206]");
            let loser = [0, 1].into_iter().find(gave_up)?;
            Some((loser, 1 - loser))
        });
        assert_eq!(nodes[loser].take().and_then(Daemon::wait), Some(3));
        until("the other one answers", || {
            (plant.gearmesh(&names[winner], &["status"]).code == Some(0)).then_some(())
        });
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for words in [&["members"][..], &["status"], &["status", "--json"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let mut command = plant.command_at("gateway-1", words);
        command.stdout(full).stderr(Stdio::piped());
        let process = command.spawn().expect("gearmesh starts");
        let said = Said::from(process.wait_with_output().expect("gearmesh ends"));
        assert_eq!(said.code, Some(1), "{words:?}: {said:?}");
        assert!(said.err.contains("the answer cannot be written"), "{words:?}: {said:?}");
        if words.contains(&"--json") {
            let body: ErrorBody = serde_json::from_str(said.err.trim_end()).expect("one document");
            assert_eq!(body.code, Refusal::SystemRefused);
        } else {
            let _ = said.refused_with(259);
        }
    }
}
