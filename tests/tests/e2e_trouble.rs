//! What goes wrong in ten years: admins who cannot hear each other, disks that take nothing, clocks that
//! are decades off, addresses that are dead, and commands that are stopped halfway.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gearmesh_protocol::grant::Role;
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::local::Presence;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::faults::clock_library;
use gearmesh_tests::skip::skip;
use gearmesh_tests::values::{publish, sorted};
use gearmesh_tests::wait::until;

/// A command with another keyring than the plant's first.
fn with(plant: &Plant, keyring: &Path, at: &str, words: &[&str]) -> Said {
    let mut command = Command::new(gearmesh_tests::cli::program());
    command.arg("--home").arg(plant.home(at)).arg("--keyring").arg(keyring).args(words);
    command.stdin(Stdio::null()).output().expect("gearmesh runs").into()
}

fn tell(process: u32, signal: &str) {
    let told = Command::new("kill").args([signal, &process.to_string()]).status();
    assert!(told.is_ok_and(|status| status.success()), "kill {signal}");
}

/// A plant with a second admin, maria, who signs at the press while the gateway is away.
fn apart() -> (Plant, PathBuf, (u16, u16), Daemon) {
    let plant = Plant::founded();
    let ports = (free_port(), free_port());
    let gateway = plant.up_at("gateway-1", ports.0);
    plant.join("press-1");
    let press = plant.up_at("press-1", ports.1);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let maria = plant.home("maria.keyring");
    let said = with(&plant, &maria, "gateway-1", &["admin", "request", "--json"]).ok();
    let request: serde_json::Value = serde_json::from_str(&said).expect("a key");
    let key = request["key"].as_str().expect("a key").to_owned();
    let _ = plant.gearmesh("gateway-1", &["admin", "add", "maria", &key]).ok();
    plant.join("robot-1");
    until("the press knows both", || {
        let names = plant.members("press-1");
        let said = plant.gearmesh("press-1", &["admin", "list"]).out;
        (names.len() == 3 && said.contains("maria")).then_some(())
    });
    gateway.kill();
    plant.wait_for("press-1", "gateway-1", Presence::Unreachable);
    (plant, maria, ports, press)
}

fn roles(plant: &Plant, at: &str, of: &str) -> Vec<Role> {
    let found = plant.members(at).into_iter().find(|member| member.name == of);
    found.map(|member| member.roles).unwrap_or_default()
}

#[test]
fn two_admins_who_cannot_hear_each_other_are_judged_alike_by_all_once_they_can() {
    let (plant, maria, ports, press) = apart();
    let at_press = |words: &[&str]| with(&plant, &maria, "press-1", words).ok();
    let _ = at_press(&["set", "robot-1", "--role", "observer"]);
    let _ = at_press(&["revoke", "robot-1", "--reason", "lost", "--yes"]);
    assert_eq!(plant.presence("press-1", "robot-1"), Some(Presence::Revoked));
    assert_eq!(press.stop(), Some(0));

    // The root, meanwhile, at the gateway: other terms for the robot, and maria is none any more.
    let gateway = plant.up_at("gateway-1", ports.0);
    let at_gateway = |words: &[&str]| plant.gearmesh("gateway-1", words).ok();
    let _ = at_gateway(&["set", "robot-1", "--role", "gateway"]);
    let words = ["admin", "remove", "maria", "--reason", "compromised", "--cut", "all", "--yes"];
    let _ = at_gateway(&words);
    assert_eq!(roles(&plant, "gateway-1", "robot-1"), [Role::Gateway]);

    // What the higher key cut off is void everywhere, the revocation of the robot included.
    let _press = plant.up_at("press-1", ports.1);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    for at in ["gateway-1", "press-1"] {
        until("both judge alike", || {
            (roles(&plant, at, "robot-1") == [Role::Gateway]).then_some(())
        });
        let said = plant.gearmesh(at, &["admin", "list"]).ok();
        assert!(!said.contains("maria"), "{said}");
    }
    let _ = with(&plant, &maria, "press-1", &["void", "robot-1"]).refused();
    drop(gateway);
}

/// Nobody but the gateway itself can tell the press that a thief threw it out in vain.
#[test]
fn a_member_that_a_thief_threw_out_elsewhere_shows_what_undid_it() {
    let (plant, maria, ports, press) = apart();
    let words = ["revoke", "gateway-1", "--reason", "lost", "--yes"];
    let _ = with(&plant, &maria, "press-1", &words).ok();
    assert_eq!(press.stop(), Some(0));
    let (listen, at) = (format!("127.0.0.1:{}", ports.0), format!("127.0.0.1:{}", ports.1));
    let words = ["--listen", listen.as_str(), "--connect", at.as_str(), "--no-mdns"];
    let gateway = plant.up_with("gateway-1", &words);
    let words = ["admin", "remove", "maria", "--reason", "compromised", "--cut", "all", "--yes"];
    let _ = plant.gearmesh("gateway-1", &words).ok();
    let _press = plant.up_at("press-1", ports.1);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    drop(gateway);
}

#[test]
fn terms_that_two_admins_give_in_a_partition_are_narrowed_and_said_aloud() {
    let (plant, maria, ports, press) = apart();
    let words = ["set", "robot-1", "--role", "machine", "--role", "gateway"];
    let _ = with(&plant, &maria, "press-1", &words).ok();
    assert_eq!(press.stop(), Some(0));
    let gateway = plant.up_at("gateway-1", ports.0);
    let _ = plant.gearmesh("gateway-1", &["set", "robot-1", "--scope", "hall/robot-1"]).ok();
    let _press = plant.up_at("press-1", ports.1);
    for at in ["gateway-1", "press-1"] {
        until("an alarm", || {
            let alarms = plant.status(at).alarms;
            alarms.iter().any(|alarm| alarm.contains("robot-1")).then_some(())
        });
        assert_eq!(roles(&plant, at, "robot-1"), [Role::Machine], "what both allow");
    }
    let _ = plant.gearmesh("gateway-1", &["set", "robot-1", "--role", "machine"]).ok();
    for at in ["gateway-1", "press-1"] {
        until("it is over", || plant.status(at).alarms.is_empty().then_some(()));
    }
    drop(gateway);
}

#[test]
fn a_disk_that_takes_nothing_more_refuses_by_name_and_recovers_without_a_restart() {
    let mut plant = Plant::founded();
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    plant.run_behind("press-1", &["env", "--ignore-signal=XFSZ"]);
    let press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    publish(&plant, "press-1", 1, "replicated=1");
    // From now on no file of this process grows.
    let limit = |bytes: &str| {
        let words = ["--pid", &press.id().to_string(), &format!("--fsize={bytes}:")];
        Command::new("prlimit").args(words).status().is_ok_and(|status| status.success())
    };
    if !limit("1") {
        return skip("a disk that takes nothing more", "no prlimit here: install util-linux");
    }
    let durable = ["pub", "part/count", "2", "--durable"];
    let _ = plant.gearmesh("press-1", &durable).refused_with(143);
    assert_eq!(sorted(&plant, "press-1", "#"), [1], "what is there is read");
    let _ = plant.gearmesh("press-1", &["pub", "temperature", "21.5"]).ok();
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    // Who is thrown out there is thrown out, whatever its own disk does.
    assert!(limit("unlimited"));
    until("it writes again", || {
        (plant.gearmesh("press-1", &durable).code == Some(0)).then_some(())
    });
    assert_eq!(sorted(&plant, "press-1", "#"), [1, 2]);
    until("no alarm stays", || plant.status("press-1").alarms.is_empty().then_some(()));
    assert_eq!(press.stop(), Some(0));
    drop(gateway);
}

#[test]
fn a_home_that_cannot_be_written_is_named_and_nothing_is_started() {
    let mut plant = Plant::founded();
    let home = plant.home("gateway-1");
    let home = home.to_str().expect("a path").to_owned();
    let bind = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let words = ["unshare", "-m", "sh", "-c", bind, &home];
    let tried = Command::new(words[0]).args(&words[1..]).arg("true").stderr(Stdio::null()).status();
    if !tried.is_ok_and(|status| status.success()) {
        return skip("a home that cannot be written", "no mount namespaces here: not root");
    }
    plant.run_behind("gateway-1", &words);
    let node = plant.spawn("gateway-1", &["--listen", "127.0.0.1:0", "--no-mdns"]);
    assert_eq!(node.wait(), Some(3));
    let log = plant.log("gateway-1");
    assert!(log.contains("Read-only file system") && log.contains("[code "), "{log}");
    let said = plant.gearmesh("gateway-1", &["verify", "--ledger"]).ok();
    assert!(said.contains("Members   1"), "what is there is read: {said}");
    plant.run_behind("gateway-1", &["env"]);
    let _gateway = plant.up("gateway-1");
}

#[test]
fn a_node_whose_words_reach_nobody_goes_on() {
    let plant = Plant::founded();
    let full = OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let words = ["up", "--listen", "127.0.0.1:0", "--no-mdns"];
    let mut command = plant.command_at("gateway-1", &words);
    command.env("GEARMESH_LOG", "trace").stdout(Stdio::null()).stderr(full);
    let mut node = command.spawn().expect("gearmesh starts");
    until("it answers", || {
        (plant.gearmesh("gateway-1", &["status"]).code == Some(0)).then_some(())
    });
    plant.join("press-1");
    tell(node.id(), "-TERM");
    assert_eq!(node.wait().expect("it ends").code(), Some(0));
}

/// Words that let a program live at another time.
fn living_at(plant: &mut Plant, name: &str, time: &str) -> bool {
    let Some(library) = clock_library() else { return false };
    let (preload, time) = (format!("LD_PRELOAD={library}"), format!("FAKETIME=@{time}"));
    let words = ["env", &preload, &time, "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"];
    plant.run_behind(name, &words);
    true
}

#[test]
fn clocks_that_are_decades_off_keep_no_machine_out_and_sign_nothing() {
    let mut plant = Plant::founded();
    let port = free_port();
    let mut gateway = plant.up_at("gateway-1", port);
    let mut presses = Vec::new();
    for (name, time) in [("press-1", "1980-01-06 00:00:00"), ("press-2", "2099-06-01 00:00:00")] {
        if !living_at(&mut plant, name, time) {
            let reason = "no library that shifts clocks: install faketime";
            return skip("clocks that are decades off", reason);
        }
        // The joiner's clock has no say: the redeemer's decides.
        plant.join(name);
        presses.push(plant.up(name));
        plant.wait_for("gateway-1", name, Presence::Online);
        publish(&plant, name, 1, "replicated=1");
        // Nor does anybody sign there, with a clock that would end codes and memberships everywhere.
        let err = plant.gearmesh(name, &["set", name, "--name", "press-9"]).refused_with(250);
        assert!(err.contains("the plant's newest record is of"), "{err}");
    }
    // One that was never set proves nothing to anybody, and says so.
    assert!(living_at(&mut plant, "press-3", "1970-01-02 00:00:00"));
    let code = plant.code("press-3", &[]);
    let _ = plant.gearmesh("press-3", &["join", &code]).refused_with(344);
    let press = plant.up("press-3");
    until("it says so", || plant.log("press-3").contains("[code 344]").then_some(()));
    drop(press);
    // A redeemer that is off.
    for time in ["1980-01-06 00:00:00", "2099-06-01 00:00:00"] {
        gateway.kill();
        assert!(living_at(&mut plant, "gateway-1", time));
        gateway = plant.up_at("gateway-1", port);
        plant.run_behind("gateway-1", &["env"]);
        let add = ["add", "robot-1", "--no-wait"];
        let err = plant.gearmesh("gateway-1", &add).refused_with(250);
        assert!(err.contains("clock says"), "{err}");
        for name in ["press-1", "press-2"] {
            plant.wait_for("gateway-1", name, Presence::Online);
        }
    }
    gateway.kill();
    let _gateway = plant.up_at("gateway-1", port);
    plant.join("robot-1");
    assert!(plant.status("gateway-1").alarms.is_empty());
}

#[test]
fn of_ten_addresses_one_that_lives_is_enough() {
    let plant = Plant::founded();
    let port = free_port();
    let at = |host: u8| format!("127.0.0.{host}:{port}");
    let all: Vec<String> = (1..=10).map(at).collect();
    let listen: Vec<&str> =
        all.iter().flat_map(|address| ["--listen", address]).chain(["--no-mdns"]).collect();
    let gateway = plant.up_with("gateway-1", &listen);
    let code = plant.code("press-1", &[]);
    plant.join("robot-1");
    let robot = plant.up("robot-1");
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    gateway.kill();
    // A code names four of the ten: the last of these is left.
    let named: Code = code.parse().expect("a code");
    let alive = named.addresses().last().expect("an address").to_string();
    let _gateway = plant.up_with("gateway-1", &["--listen", &alive, "--no-mdns"]);
    plant.wait_for("robot-1", "gateway-1", Presence::Online);
    let _ = plant.gearmesh("press-1", &["join", &code]).ok();
    // And nine that a person named, of which nobody answers at any.
    let dead: Vec<String> = (0..9).map(|_| format!("127.0.0.1:{}", free_port())).collect();
    let words: Vec<&str> = dead
        .iter()
        .chain([&alive])
        .flat_map(|address| ["--connect", address])
        .chain(["--listen", "127.0.0.1:0", "--no-mdns"])
        .collect();
    let _press = plant.up_with("press-1", &words);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    drop(robot);
}

/// A command that was begun and is told to stop once something is so.
fn stopped(mut process: Child, is_due: impl Fn() -> bool) -> Option<i32> {
    until("it is at work", || is_due().then_some(()));
    tell(process.id(), "-TERM");
    process.wait().expect("it ends").code()
}

#[test]
fn a_join_or_a_revocation_that_is_told_to_stop_is_done_or_is_typed_again() {
    let (plant, _, gateway, press) = Plant::of_two();
    let code = plant.code("robot-1", &[]);
    let begun = |at: &str, words: &[&str]| {
        let mut command = plant.command_at(at, words);
        let out = File::create(plant.home("out")).expect("a file");
        command.stdout(out).stderr(Stdio::null()).spawn().expect("gearmesh starts")
    };
    // The redeemer is stopped, so the joiner waits for it.
    tell(gateway.id(), "-STOP");
    let joining = begun("robot-1", &["join", &code]);
    let ended = stopped(joining, || plant.home("robot-1").join("journal").exists());
    tell(gateway.id(), "-CONT");
    assert_eq!(ended, None, "the signal ended it");
    let _ = plant.gearmesh("robot-1", &["join", &code]).ok();
    assert_eq!(plant.admissions_of("robot-1"), 1);

    // A member that does not answer keeps the command waiting for its confirmation.
    tell(press.id(), "-STOP");
    let words = ["revoke", "robot-1", "--reason", "retired", "--yes"];
    let revoking = begun("gateway-1", &words);
    let is_revoked = || plant.presence("gateway-1", "robot-1") == Some(Presence::Revoked);
    let _ = stopped(revoking, is_revoked);
    tell(press.id(), "-CONT");
    let said = plant.gearmesh("gateway-1", &words).refused();
    assert!(said.contains("is revoked already"), "{said}");
    until("the press has it", || {
        (plant.presence("press-1", "robot-1") == Some(Presence::Revoked)).then_some(())
    });
    // The keyring knows where it is.
    plant.join("packer-1");
}
