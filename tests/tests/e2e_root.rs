//! Another root in the place of the first: new sheets for old ones, sheets for a key in a keyring, and two
//! roots that want to take over.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::path::{Path, PathBuf};

use gearmesh_protocol::local::Presence;
use gearmesh_protocol::membership::AuthorityStatus;
use gearmesh_protocol::roots::RootStatus;
use gearmesh_tests::cli::{Said, gearmesh};
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::wait::until;

/// Types a command at the gateway with this keyring, and with these sheets.
fn typed(plant: &Plant, keyring: &Path, words: &[&str], sheets: &[&PathBuf]) -> Said {
    let home = plant.home("gateway-1").display().to_string();
    let keyring = keyring.display().to_string();
    let mut all = vec!["--home", &home, "--keyring", &keyring];
    all.extend(words);
    for sheet in sheets {
        all.extend(["--sheet", sheet.to_str().expect("a path")]);
    }
    gearmesh(&all)
}

fn root(plant: &Plant, at: &str) -> RootStatus {
    let said = plant.gearmesh(at, &["root", "show", "--json"]).ok();
    serde_json::from_str(&said).expect("how the root stands")
}

fn admins(plant: &Plant, at: &str) -> Vec<String> {
    let said = plant.gearmesh(at, &["admin", "list", "--json"]).ok();
    let there: Vec<AuthorityStatus> = serde_json::from_str(&said).expect("a list");
    there.iter().map(|it| format!("{:?} {}", it.authority, it.name)).collect()
}

fn sheets_in(folder: &Path) -> [PathBuf; 3] {
    [1, 2, 3].map(|number| folder.join(format!("sheet-{number}-of-3.txt")))
}

/// A plant whose root is on three sheets, with its gateway and a press.
fn on_sheets() -> (Plant, [PathBuf; 3], Daemon, Daemon) {
    let plant = Plant::empty();
    let words = ["init", "Test plant", "--node-name", "gateway-1", "--root-keys", "3"];
    let _ = plant.gearmesh("gateway-1", &words).ok();
    let sheets = sheets_in(&plant.home("keyring.sheets"));
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let press = plant.up("press-1");
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    (plant, sheets, gateway, press)
}

/// Puts new sheets in the place of old ones.
fn rotated(plant: &Plant, to: &str, words: &[&str], old: &[&PathBuf]) -> (String, [PathBuf; 3]) {
    let folder = plant.home(to);
    let place = folder.display().to_string();
    let all = [&["root", "rotate", "--yes", "--sheets", &place], words].concat();
    let said = typed(plant, &plant.keyring(), &all, old).ok();
    assert!(!said.contains("gr1:"), "no secret is shown: {said}");
    assert!(said.contains("confirmed    gateway-1, press-1"), "{said}");
    (said, sheets_in(&folder))
}

#[test]
fn new_sheets_take_the_place_of_old_ones_and_those_are_worth_nothing_any_more() {
    let (plant, old, _gateway, _press) = on_sheets();
    let new = plant.home("new.keyring");
    let typed = |words: &[&str], sheets: &[&PathBuf]| typed(&plant, &new, words, sheets);
    let _ = typed(&["root", "rotate", "--yes"], &[&old[0]]).refused_with(333);
    let (said, sheets) = rotated(&plant, "second", &[], &[&old[0], &old[2]]);
    assert!(said.contains("Root      2 of 3 keys of Test plant"), "{said}");
    let err = typed(&["recover", "--drill"], &[&old[0], &old[2]]).refused_with(441);
    assert!(err.contains("does not act"), "{err}");
    let text = std::fs::read_to_string(&sheets[0]).expect("a sheet");
    assert!(text.contains("Root since   20"), "{text}");
    assert_eq!(admins(&plant, "press-1"), ["Admin founder", "Registrar gateway-1"]);

    let _ = typed(&["recover", "maria"], &[&sheets[0], &sheets[1]]).ok();
    until("the press knows maria", || {
        admins(&plant, "press-1").contains(&"Admin maria".into()).then_some(())
    });
    let said = typed(&["add", "robot-1", "--no-wait"], &[]).ok();
    let code = said.split_whitespace().find(|word| word.starts_with("gm1:")).expect("a code");
    let _ = plant.gearmesh("robot-1", &["join", code]).ok();
    let shown = root(&plant, "gateway-1");
    assert_eq!((shown.rotations.len(), shown.past_keys.len(), shown.is_frozen), (1, 3, false));
    assert!(shown.acts.len() == 2 && shown.acts.iter().all(|act| act.counts), "{shown:?}");
    let _ = typed(&["root", "settle", &shown.words, "--yes"], &[]).refused_with(443);

    // The founder's act goes with the next one.
    let founder = shown.acts[0].id.to_string();
    let wrong = ["root", "rotate", "--yes", "--without", &founder[..12]];
    let _ = typed(&wrong, &[&sheets[0], &sheets[1]]).refused_with(254);
    let maria = shown.acts[1].id.to_string();
    let (_, third) =
        rotated(&plant, "third", &["--without", &maria[..12]], &[&sheets[1], &sheets[2]]);
    assert_eq!(admins(&plant, "gateway-1"), ["Admin founder", "Registrar gateway-1"]);
    let _ = typed(&["recover", "--drill"], &[&third[0], &third[2]]).ok();
}

#[test]
fn sheets_take_the_place_of_a_key_in_a_keyring() {
    let (plant, _, _gateway, _press) = Plant::of_two();
    let (said, sheets) = rotated(&plant, "sheets", &[], &[]);
    assert!(said.contains("This keyring signs no more"), "{said}");
    let _ = plant.gearmesh("gateway-1", &["add", "robot-1", "--no-wait"]).refused_with(441);
    let new = plant.home("new.keyring");
    let _ = typed(&plant, &new, &["recover", "maria"], &[&sheets[1], &sheets[2]]).ok();
    let _ = typed(&plant, &new, &["add", "robot-1", "--no-wait"], &[]).ok();
    let names: Vec<String> = plant.members("press-1").into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["press-1", "gateway-1"], "what the key signed before stays");
}

#[test]
fn of_two_roots_none_acts_until_the_admins_let_one_stand() {
    let (plant, old, _gateway, _press) = on_sheets();
    let new = plant.home("new.keyring");
    let (_, thiefs) = rotated(&plant, "thiefs", &[], &[&old[0], &old[1]]);
    let words = root(&plant, "gateway-1").words;
    let (said, owners) = rotated(&plant, "owners", &["--instead", &words], &[&old[1], &old[2]]);
    assert!(said.contains("Frozen    another root wants to take over too"), "{said}");
    for sheets in [&thiefs, &owners] {
        let _ = typed(&plant, &new, &["recover", "--drill"], &[&sheets[0], &sheets[1]])
            .refused_with(441);
    }
    let _ = typed(&plant, &new, &["recover", "eve"], &[&old[0], &old[1]]).refused_with(440);
    let shown = until("the press knows both", || {
        Some(root(&plant, "press-1")).filter(|shown| shown.is_frozen)
    });
    let alarms = plant.status("press-1").alarms;
    assert!(alarms.iter().any(|it| it.contains("2 roots want to take over")), "{alarms:?}");
    let rival = shown.rotations.iter().find(|it| it.words != words).expect("the other");

    // Admins go on, and decide.
    plant.join("robot-1");
    let _ = plant
        .gearmesh("gateway-1", &["root", "settle", "no such words", "--yes"])
        .refused_with(442);
    let said = plant.gearmesh("gateway-1", &["root", "settle", &rival.words, "--yes"]).ok();
    assert!(said.contains("acts from now on"), "{said}");
    until("the press knows", || (!root(&plant, "press-1").is_frozen).then_some(()));
    let _ = typed(&plant, &new, &["recover", "eve"], &[&thiefs[0], &thiefs[1]]).refused_with(441);
    let _ = typed(&plant, &new, &["recover", "maria"], &[&owners[0], &owners[1]]).ok();
    assert_eq!(
        admins(&plant, "gateway-1"),
        ["Admin founder", "Admin maria", "Registrar gateway-1"]
    );
    assert_eq!(plant.presence("gateway-1", "press-1"), Some(Presence::Online));
}
