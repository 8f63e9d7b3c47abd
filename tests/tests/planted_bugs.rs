//! Whether the simulator finds what is planted for it: three bugs of those in `tests/planted`, in
//! every run. All of them: `cargo run -p gearmesh-tests --bin planted`.

use gearmesh_tests::planted::{Bug, Hunt, missing};
use gearmesh_tests::skip::skip;

/// One each of the durable path, of what is asked again, and of trust.
const BUGS: [&str; 3] = ["ack_before_sync", "failed_page_not_asked_again", "second_admission"];

#[test]
fn planted_bugs_are_found() {
    if let Some(reason) = missing() {
        return skip("planted_bugs_are_found", reason);
    }
    let bugs = Bug::named(&BUGS.map(str::to_owned)).expect("patches");
    let hunt = Hunt::begin().expect("a copy of the workspace");
    for bug in bugs {
        let found = hunt.hunt(&bug).unwrap_or_else(|error| panic!("{}: {error}", bug.name));
        assert!(found.is_some(), "no scenario finds {}: {}", bug.name, bug.wrong);
    }
}

#[test]
fn every_patch_says_what_it_makes_wrong() {
    let bugs = Bug::all().expect("patches with a head");
    assert!(bugs.len() >= 15, "{} bugs are planted", bugs.len());
}
