//! The test command: `cargo run -p gearmesh-tests`.
//!
//! It prepares the machine, runs every test of the workspace, and ends with what failed, what was
//! skipped and why, and one line of counts.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test command talks to a terminal"
)]

mod runner;

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::run(std::env::args_os().skip(1).collect())
}
