//! What the command line asks for.

use std::ffi::OsString;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
Runs every test of gearmesh and says what failed and what was skipped.

Usage: cargo run -p gearmesh-tests [-- ARGUMENTS]

ARGUMENTS are handed to `cargo test`, for instance:
  --test architecture     one suite
  -p gearmesh-protocol    one crate
  some_name               the tests whose name contains it
  -- --nocapture          what follows `--` goes to the test programs

As root on a Debian-like system it first installs `iproute2`, `nftables` and `faketime` where they are
missing, for the suites that build networks and shift clocks. Tests that cannot run on this machine are skipped, with a reason.

The last line is `N passed, N failed, N skipped`; the exit code is not zero if anything failed.
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Explain the command.
    Help,
    /// Run `cargo` with these arguments.
    Test(Vec<OsString>),
}

/// Reads the arguments after the program's name.
pub(crate) fn read(arguments: Vec<OsString>) -> Request {
    let own = || arguments.iter().take_while(|argument| *argument != "--");
    if own().any(|argument| argument == "--help" || argument == "-h") {
        return Request::Help;
    }
    let given = |names: &[&str]| {
        own().any(|argument| names.iter().any(|name| argument.to_string_lossy().starts_with(name)))
    };
    let mut all: Vec<OsString> = vec!["test".into()];
    // Naming a package chooses less than everything, and cargo takes a flag only once.
    if !given(&["-p", "--package", "--workspace", "--all", "--manifest-path"]) {
        all.push("--workspace".into());
    }
    if !given(&["--no-fail-fast"]) {
        all.push("--no-fail-fast".into());
    }
    all.extend(arguments);
    Request::Test(all)
}

#[cfg(test)]
mod tests {
    use super::{Request, read};

    fn asked(line: &str) -> String {
        match read(line.split_whitespace().map(Into::into).collect()) {
            Request::Help => "help".to_owned(),
            Request::Test(arguments) => {
                arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn everything_is_tested_unless_less_is_named() {
        assert_eq!(asked(""), "test --workspace --no-fail-fast");
        assert_eq!(asked("-p gearmesh-node"), "test --no-fail-fast -p gearmesh-node");
        assert_eq!(asked("--no-fail-fast a"), "test --workspace --no-fail-fast a");
        assert_eq!(asked("-- -p"), "test --workspace --no-fail-fast -- -p");
    }

    #[test]
    fn help_is_asked_for_before_the_dashes() {
        assert_eq!((asked("--help"), asked("-h")), ("help".to_owned(), "help".to_owned()));
        assert_eq!(asked("-- --help"), "test --workspace --no-fail-fast -- --help");
    }
}
