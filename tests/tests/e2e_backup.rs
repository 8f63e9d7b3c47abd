//! Backups: what is put back goes on where it was, an original that still lives is noticed, and
//! nothing is left half written or open to others.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use gearmesh_protocol::inspect::DataLog;
use gearmesh_protocol::local::Presence;
use gearmesh_tests::api::Api;
use gearmesh_tests::cli::Said;
use gearmesh_tests::daemon::Plant;
use gearmesh_tests::values::{publish, sorted};
use gearmesh_tests::wait::until;
use serde_json::Value;

/// A command at a node that reads passphrases from files.
fn command(plant: &Plant, at: &str, words: &[&str]) -> Command {
    let passphrase = plant.home("passphrase");
    if !passphrase.exists() {
        fs::write(&passphrase, "correct horse\n").expect("a file");
    }
    let mut command = plant.command_at(at, words);
    command.env("GEARMESH_PASSPHRASE_FILE", &passphrase);
    command.env("GEARMESH_NEW_PASSPHRASE_FILE", &passphrase);
    command
}

fn typed(plant: &Plant, at: &str, words: &[&str]) -> Said {
    command(plant, at, words).output().expect("gearmesh runs").into()
}

/// Backs a node up. Where the file is.
fn backed_up(plant: &Plant, at: &str) -> PathBuf {
    let file = plant.home(&format!("{at}.backup"));
    let _ = typed(plant, at, &["backup", text(&file)]).ok();
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

fn restore(plant: &Plant, at: &str, file: &Path, more: &[&str]) -> Said {
    typed(plant, at, &[&["restore", text(file)], more].concat())
}

#[test]
fn a_machine_that_is_put_back_catches_up_and_goes_on() {
    let (plant, _, _gateway, press) = Plant::of_two();
    let (count, is_over) = (AtomicI64::new(0), AtomicBool::new(false));
    let (before, file) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed) + 1;
                publish(&plant, "press-1", number, "replicated=1");
                count.store(number, Ordering::Relaxed);
            }
        });
        until("it publishes", || (count.load(Ordering::Relaxed) > 5).then_some(()));
        let before = count.load(Ordering::Relaxed);
        let file = backed_up(&plant, "press-1");
        is_over.store(true, Ordering::Relaxed);
        (before, file)
    });
    let last = count.load(Ordering::Relaxed);
    let mode = fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let said = typed(&plant, "press-1", &["verify", text(&file), "--json"]).ok();
    let said: Value = serde_json::from_str(&said).expect("a report");
    assert_eq!(said["node"]["name"], "press-1", "{said}");
    assert_eq!((&said["members"], &said["flaws"]), (&2.into(), &Value::Array(vec![])), "{said}");

    // The machine dies. What was written before the backup was taken is in it, whole.
    press.kill();
    fs::remove_dir_all(plant.home("press-1")).expect("a disk that broke");
    let _ = restore(&plant, "press-1", &file, &["--only", "node"]).ok();
    let ledger = plant.gearmesh("press-1", &["verify", "--ledger"]).ok();
    assert!(ledger.contains("Members   2"), "{ledger}");
    let alone = plant.up_with("press-1", &["--listen", "127.0.0.1:0", "--no-mdns"]);
    let log = plant.log("press-1");
    assert!(!log.contains("damaged") && !log.contains("missing"), "{log}");
    until("what was written up to the backup is there, or came again", || {
        (sorted(&plant, "press-1", "#").len() as i64 >= before).then_some(())
    });
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    until("it caught up", || {
        (sorted(&plant, "press-1", "#") == (1..=last).collect::<Vec<_>>()).then_some(())
    });
    publish(&plant, "press-1", last + 1, "replicated=1");
    assert_eq!(sorted(&plant, "gateway-1", "#"), (1..=last + 1).collect::<Vec<_>>());
    for at in ["gateway-1", "press-1"] {
        assert_eq!(plant.status(at).alarms, Vec::<String>::new(), "{at}");
    }
    let path = format!("/v1/data/log?key={}", plant.status("press-1").key);
    let log: DataLog = Api::of(&plant.home("gateway-1")).get(&path).read();
    let [.., before, after] = &log.groups[..] else { panic!("two groups at least: {log:?}") };
    assert_ne!(before.incarnation, after.incarnation, "what it writes now is of another life");
    assert_eq!(alone.stop(), Some(0));
}

#[test]
fn a_backup_that_is_put_back_while_its_machine_lives_is_noticed() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    publish(&plant, "press-1", 1, "replicated=1");
    let file = backed_up(&plant, "press-1");
    publish(&plant, "press-1", 2, "replicated=1");
    let said = restore(&plant, "copy", &file, &["--only", "node"]).ok();
    assert!(said.contains("Node      press-1"), "{said}");
    let _copy = plant.up("copy");
    until("somebody cries", || {
        let alarms = plant.status("gateway-1").alarms;
        alarms.into_iter().find(|alarm| alarm.contains("press-1 lives twice"))
    });
    let why = plant.gearmesh("gateway-1", &["why", "press-1"]).out;
    assert!(why.contains("twice") && why.contains("gearmesh up --fresh"), "{why}");
}

#[test]
fn a_plant_whose_only_admin_lost_everything_goes_on_from_its_backup() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let file = backed_up(&plant, "gateway-1");
    let sealed = fs::read(&file).expect("a backup");
    for secret in [plant.home("gateway-1").join("node.key"), plant.keyring().join("root.key")] {
        let secret = fs::read_to_string(&secret).expect("a key");
        let is_in_clear = sealed.windows(64).any(|bytes| bytes == secret.trim().as_bytes());
        assert!(!is_in_clear, "no key is in clear");
    }
    let key = plant.status("gateway-1").key;
    gateway.kill();
    let err = restore(&plant, "gateway-1", &file, &[]).refused_with(413);
    assert!(err.contains("there is something in"), "{err}");
    fs::remove_dir_all(plant.home("gateway-1")).expect("a lost home");
    let _ = restore(&plant, "gateway-1", &file, &[]).refused_with(413);
    assert!(!plant.home("gateway-1").exists(), "all or nothing: the keyring is in the way");
    fs::remove_dir_all(plant.keyring()).expect("a lost keyring");

    let wrong = plant.home("wrong");
    fs::write(&wrong, "battery staple\n").expect("a file");
    let mut guessed = command(&plant, "gateway-1", &["restore", text(&file)]);
    guessed.env("GEARMESH_PASSPHRASE_FILE", &wrong);
    let _ = Said::from(guessed.output().expect("gearmesh runs")).refused_with(411);
    let said = restore(&plant, "gateway-1", &file, &[]).ok();
    assert!(said.contains("Keyring   the root key of the plant"), "{said}");
    let _gateway = plant.up("gateway-1");
    assert_eq!(plant.status("gateway-1").key, key);
    plant.join("press-1");
    assert_eq!(plant.admissions_of("press-1"), 1);
}

#[test]
fn what_is_no_backup_or_was_changed_or_is_in_the_way_is_named() {
    let plant = Plant::founded();
    let file = backed_up(&plant, "gateway-1");
    let _ = typed(&plant, "gateway-1", &["backup", text(&file)]).refused_with(413);
    let whole = fs::read(&file).expect("a backup");
    let damaged = plant.home("damaged");
    for (bytes, code) in [
        (&whole[..whole.len() - 1], 411),
        (&whole[..20], 410),
        (b"gearmesh-backup 9\nargon2id 1 1 00\n", 410),
        (b"gearmesh-backup 1\nargon2id 99999999 3 00112233445566778899aabbccddeeff\n", 410),
    ] {
        fs::write(&damaged, bytes).expect("a file");
        for words in [["restore", text(&damaged)], ["verify", text(&damaged)]] {
            let _ = typed(&plant, "elsewhere", &words).refused_with(code);
        }
        assert!(!plant.home("elsewhere").exists());
    }
    let mut nothing = command(&plant, "elsewhere", &["backup", text(&damaged)]);
    nothing.arg("--keyring").arg(plant.home("nowhere"));
    let nothing = Command::new(nothing.get_program())
        .args(["--home", text(&plant.home("elsewhere")), "--keyring", text(&plant.home("nowhere"))])
        .args(["backup", text(&plant.home("new.backup"))])
        .output();
    let _ = Said::from(nothing.expect("gearmesh runs")).refused_with(412);
}

/// Tells a command to stop once something is so. Its exit code.
fn told_to_stop(mut command: Command, is_due: impl Fn() -> bool) -> Option<i32> {
    let mut process =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("it is at work", || is_due().then_some(()));
    let told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
    assert!(told.is_ok_and(|status| status.success()), "kill -TERM");
    process.wait().expect("it ends").code()
}

fn is_longer(path: &Path, bytes: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() > bytes)
}

#[test]
fn a_backup_that_is_told_to_stop_leaves_no_half_file() {
    let plant = Plant::founded();
    // A hole costs no disk, and reading it takes long enough.
    let author = plant.home("gateway-1").join("data").join("00");
    fs::create_dir_all(&author).expect("a folder");
    let large = author.join("large.seg");
    let hole = |bytes| File::create(&large).and_then(|it| it.set_len(bytes)).expect("a hole");
    hole(8 << 30);
    let (file, draft) = (plant.home("a.backup"), plant.home("a.backup.part"));
    let code = told_to_stop(command(&plant, "gateway-1", &["backup", text(&file)]), || {
        is_longer(&draft, 1 << 20)
    });
    assert_eq!(code, Some(1));
    assert!(!file.exists() && !draft.exists());

    hole(8 << 20);
    let _ = typed(&plant, "gateway-1", &["backup", text(&file)]).ok();
    let (copy, draft) = (plant.home("copy"), plant.home("copy.restoring"));
    let words = ["restore", text(&file), "--only", "node"];
    let code = told_to_stop(command(&plant, "copy", &words), || draft.join("journal").exists());
    assert_eq!(
        code,
        Some(i32::from(!copy.exists())),
        "all, where it was told too late, or nothing"
    );
    assert!(!draft.exists() && file.exists());
}
