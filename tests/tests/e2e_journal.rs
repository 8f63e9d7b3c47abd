//! A journal that is gone, emptied or cannot be written: what the node says, and what mends it.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::skip::skip;
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

/// A small file system over a folder, for as long as this lives.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// `None` where mounting is not allowed.
    fn mount(over: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(over).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(over);
        let done = mount.stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then_some(Self(over))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "umount {:?}", self.0);
    }
}

#[test]
fn a_node_with_a_full_disk_says_so_in_its_status_until_there_is_space() {
    let plant = Plant::founded();
    let home = plant.home("press-1");
    let Some(_small) = Small::mount(&home) else {
        return skip("a node with a full disk", "no file system can be mounted here: not root");
    };
    let _gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let _press = plant.up("press-1");
    plant.wait_for("press-1", "gateway-1", Presence::Online);
    let alarms = || plant.status("press-1").alarms;
    assert!(alarms().is_empty(), "{:?}", alarms());

    let held_back = || home.join("ballast").metadata().map_or(0, |ballast| ballast.len());
    until("room is held back", || (held_back() == 1 << 20).then_some(()));
    fill(&home.join("filler"));
    // What is needed to put a plant right is still stored.
    let mut number = 0;
    until("the room is used", || {
        number += 1;
        drop(plant.code(&format!("robot-{number}"), &[]));
        (held_back() < 1 << 20).then_some(())
    });
    until("an alarm", || alarms().into_iter().find(|alarm| alarm.contains("held back")));
    // A record at a time, until one no longer fits what the last page of the file still holds. What
    // is left of the room comes free for each, and is taken by somebody else.
    let said = "the journal cannot be written: ";
    let alarm = until("an alarm", || {
        fill(&home.join("filler"));
        number += 1;
        let _ = plant.code(&format!("robot-{number}"), &[]);
        alarms().into_iter().find(|alarm| alarm.starts_with(said))
    });
    assert!(alarm.contains("space") && alarm.contains("by itself"), "{alarm}");

    std::fs::remove_file(home.join("filler")).expect("space");
    until("the alarms go", || alarms().is_empty().then_some(()));
    assert_eq!(held_back(), 1 << 20, "it is held back again");
}

/// Takes all the room there is.
fn fill(filler: &Path) {
    let mut file = File::options().append(true).create(true).open(filler).expect("a file");
    let full = file.write_all(&vec![1; 4 << 20]).map_err(|error| error.kind());
    assert_eq!(full, Err(std::io::ErrorKind::StorageFull));
}
