//! Outputs of test programs, as cargo prints them, and what they count to.

use super::Tally;

fn tally(output: &str, succeeded: bool) -> Tally {
    let mut tally = Tally::default();
    output.lines().for_each(|line| tally.line(line));
    tally.finish(succeeded);
    tally
}

const GOOD: &str = "
running 3 tests
test a::b ... ok
test a::c - should panic ... ok
test a::d ... ignored, needs two machines

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s
";

const BAD: &str = "
running 2 tests
test e ... FAILED
test f ... ok

failures:

---- e stdout ----
    running out of space
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
failures:
    not a name

failures:
    e

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s
";

#[test]
fn adds_up_every_program() {
    let all = tally(&format!("{GOOD}{BAD}{GOOD}"), false);
    assert_eq!((all.passed, all.failed), (5, vec!["e".to_owned()]));
    assert_eq!(all.ignored, ["a::d: needs two machines"; 2]);
}

#[test]
fn names_come_from_the_list_where_lines_are_garbled() {
    let garbled = BAD.replace("test e ... FAILED", "test e ... said something\nFAILED");
    assert_eq!(tally(&garbled, false).failed, ["e"]);
    let lost =
        "running 1 test\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 x";
    assert_eq!(tally(lost, false).failed.len(), 1);
}

#[test]
fn colours_and_times_do_not_matter() {
    let coloured = "running 1 test\ntest a ... \u{1b}[32mok\u{1b}[0m <0.001s>\n\
                    test result: \u{1b}[32mok\u{1b}[0m. 1 passed; 0 failed; 0 ignored; 0 measured; 0 x";
    let all = tally(coloured, true);
    assert_eq!((all.passed, all.failed.len()), (1, 0));
}

#[test]
fn a_program_that_never_ends_has_failed() {
    let crash = "running 3 tests\ntest a ... ok\ntest b ... FAILED\n";
    for output in [crash.to_owned(), format!("{crash}{GOOD}")] {
        let all = tally(&output, false);
        assert_eq!(all.failed.len(), 2, "{:?}", all.failed);
        assert_eq!(all.failed[1], "a test program that ended without a result, after b");
    }
}

#[test]
fn cargo_may_fail_without_a_test() {
    assert_eq!(tally("", false).failed.len(), 1);
    assert_eq!(tally(GOOD, false).failed.len(), 1);
    assert_eq!(tally(BAD, false).failed, ["e"]);
    assert_eq!(
        tally(
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; \
                      0 measured; 0 filtered out",
            true
        )
        .failed
        .len(),
        0
    );
}
