//! The test command, from its arguments to its exit code.

mod arguments;
mod cargo;
mod machine;
mod report;
mod tally;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::Request;

/// Does what the arguments ask for.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    match arguments::read(arguments) {
        Request::Help => {
            print!("{}", arguments::HELP);
            ExitCode::SUCCESS
        }
        Request::Test(arguments) => test(&arguments),
    }
}

fn test(arguments: &[OsString]) -> ExitCode {
    machine::prepare();
    let ran = tempfile::NamedTempFile::new().and_then(|list| {
        let tally = cargo::test(arguments, list.path())?;
        Ok((tally, std::fs::read_to_string(list.path())?))
    });
    match ran {
        Ok((tally, list)) => {
            let report = report::report(&tally, &list);
            print!("{report}");
            if tally.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("the tests could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}
