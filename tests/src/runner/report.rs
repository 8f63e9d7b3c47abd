//! The end of a run, in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::tally::Tally;

/// What failed, what was skipped and why, and the closing line.
pub(crate) fn report(tally: &Tally, list: &str) -> String {
    let left = left_early(list);
    let skipped: Vec<&str> =
        left.values().copied().chain(tally.ignored.iter().map(String::as_str)).collect();
    let mut text = String::new();
    section(&mut text, "failed", tally.failed.iter().map(String::as_str));
    section(&mut text, "skipped", skipped.iter().copied());
    // To its harness a test that left early has passed.
    let passed = tally.passed.saturating_sub(left.len());
    let (failed, skipped) = (tally.failed.len(), skipped.len());
    _ = writeln!(text, "\n{passed} passed, {failed} failed, {skipped} skipped");
    text
}

/// The tests in the file of skipped ones, by name: one may give several reasons and is still one.
fn left_early(list: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty()) {
        found.entry(line.split(": ").next().unwrap_or(line)).or_insert(line);
    }
    found
}

fn section<'a>(text: &mut String, title: &str, lines: impl Iterator<Item = &'a str>) {
    for (index, line) in lines.enumerate() {
        if index == 0 {
            _ = writeln!(text, "\n{title}:");
        }
        _ = writeln!(text, "  {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, report};

    fn tally(passed: usize, failed: &[&str], ignored: &[&str]) -> Tally {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut tally = Tally::default();
        (tally.passed, tally.failed, tally.ignored) = (passed, owned(failed), owned(ignored));
        tally
    }

    #[test]
    fn a_clean_run_is_one_line() {
        assert_eq!(report(&tally(7, &[], &[]), ""), "\n7 passed, 0 failed, 0 skipped\n");
    }

    #[test]
    fn what_did_not_pass_is_named_and_counted_once() {
        let tally = tally(5, &["a::b"], &["c: needs two machines"]);
        let text = report(&tally, "d: not root\nd: no nft\ne: not root\n");
        assert_eq!(
            text,
            "\nfailed:\n  a::b\n\nskipped:\n  d: not root\n  e: not root\n  \
             c: needs two machines\n\n3 passed, 1 failed, 3 skipped\n"
        );
    }
}
