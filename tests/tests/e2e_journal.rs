//! A journal that is gone, or emptied: what the node says, and what mends it.

use std::os::unix::fs::PermissionsExt;

use gearmesh_tests::daemon::Plant;
use gearmesh_tests::wait::until;

const QUIETLY: [&str; 3] = ["--listen", "127.0.0.1:0", "--no-mdns"];

/// Starts a member that lost its journal, and looks at what it says.
fn assert_missing(plant: &Plant, name: &str) {
    let code = plant.spawn(name, &QUIETLY).wait();
    let log = plant.log(name);
    assert_eq!(code, Some(3), "{log}");
    let home = plant.home(name).display().to_string();
    for part in ["[code 217]", "the journal in", "Test plant", "from a copy", "revoke", &home] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains("no plant yet") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_member_whose_journal_is_gone_does_not_start_as_if_it_were_new() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    plant.join("press-1");
    assert_eq!(gateway.stop(), Some(0));
    for name in ["gateway-1", "press-1"] {
        let home = plant.home(name);
        let (journal, key) = (home.join("journal"), home.join("node.key"));
        let (held, secret) = (std::fs::read(&journal).expect("a journal"), std::fs::read(&key));
        std::fs::remove_file(&journal).expect("a journal to lose");
        assert_missing(&plant, name);
        // Now there is one, without a record in it.
        assert_missing(&plant, name);
        std::fs::write(&journal, b"").expect("a write");
        assert_missing(&plant, name);
        let err = plant.gearmesh(name, &["init", "Another"]).refused_saying("holds nothing of");
        assert!(err.contains("Test plant"), "{err}");

        std::fs::write(&journal, &held).expect("a write");
        assert_eq!(std::fs::read(&key).expect("a key"), secret.expect("a key"));
        let _node = plant.up(name);
        assert!(plant.status(name).plant.expect("a plant").me.is_some(), "the copy mends it");
    }
}

#[test]
fn the_key_of_one_member_beside_the_journal_of_another_is_noticed() {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    for name in ["press-1", "press-2"] {
        plant.join(name);
    }
    let [one, other] = ["press-1", "press-2"].map(|name| plant.home(name).join("node.key"));
    let node = plant.up("press-2");
    let note = plant.home("press-2").join("plant");
    until("the second home has its note", || note.exists().then_some(()));
    assert_eq!(node.stop(), Some(0));
    std::fs::copy(&one, &other).expect("a copy");
    let code = plant.spawn("press-2", &QUIETLY).wait();
    let log = plant.log("press-2");
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("[code 218]") && log.contains("from the same copy"), "{log}");
}

#[test]
fn a_home_that_never_had_a_plant_starts_with_or_without_a_journal() {
    let plant = Plant::empty();
    for _ in 0..2 {
        let node = plant.up("press-1");
        assert!(plant.status("press-1").plant.is_none());
        assert_eq!(node.stop(), Some(0));
        std::fs::remove_file(plant.home("press-1").join("journal")).expect("a journal to lose");
    }
    assert!(!plant.home("press-1").join("plant").exists());
}

#[test]
fn a_home_notes_its_plant_for_its_owner_alone_and_again_if_the_note_is_gone() {
    let plant = Plant::founded();
    let note = plant.home("gateway-1").join("plant");
    let first = std::fs::read_to_string(&note).expect("a note");
    std::fs::remove_file(&note).expect("a note to lose");
    let _gateway = plant.up("gateway-1");
    let again = until("it is noted again", || std::fs::read_to_string(&note).ok());
    assert_eq!(again, first);
    let status = plant.status("gateway-1").plant.expect("a plant");
    let me = status.me.expect("its own line").key;
    assert_eq!(first, format!("{} Test plant\n{me}\n", status.id));
    let mode = std::fs::metadata(&note).expect("a note").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
