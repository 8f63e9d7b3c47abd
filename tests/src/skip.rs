//! Tests that cannot run on this machine, said aloud.
//!
//! A test that finds no way to run here (no network namespaces, say) calls [`skip`] and returns. The
//! test command hands every suite one file to write such tests to, and reports them apart from those
//! that passed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// The environment variable that names the file.
pub const LIST: &str = "GEARMESH_SKIPS";

/// Records that `test` did not run, and why.
pub fn skip(test: &str, reason: &str) {
    // Past the capture of the test harness: whoever runs one suite by hand must see it too.
    _ = std::io::stderr().write_all(format!("SKIPPED {}\n", entry(test, reason)).as_bytes());
    if let Some(list) = std::env::var_os(LIST) {
        append(Path::new(&list), &entry(test, reason));
    }
}

fn entry(test: &str, reason: &str) -> String {
    let words: Vec<&str> = reason.split_whitespace().collect();
    format!("{test}: {}", words.join(" "))
}

/// One write of one line, so that suites that run side by side do not mix their lines.
fn append(list: &Path, entry: &str) {
    let file = OpenOptions::new().append(true).create(true).open(list);
    let written = file.and_then(|mut file| file.write_all(format!("{entry}\n").as_bytes()));
    if let Err(error) = written {
        let complaint = format!("{}: {error}; not recorded: {entry}\n", list.display());
        _ = std::io::stderr().write_all(complaint.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{append, entry};

    #[test]
    fn an_entry_is_one_line() {
        assert_eq!(entry("joins", "no\n  namespaces: not root"), "joins: no namespaces: not root");
    }

    #[test]
    fn entries_follow_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("skips");
        append(&list, "a: b");
        append(&list, "c: d");
        assert_eq!(std::fs::read_to_string(&list).unwrap(), "a: b\nc: d\n");
    }
}
