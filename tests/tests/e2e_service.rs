//! The node as a service: what it tells systemd, how fast it stops, and how closed its unit is.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gearmesh_tests::cli;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::skip::skip;
use gearmesh_tests::wait::{DEADLINE, until};

/// The most that `systemd-analyze security` may find open, of 10.
const EXPOSURE_MAX: f64 = 2.0;

/// How long a stop may take.
const STOP_MAX: Duration = Duration::from_secs(2);

/// The next thing that a node says to its supervisor.
fn said(supervisor: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let length = supervisor.recv(&mut bytes).expect("the node says something in time");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_supervisor_hears_when_the_node_is_ready_lives_and_stops() {
    let plant = Plant::founded();
    let place = plant.home("gateway-1").with_file_name("notify");
    let supervisor = UnixDatagram::bind(&place).expect("a socket");
    supervisor.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = plant.command_at("gateway-1", &["up", "--no-mdns", "--listen", &listen]);
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "200000");
    let mut node = command.spawn().expect("gearmesh starts");
    let ready =
        until("it is ready", || Some(said(&supervisor)).filter(|text| text.contains("READY=1")));
    assert!(ready.contains("STATUS=plant Test plant, listening on 127.0.0.1:"), "{ready}");
    assert_eq!(
        plant.gearmesh("gateway-1", &["status"]).code,
        Some(0),
        "ready means that it answers"
    );
    for _ in 0..3 {
        assert_eq!(said(&supervisor), "WATCHDOG=1\n");
    }
    let asked = Command::new("kill").args(["-TERM", &node.id().to_string()]).status();
    assert!(asked.is_ok_and(|status| status.success()));
    until("it says that it stops", || {
        Some(said(&supervisor)).filter(|text| text == "STOPPING=1\n")
    });
    assert!(node.wait().expect("it ended").success());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the time of a stop is real time")]
fn a_node_with_links_and_writers_stops_within_two_seconds_and_loses_nothing() {
    let (plant, port, gateway, press) = Plant::of_two();
    let following = plant.begin("gateway-1", &["sub", "press-1/#"]);
    let written = plant.gearmesh("press-1", &["pub", "part/done", "17", "--durable"]).ok();
    assert!(written.contains("safe on this machine's disk"), "{written}");
    for node in [press, gateway] {
        let asked = Instant::now();
        assert_eq!(node.stop(), Some(0));
        assert!(asked.elapsed() < STOP_MAX, "{:?}", asked.elapsed());
    }
    drop(following);
    let _gateway = plant.up_at("gateway-1", port);
    let _press = plant.up("press-1");
    let history = plant.gearmesh("press-1", &["history", "press-1/part/#"]).ok();
    assert!(history.contains("press-1/part/done  17"), "{history}");
}

#[test]
fn the_unit_is_closed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("the_unit_is_closed", "there is no systemd-analyze here");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let unit = folder.path().join("gearmesh.service");
    for words in [&["service", "print"][..], &["--home", "/home/ada/node", "service", "print"]] {
        let printed = cli::gearmesh(words).ok();
        std::fs::write(&unit, printed).expect("a unit");
        let (whole, exposure) = exposure(&unit);
        assert!(exposure.is_some_and(|exposure| exposure <= EXPOSURE_MAX), "{words:?}: {whole}");
    }
}

/// What is said of a unit, and the number in it.
fn exposure(unit: &Path) -> (String, Option<f64>) {
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .output()
        .expect("systemd-analyze runs");
    let whole = String::from_utf8_lossy(&judged.stdout).into_owned();
    let last =
        whole.lines().find(|line| line.contains("Overall exposure level")).map(str::to_owned);
    let number = last.and_then(|line| line.split_whitespace().find_map(|word| word.parse().ok()));
    (whole, number)
}

#[test]
fn a_service_is_installed_and_removed_and_leaves_the_home_alone() {
    let root = tempfile::tempdir().expect("a folder");
    let at = root.path().display().to_string();
    let installed = cli::gearmesh(&[
        "service",
        "install",
        "--root",
        &at,
        "--program",
        "/opt/gearmesh",
        "--user",
        "press",
    ]);
    let said = installed.ok();
    let unit = root.path().join("etc/systemd/system/gearmesh.service");
    assert!(said.contains(&unit.display().to_string()), "{said}");
    let text = std::fs::read_to_string(&unit).expect("a unit");
    assert!(
        text.contains("ExecStart=/opt/gearmesh --home /var/lib/gearmesh up\nUser=press\n"),
        "{text}"
    );
    let users = std::fs::read_to_string(root.path().join("etc/sysusers.d/gearmesh.conf"));
    assert_eq!(users.expect("a user"), "u press - \"gearmesh node\" /var/lib/gearmesh\n");
    let home = root.path().join("var/lib/gearmesh/journal");
    std::fs::create_dir_all(home.parent().expect("a folder")).expect("a home");
    std::fs::write(&home, "kept").expect("a journal");
    let _ = cli::gearmesh(&["service", "uninstall", "--root", &at]).ok();
    assert!(!unit.exists() && home.exists());
    let _ = cli::gearmesh(&["service", "uninstall", "--root", &at]).refused_with(406);
}

/// A plain folder with what dpkg needs to know packages by.
fn plain_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let known = root.path().join("var/lib/dpkg");
    for folder in ["info", "updates", "triggers"] {
        std::fs::create_dir_all(known.join(folder)).expect("a folder");
    }
    std::fs::write(known.join("status"), "").expect("a file");
    root
}

fn dpkg(root: &Path, words: &[&str]) {
    let done = Command::new("dpkg")
        .arg(format!("--root={}", root.display()))
        .args(["--force-script-chrootless", "--force-depends", "--force-not-root"])
        .args(words)
        .output()
        .expect("dpkg runs");
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged_in_a_plain_folder() {
    let name = "the_package_is_installed_upgraded_removed_and_purged_in_a_plain_folder";
    let has = |program: &str, word: &str| {
        Command::new(program)
            .args([word, "--version"])
            .output()
            .is_ok_and(|said| said.status.success())
    };
    if !has("cargo", "deb") || Command::new("dpkg").arg("--version").output().is_err() {
        return skip(name, "there is no cargo-deb (cargo install cargo-deb) or no dpkg here");
    }
    // The program of this build, so that nothing is built twice.
    let program = cli::program();
    let profile = if program.parent().is_some_and(|folder| folder.ends_with("release")) {
        "release"
    } else {
        "dev"
    };
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("gearmesh.deb");
    let mut build = Command::new("cargo");
    build.args([
        "deb",
        "-p",
        "gearmesh-tools",
        "--no-build",
        "--fast",
        "--profile",
        profile,
        "--output",
    ]);
    cli::forget_cargo(&mut build);
    let built = build.arg(&package).output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let (root, package) = (plain_root(), package.display().to_string());
    dpkg(root.path(), &["--install", &package]);
    let unit = root.path().join("usr/lib/systemd/system/gearmesh.service");
    assert!(unit.exists() && root.path().join("usr/bin/gearmesh").exists());
    let journal = root.path().join("var/lib/gearmesh/journal");
    let key = root.path().join("var/lib/gearmesh.keyring/root.key");
    for file in [&journal, &key] {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, "kept").expect("a file");
    }
    dpkg(root.path(), &["--install", &package]);
    dpkg(root.path(), &["--remove", "gearmesh"]);
    assert!(!unit.exists() && journal.exists(), "removing keeps the home");
    dpkg(root.path(), &["--purge", "gearmesh"]);
    assert!(!journal.exists() && key.exists(), "purging removes the home and never the keyring");
}
