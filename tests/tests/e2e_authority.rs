//! Who may sign for the plant: registrars, admins, a root on paper, and a key that was stolen.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::path::{Path, PathBuf};

use gearmesh_protocol::local::Presence;
use gearmesh_protocol::membership::AuthorityStatus;
use gearmesh_tests::cli::{Said, gearmesh};
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::values::{publish, sorted};
use gearmesh_tests::wait::until;
use serde::Deserialize;

/// Types a command at a node with another keyring than the founder's.
fn with(plant: &Plant, keyring: &Path, at: &str, words: &[&str]) -> Said {
    let (home, keyring) = (plant.home(at), keyring.display().to_string());
    let home = home.display().to_string();
    gearmesh(&[&["--home", &home, "--keyring", &keyring], words].concat())
}

#[derive(Deserialize)]
struct Requested {
    key: String,
}

/// A keyring of somebody else, and its key.
fn keyring_of(plant: &Plant, who: &str) -> (PathBuf, String) {
    let keyring = plant.home(&format!("{who}.keyring"));
    let said = with(plant, &keyring, "gateway-1", &["admin", "request", "--json"]).ok();
    let asked: Requested = serde_json::from_str(&said).expect("a key");
    (keyring, asked.key)
}

fn authorities(plant: &Plant) -> Vec<String> {
    let said = plant.gearmesh("gateway-1", &["admin", "list", "--json"]).ok();
    let there: Vec<AuthorityStatus> = serde_json::from_str(&said).expect("a list");
    there.iter().map(|it| format!("{:?} {}", it.authority, it.name)).collect()
}

#[test]
fn a_second_admin_signs_with_a_key_of_its_own_until_the_root_ends_that() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let (maria, key) = keyring_of(&plant, "maria");
    let (_, again) = keyring_of(&plant, "maria");
    assert_eq!(key, again, "asking draws no other key");
    let by_maria = |words: &[&str]| with(&plant, &maria, "gateway-1", words);
    let _ = by_maria(&["add", "robot-1", "--no-wait"]).refused_with(326);
    let said = plant.gearmesh("gateway-1", &["admin", "add", "maria", &key]).ok();
    assert!(said.contains("maria may sign for Test plant"), "{said}");
    assert!(said.contains("confirmed    gateway-1, press-1"), "{said}");
    let _ = plant.gearmesh("gateway-1", &["admin", "add", "maria", &key]).refused_with(232);
    assert_eq!(authorities(&plant), ["Admin maria", "Registrar gateway-1"]);

    let said = by_maria(&["add", "robot-1", "--no-wait"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let _ = plant.gearmesh("robot-1", &["join", code]).ok();
    let _ = by_maria(&["set", "press-1", "--name", "press-7"]).ok();
    let (_, other) = keyring_of(&plant, "other");
    let _ = by_maria(&["admin", "add", "other", &other]).refused_with(327);
    let _ = by_maria(&["admin", "remove", "maria", "--reason", "lost"]).refused_with(327);

    let remove = ["admin", "remove", "maria", "--reason", "retired"];
    let _ = plant.gearmesh("gateway-1", &remove).refused_with(251);
    let said = plant.gearmesh("gateway-1", &[&remove[..], &["--yes"]].concat()).ok();
    assert!(said.contains("maria signs no more (retired)"), "{said}");
    assert!(!said.contains("fell with it"), "what she did stays: {said}");
    let _ = by_maria(&["add", "spare-1", "--no-wait"]).refused_with(326);
    let again = plant.gearmesh("gateway-1", &[&remove[..], &["--yes"]].concat());
    let _ = again.refused_with(328);
    assert_eq!(authorities(&plant), ["Registrar gateway-1"]);
    let names: Vec<String> = plant.members("gateway-1").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["gateway-1", "press-7", "robot-1"]);
}

#[test]
fn a_second_registrar_lets_machines_in_while_the_first_is_away() {
    let (plant, _, gateway, _press) = Plant::of_two();
    let _ = plant.gearmesh("press-1", &["add", "robot-1", "--no-wait"]).refused_with(230);
    let said = plant.gearmesh("gateway-1", &["registrar", "add", "press-1"]).ok();
    assert!(said.contains("press-1 redeems invitations"), "{said}");
    let _ = plant.gearmesh("gateway-1", &["registrar", "add", "press-1"]).refused_with(329);
    let _ = plant.gearmesh("gateway-1", &["registrar", "add", "press-9"]).refused_with(236);
    gateway.kill();
    let said = plant.gearmesh("press-1", &["add", "robot-1", "--no-wait"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let joined = plant.gearmesh("robot-1", &["join", code]).ok();
    assert!(joined.contains("admitted by press-1"), "{joined}");

    let said = plant.gearmesh("press-1", &["registrar", "remove", "press-1"]).ok();
    assert!(said.contains("press-1 redeems no invitations any more"), "{said}");
    let _ = plant.gearmesh("press-1", &["registrar", "remove", "press-1"]).refused_with(342);
    let _ = plant.gearmesh("press-1", &["add", "packer-1", "--no-wait"]).refused_with(230);
    let _ = plant.gearmesh("press-1", &["registrar", "add", "press-1"]).refused_with(343);
    let members = plant.members("press-1");
    assert!(members.iter().any(|it| it.name == "robot-1"), "whom it let in stays: {members:?}");
    assert_eq!(plant.presence("press-1", "press-1"), Some(Presence::Here));
}

/// What a thief with a copy of an admin's keyring does: throws the press out, and lets in a machine of
/// its own.
fn misused(plant: &Plant, stolen: &Path) -> Daemon {
    let by_thief = |words: &[&str]| with(plant, stolen, "gateway-1", words);
    let _ = by_thief(&["revoke", "press-1", "--reason", "lost", "--yes"]).ok();
    let said = by_thief(&["add", "spy-1", "--no-wait"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let _ = plant.gearmesh("spy-1", &["join", code]).ok();
    let spy = plant.up("spy-1");
    plant.wait_for("gateway-1", "spy-1", Presence::Online);
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Revoked));
    spy
}

/// The group with the last record that the list shows before this one.
fn before<'a>(list: &'a str, record: &str) -> &'a str {
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("  ")).collect();
    let at = lines.iter().position(|line| line.contains(record)).expect("the record is shown");
    lines[at - 1].split_whitespace().next().expect("a group")
}

/// What the thief did is undone, and what was done before stands.
fn assert_put_right(plant: &Plant, before: &str) {
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    publish(plant, "press-1", 7, "replicated=1");
    assert_eq!(sorted(plant, "gateway-1", "press-1/part/#"), [7]);
    let names: Vec<String> = plant.members("gateway-1").into_iter().map(|it| it.name).collect();
    assert!(
        names.contains(&before.to_owned()) && !names.contains(&"spy-1".to_owned()),
        "{names:?}"
    );
    let refused = until("the spy is told", || plant.status("spy-1").refused);
    assert!([110, 112, 100].contains(&refused.code), "{refused:?}");
}

#[test]
fn a_stolen_admin_key_is_survived_and_what_the_thief_did_is_undone() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let (maria, key) = keyring_of(&plant, "maria");
    let _ = plant.gearmesh("gateway-1", &["admin", "add", "maria", &key]).ok();
    let said = with(&plant, &maria, "gateway-1", &["add", "robot-1", "--no-wait"]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let _ = plant.gearmesh("robot-1", &["join", code]).ok();
    let _spy = misused(&plant, &maria);

    let remove = ["admin", "remove", "maria", "--reason", "compromised", "--yes"];
    let said = plant.gearmesh("gateway-1", &remove);
    let cut = before(&said.out, "revokes press-1").to_owned();
    let err = said.refused_with(252);
    assert!(err.contains("admin remove maria --reason compromised --cut"), "{err}");
    let said = plant.gearmesh("gateway-1", &[&remove[..], &["--cut", &cut]].concat()).ok();
    assert!(said.contains("spy-1 fell with it"), "{said}");
    assert_put_right(&plant, "robot-1");
    let _ = with(&plant, &maria, "gateway-1", &["add", "more", "--no-wait"]).refused_with(326);
}

/// A plant whose root is on three sheets, with its gateway and a press.
fn on_sheets() -> (Plant, Vec<PathBuf>, Daemon, Daemon) {
    let plant = Plant::empty();
    let words = ["init", "Test plant", "--node-name", "gateway-1", "--root-keys", "3"];
    let said = plant.gearmesh("gateway-1", &words).ok();
    assert_eq!(said.lines().filter(|line| line.starts_with("Sheet ")).count(), 3, "{said}");
    assert!(!said.contains("gr1:"), "no secret is shown: {said}");
    let folder = plant.home("keyring.sheets");
    let sheets = (1..=3).map(|number| folder.join(format!("sheet-{number}-of-3.txt")));
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    (plant, sheets.collect(), gateway, press)
}

fn recover(plant: &Plant, keyring: &Path, sheets: &[&PathBuf], words: &[&str]) -> Said {
    let mut all = vec!["recover"];
    all.extend(words);
    for sheet in sheets {
        all.extend(["--sheet", sheet.to_str().expect("a path")]);
    }
    with(plant, keyring, "gateway-1", &all)
}

#[test]
fn a_root_on_sheets_makes_a_new_admin_where_the_keyring_was_stolen() {
    let (plant, sheets, _gateway, _press) = on_sheets();
    plant.join("robot-1");
    assert_eq!(authorities(&plant), ["Admin founder", "Registrar gateway-1"]);
    let _spy = misused(&plant, &plant.keyring());
    let new = plant.home("new.keyring");
    let two = [&sheets[0], &sheets[2]];
    let words = ["maria", "--revoke", "founder", "--reason", "compromised"];
    let said = recover(&plant, &new, &two, &words);
    let cut = before(&said.out, "revokes press-1").to_owned();
    let _ = said.refused_with(252);
    assert!(!new.exists(), "nothing is made before it is clear what is to be done");
    let said = recover(&plant, &new, &two, &[&words[..], &["--cut", &cut]].concat()).ok();
    assert!(
        said.contains("founder signs no more") && said.contains("spy-1 fell with it"),
        "{said}"
    );
    assert!(said.contains("maria may sign for Test plant"), "{said}");
    assert_put_right(&plant, "robot-1");
    assert_eq!(authorities(&plant), ["Admin maria", "Registrar gateway-1"]);
    let _ = plant.gearmesh("gateway-1", &["add", "more", "--no-wait"]).refused_with(326);
    let _ = with(&plant, &new, "gateway-1", &["add", "more", "--no-wait"]).ok();
}

#[test]
fn sheets_that_are_wrong_too_few_or_of_another_plant_are_named_and_a_drill_changes_nothing() {
    let (plant, sheets, _gateway, _press) = on_sheets();
    let new = plant.home("new.keyring");
    let drill = |sheets: &[&PathBuf]| recover(&plant, &new, sheets, &["--drill"]);
    let said = drill(&[&sheets[1], &sheets[2]]).ok();
    assert!(said.contains("sheets 2 and 3 are right and enough for Test plant"), "{said}");
    let err = drill(&[&sheets[1], &sheets[1]]).refused_with(333);
    assert!(err.contains("1 different sheets are here, and 2 are needed"), "{err}");
    let text = std::fs::read_to_string(&sheets[0]).expect("a sheet");
    let line = text.lines().find(|line| line.starts_with("gr1:")).expect("a line");
    let wrong = plant.home("wrong.txt");
    let last = if line.ends_with('7') { "8" } else { "7" };
    std::fs::write(&wrong, format!("{}{last}", &line[..line.len() - 1])).expect("a file");
    let _ = drill(&[&wrong, &sheets[1]]).refused_with(331);
    let (other, theirs, _g, _p) = on_sheets();
    let err = drill(&[&theirs[0], &sheets[1]]).refused_with(332);
    assert!(err.contains("take the sheets with the check words"), "{err}");
    drop(other);
    assert!(!new.exists());
    assert_eq!(authorities(&plant), ["Admin founder", "Registrar gateway-1"]);

    // Typed from paper, with capitals and blanks.
    let second = std::fs::read_to_string(&sheets[1]).expect("a sheet");
    let second = second.lines().find(|line| line.starts_with("gr1:")).expect("a line");
    let typed = format!("{}\n{}\n", line.to_uppercase(), second.replace('-', " "));
    let said = plant.gearmesh_reading("gateway-1", &["recover", "--drill"], &typed).ok();
    assert!(said.contains("sheets 1 and 2 are right"), "{said}");
}

#[test]
fn a_plant_is_not_founded_with_a_root_that_could_not_act_and_one_key_is_on_no_sheet() {
    let plant = Plant::empty();
    let found = |words: &[&str]| {
        plant.gearmesh("gateway-1", &[&["init", "X", "--node-name", "g"], words].concat())
    };
    let _ = found(&["--root-keys", "3", "--threshold", "4"]).refused_with(330);
    let _ = found(&["--root-keys", "3", "--threshold", "1"]).refused_with(330);
    assert_eq!(found(&["--root-keys", "9"]).code, Some(2));
    assert!(!plant.keyring().exists());
    let _ = found(&[]).ok();
    let _gateway = plant.up("gateway-1");
    let _ = plant.gearmesh("gateway-1", &["recover", "--drill"]).refused_with(334);
}

#[test]
fn a_keyring_behind_a_passphrase_signs_for_nobody_who_does_not_know_it() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    let secret = std::fs::read_to_string(plant.keyring().join("root.key")).expect("a key");
    let file = |name: &str, text: &str| {
        let path = plant.home(name);
        std::fs::write(&path, format!("{text}\n")).expect("a file");
        path
    };
    let (right, wrong) = (file("right", "correct horse"), file("wrong", "battery staple"));
    let short = file("short", "horse");
    let typed = |words: &[&str], files: &[(&str, &PathBuf)]| -> Said {
        let mut command = plant.command_at("gateway-1", words);
        command.envs(files.iter().map(|(name, path)| (*name, path)));
        command.output().expect("gearmesh runs").into()
    };
    let (old, new) = ("GEARMESH_PASSPHRASE_FILE", "GEARMESH_NEW_PASSPHRASE_FILE");
    let _ = typed(&["passphrase"], &[]).refused_with(335);
    let _ = typed(&["passphrase"], &[(new, &short)]).refused_with(337);
    let said = typed(&["passphrase"], &[(new, &right)]).ok();
    assert!(said.contains("is behind its passphrase"), "{said}");
    let held = std::fs::read_to_string(plant.keyring().join("root.key")).expect("a key");
    assert!(!held.contains(secret.trim()), "{held}");

    let add = ["add", "press-1", "--no-wait"];
    let _ = typed(&add, &[]).refused_with(335);
    let _ = typed(&add, &[(old, &wrong)]).refused_with(336);
    let _ = typed(&add, &[(old, &right)]).ok();
    let _ = typed(&["passphrase"], &[(old, &right), (new, &wrong)]).ok();
    let _ = typed(&["void", "press-1"], &[(old, &right)]).refused_with(336);
    let said = typed(&["passphrase", "--remove"], &[(old, &wrong)]).ok();
    assert!(said.contains("has no passphrase any more"), "{said}");
    let held = std::fs::read_to_string(plant.keyring().join("root.key")).expect("a key");
    assert_eq!(held, secret);
    let _ = plant.gearmesh("gateway-1", &["void", "press-1"]).ok();
}

#[test]
fn a_keyring_that_no_network_reaches_signs_what_is_carried_to_it() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    // The keyring lies elsewhere: what is typed at the node finds none.
    let drawer = plant.home("drawer");
    std::fs::rename(plant.keyring(), &drawer).expect("a rename");
    let paper = |name: &str| plant.home(name).display().to_string();
    let ask = |words: &[&str], file: &str| {
        let said = plant.gearmesh("gateway-1", &[words, &["--unsigned", file]].concat());
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(
            said.err.contains("[code 340]") && said.err.contains("gearmesh hand-in"),
            "{said:?}"
        );
        said.out
    };
    let sign = |file: &str| {
        let keyring = drawer.display().to_string();
        gearmesh(&["--keyring", &keyring, "--home", "/nowhere", "sign", file, "--yes"])
    };
    let add = paper("add.json");
    let out = ask(&["add", "robot-1", "packer-1", "--no-wait"], &add);
    let code = out.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    assert!(!std::fs::read_to_string(&add).expect("a file").contains(code), "it stays here");
    let _ = plant.gearmesh("robot-1", &["join", code]).refused_with(121);
    let said = sign(&add).ok();
    assert!(said.contains("invites robot-1 (machine) until "), "{said}");
    let signed = format!("{add}.signed");
    let said = plant.gearmesh("gateway-1", &["hand-in", &signed]).ok();
    assert!(said.contains("confirmed    gateway-1, press-1"), "{said}");
    let _ = plant.gearmesh("robot-1", &["join", code]).ok();
    let _ = plant.gearmesh("gateway-1", &["hand-in", &signed]).ok();

    // What was signed and lost on the way is carried by the next.
    let (rename, revoke) = (paper("rename.json"), paper("revoke.json"));
    ask(&["set", "press-1", "--name", "press-7"], &rename);
    let said = sign(&rename).ok();
    assert!(said.contains("makes press-7 (machine, scope press-1) of: "), "{said}");
    ask(&["revoke", "robot-1", "--reason", "lost"], &revoke);
    let said = sign(&revoke).ok();
    assert!(said.contains("revokes, for good (lost): "), "{said}");
    let _ = plant.gearmesh("gateway-1", &["hand-in", &format!("{revoke}.signed")]).ok();
    let names: Vec<String> = plant.members("gateway-1").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["gateway-1", "press-7", "robot-1"]);
    assert_eq!(plant.presence("gateway-1", "robot-1"), Some(Presence::Revoked));

    // Files that are something else, or of another plant.
    let _ = sign(&signed).refused_with(341);
    let _ = plant.gearmesh("gateway-1", &["hand-in", &revoke]).refused_with(341);
    let (other, _, _g, _p) = Plant::of_two();
    let _ = other.gearmesh("gateway-1", &["hand-in", &signed]).refused_with(341);
    let keyring = other.keyring().display().to_string();
    let said = gearmesh(&["--keyring", &keyring, "--home", "/nowhere", "sign", &add, "--yes"]);
    let _ = said.refused_with(243);
}

#[test]
fn a_laptop_that_is_no_node_signs_through_a_socket_that_is_forwarded_to_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let (plant, _, _gateway, _press) = Plant::of_two();
    // As `ssh -L laptop/node.sock:…/node.sock` makes it.
    let laptop = plant.home("laptop");
    std::fs::create_dir(&laptop).expect("a folder");
    std::fs::set_permissions(&laptop, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    symlink(plant.home("gateway-1").join("node.sock"), laptop.join("node.sock")).expect("a link");
    let said =
        with(&plant, &plant.keyring(), "laptop", &["set", "press-1", "--name", "press-7"]).ok();
    assert!(said.contains("confirmed    gateway-1, press-7"), "{said}");
    assert!(!laptop.join("node.key").exists(), "it stays no node");
}
