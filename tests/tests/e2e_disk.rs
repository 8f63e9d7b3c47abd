//! Disks that are full, and what a disk lost of durable values: what the node says, and what mends it.
#![expect(clippy::expect_used, reason = "a suite has one way to fail")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use gearmesh_protocol::local::Presence;
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::skip::skip;
use gearmesh_tests::values::{entries, history, missing, numbers, publish};
use gearmesh_tests::wait::until;

/// Bytes that a node holds back.
const BALLAST: u64 = 1 << 20;

/// Small segments, so that some are closed.
const SMALL: [&str; 5] = ["--listen", "127.0.0.1:0", "--no-mdns", "--keep-bytes", "1M"];

const TOPIC: &str = "gateway-1/part/count";

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

/// Takes all the room there is.
fn fill(filler: &Path) {
    let mut file = File::options().append(true).create(true).open(filler).expect("a file");
    let full = file.write_all(&vec![1; 4 << 20]).map_err(|error| error.kind());
    assert_eq!(full, Err(std::io::ErrorKind::StorageFull));
}

/// Bytes that are held back in a home.
fn held_back(home: &Path) -> u64 {
    home.join("ballast").metadata().map_or(0, |ballast| ballast.len())
}

/// Publishes so much that segments are closed: twenty values.
fn publish_much(plant: &Plant) {
    let long = "x".repeat(16 << 10);
    for number in 0..20 {
        let text = format!("{number}{long}");
        drop(plant.gearmesh("gateway-1", &["pub", "part/count", &text, "--durable"]).ok());
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

    until("room is held back", || (held_back(&home) == BALLAST).then_some(()));
    fill(&home.join("filler"));
    // What is needed to put a plant right is still stored.
    let mut number = 0;
    until("the room is used", || {
        number += 1;
        drop(plant.code(&format!("robot-{number}"), &[]));
        (held_back(&home) < BALLAST).then_some(())
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
    assert_eq!(held_back(&home), BALLAST, "it is held back again");
}

#[test]
fn a_node_starts_on_a_full_disk_and_has_what_it_had() {
    let plant = Plant::empty();
    let home = plant.home("gateway-1");
    let Some(_small) = Small::mount(&home) else {
        return skip("a start on a full disk", "no file system can be mounted here: not root");
    };
    let words = ["init", "Test plant", "--node-name", "gateway-1"];
    drop(plant.gearmesh("gateway-1", &words).ok());
    let gateway = plant.up_with("gateway-1", &SMALL);
    publish_much(&plant);
    let before = history(&plant, "gateway-1", &[TOPIC]);
    until("room is held back", || (held_back(&home) == BALLAST).then_some(()));
    assert_eq!(gateway.stop(), Some(0));
    let is_short = || plant.status("gateway-1").alarms.iter().any(|it| it.contains("held back"));
    let mut number = 0;
    for _ in 0..2 {
        fill(&home.join("filler"));
        let gateway = plant.up_with("gateway-1", &SMALL);
        assert_eq!(history(&plant, "gateway-1", &[TOPIC]), before);
        let left = held_back(&home);
        until("records are stored in the room that is held back", || {
            number += 1;
            drop(plant.code(&format!("press-{number}"), &[]));
            (held_back(&home) < left).then_some(())
        });
        // A part is enough for the next start.
        until("a part is held back", || (is_short() && held_back(&home) > 0).then_some(()));
        assert_eq!(gateway.stop(), Some(0));
        // The views may find no room and cost the start its time, but nothing else.
        let log = plant.log("gateway-1");
        assert!(!log.contains("panicked"), "{log}");
    }
    std::fs::remove_file(home.join("filler")).expect("space");
    let _gateway = plant.up_with("gateway-1", &SMALL);
    until("no alarm", || (!is_short() && held_back(&home) == BALLAST).then_some(()));
    publish(&plant, "gateway-1", 1, "local");
}

#[test]
fn views_that_are_gone_or_damaged_are_made_anew_and_the_node_says_so() {
    let plant = Plant::founded();
    let gateway = plant.up_with("gateway-1", &SMALL);
    publish_much(&plant);
    let kept = || history(&plant, "gateway-1", &[TOPIC]);
    let before = kept();
    assert_eq!(before.len(), 21, "twenty values and the end: {before:?}");
    assert_eq!(gateway.stop(), Some(0));
    let views = plant.home("gateway-1").join("views");
    let said = |words: &str| plant.log("gateway-1").matches(words).count();
    let gateway = plant.up_with("gateway-1", &SMALL);
    assert_eq!((kept(), said("made anew")), (before.clone(), 0));
    assert_eq!(gateway.stop(), Some(0));

    std::fs::remove_dir_all(&views).expect("views to lose");
    let gateway = plant.up_with("gateway-1", &SMALL);
    assert_eq!((kept(), said("made anew")), (before.clone(), 1));
    assert_eq!(gateway.stop(), Some(0));

    for file in std::fs::read_dir(&views).expect("views").map(|file| file.expect("a file").path()) {
        if file.is_file() {
            let length = std::fs::metadata(&file).expect("a length").len();
            std::fs::write(&file, vec![0xA5; length as usize]).expect("a write");
        }
    }
    let _gateway = plant.up_with("gateway-1", &SMALL);
    assert_eq!(kept(), before);
    assert!(said("made anew") > 1, "{}", plant.log("gateway-1"));
}

#[test]
fn a_node_whose_durable_values_are_gone_says_so_and_gets_back_what_members_have() {
    let plant = Plant::founded();
    let gateway = plant.up_at("gateway-1", free_port());
    plant.join("press-1");
    let port = free_port();
    let press = plant.up_at("press-1", port);
    plant.wait_for("gateway-1", "press-1", Presence::Online);
    for number in 0..5 {
        publish(&plant, "gateway-1", number, "replicated=1");
    }
    gateway.kill();
    assert_eq!(press.stop(), Some(0));
    std::fs::remove_dir_all(plant.home("gateway-1").join("data")).expect("values to lose");
    let _gateway = plant.up("gateway-1");
    let alarms = || plant.status("gateway-1").alarms;
    let told = |alarm: &String| alarm.contains("gone from its disk");
    until("an alarm", || alarms().iter().any(told).then_some(()));
    let why = plant.gearmesh("gateway-1", &["why", "gateway-1"]).ok();
    assert!(why.contains("gone from its disk"), "{why}");
    let _press = plant.up_at("press-1", port);
    until("they are back", || {
        let found = numbers(&entries(&plant, "gateway-1", TOPIC));
        let is_whole = missing(&plant, "gateway-1", TOPIC) == 0;
        (is_whole && found == [0, 1, 2, 3, 4]).then_some(())
    });
    until("no alarm", || (!alarms().iter().any(told)).then_some(()));
}
