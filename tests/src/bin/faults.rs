//! Rounds of real faults: `cargo run --release -p gearmesh-tests --bin faults -- ROUNDS [PLANTS]`.
//!
//! So many rounds, on so many plants at once (one, if nothing is said). The last line goes to
//! `docs/reliability.md` by hand, with the date. `GEARMESH_SEED` chooses other rounds; with one
//! round it repeats the one that it names.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

use std::process::ExitCode;

use gearmesh_tests::faults::{Spans, missing, run};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let (rounds, plants) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
    if let Some(reason) = missing() {
        eprintln!("no rounds can run here: {reason}");
        return ExitCode::FAILURE;
    }
    let seeds = run::seeds_from(run::seed(), rounds);
    let outcome = run::Run { seeds, plants, spans: Spans::LONG }.run(&|line| println!("{line}"));
    outcome.failed.iter().for_each(|failed| println!("{failed}"));
    println!("{outcome}");
    if outcome.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
