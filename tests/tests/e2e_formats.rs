//! What earlier releases left on disks is opened, and goes on; and two releases work in one plant.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gearmesh_protocol::local::Presence;
use gearmesh_tests::cli;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::wait::until;

/// The homes that releases left, each with its check words: `tests/homes/RELEASE`.
const RELEASES: [(&str, &str); 1] = [("0.1", "radish basket maple ferry otter")];

fn homes(release: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("homes").join(release)
}

/// Copies a folder as only its owner may read it; version control keeps no such thing.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("a chmod");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
            continue;
        }
        std::fs::copy(&from, &to).expect("a file");
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).expect("a chmod");
    }
}

#[test]
fn homes_of_earlier_releases_are_opened_and_go_on() {
    for (release, words) in RELEASES {
        let plant = Plant::empty();
        for name in ["gateway-1", "press-1"] {
            copy(&homes(release).join(name), &plant.home(name));
        }
        copy(&homes(release).join("keyring"), &plant.keyring());
        let proven = plant.gearmesh("gateway-1", &["verify", "--ledger"]).ok();
        assert!(proven.contains(words) && !proven.contains("UNREAD"), "{release}: {proven}");
        let port = free_port();
        let _gateway = plant.up_at("gateway-1", port);
        let connect = format!("127.0.0.1:{port}");
        let _press = plant
            .up_with("press-1", &["--listen", "127.0.0.1:0", "--no-mdns", "--connect", &connect]);
        plant.wait_for("gateway-1", "press-1", Presence::Online);
        let history = plant.gearmesh("gateway-1", &["history", "#"]).ok();
        for value in ["press-1/part/done  1", "press-1/part/done  3", "gateway-1/shift  early"] {
            assert!(history.contains(value), "{release}: {value}: {history}");
        }
        // The log goes on, the named subscription knows its place, and the keyring signs.
        let _ = plant
            .gearmesh("press-1", &["pub", "part/done", "4", "--durable", "--ack", "replicated=1"])
            .ok();
        let rest = plant
            .gearmesh("gateway-1", &["sub", "press-1/part/#", "--durable", "erp", "--count", "2"])
            .ok();
        assert!(
            rest.contains("part/done  4") && !rest.contains("part/done  1"),
            "{release}: {rest}"
        );
        plant.join("packer-1");
        let _ = plant
            .gearmesh("gateway-1", &["revoke", "press-1", "--reason", "retired", "--yes"])
            .ok();
        let alarms = plant.status("gateway-1").alarms;
        assert!(alarms.is_empty(), "{release}: {alarms:?}");
    }
}

/// One node of some release.
struct Node {
    program: PathBuf,
    home: PathBuf,
    process: Option<Child>,
}

impl Node {
    fn say(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(&self.home).args(words).stdin(Stdio::null());
        let said = command.output().expect("the program runs");
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    fn up(&mut self, port: u16) {
        self.stop();
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(&self.home).args(["up", "--no-mdns", "--listen", &listen]);
        let process = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("the program starts"));
        until("the node answers", || self.say(&["status"]));
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a kill");
            process.wait().expect("it ended");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `GEARMESH_OLD` names the program of the other release.
#[test]
#[ignore = "needs the program of another release: GEARMESH_OLD"]
fn two_releases_work_in_one_plant_and_on_each_others_disks() {
    let old =
        PathBuf::from(std::env::var_os("GEARMESH_OLD").expect("GEARMESH_OLD names a program"));
    let new = cli::program().to_owned();
    for (founder, joiner) in [(&old, &new), (&new, &old)] {
        let folder = tempfile::tempdir().expect("a folder");
        let node = |name: &str, program: &Path| {
            let home = folder.path().join(name);
            Node { program: program.to_owned(), home, process: None }
        };
        let (mut one, mut other) = (node("gateway-1", founder), node("press-1", joiner));
        let (port, other_port) = (free_port(), free_port());
        one.say(&["init", "Both", "--node-name", "gateway-1"]).expect("a plant");
        one.up(port);
        let said = one.say(&["add", "press-1", "--no-wait"]).expect("a code");
        let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
        other.say(&["join", code]).expect("a member");
        other.up(other_port);
        let publish = |value: &str| {
            ["pub", "part/done", value, "--durable", "--ack", "replicated=1"].map(str::to_owned)
        };
        let say = |node: &Node, words: [String; 6]| node.say(&words.each_ref().map(String::as_str));
        until("both are linked", || {
            say(&other, publish("1")).filter(|said| said.contains("1 other"))
        });
        // Each goes on with what the other wrote.
        std::mem::swap(&mut one.program, &mut other.program);
        one.up(port);
        other.up(other_port);
        until("they are linked again", || {
            say(&other, publish("2")).filter(|said| said.contains("1 other"))
        });
        let history = one.say(&["history", "press-1/#"]).expect("a history");
        assert!(history.contains("done  1") && history.contains("done  2"), "{history}");
        one.say(&["revoke", "press-1", "--reason", "retired", "--yes"]).expect("a revocation");
    }
}
