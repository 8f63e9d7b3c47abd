//! Plants bugs and says which of them the simulator finds:
//! `cargo run -p gearmesh-tests --bin planted [-- NAME...]`.
//!
//! The table goes to `docs/reliability.md` by hand.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

use std::process::ExitCode;

use gearmesh_tests::planted::{Bug, Found, Hunt, missing};

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match hunt(&names) {
        Ok((found, all)) => {
            println!("{found} of {all} planted bugs found");
            if found == all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("no bugs can be planted here: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many were found, of how many.
fn hunt(names: &[String]) -> Result<(usize, usize), String> {
    if let Some(reason) = missing() {
        return Err(reason.to_owned());
    }
    let bugs = Bug::named(names)?;
    let hunt = Hunt::begin()?;
    let mut count = 0;
    println!("| bug | found by | scenario | seed | after |\n|---|---|---|---|---|");
    for bug in &bugs {
        match hunt.hunt(bug) {
            Ok(Some(Found { scenario, seed, by, after })) => {
                count += 1;
                let after = after.as_secs_f64();
                println!("| `{}` | `{by}` | `{scenario}` | {seed} | {after:.1} s |", bug.name);
            }
            Ok(None) => println!("| `{}` | NOTHING | | | |", bug.name),
            Err(error) => println!("| `{}` | COULD NOT BE TRIED | | | |\n{error}", bug.name),
        }
    }
    Ok((count, bugs.len()))
}
