//! The real state machines of a plant in a simulated world, a seed at a time.
//!
//! A failure names its seed and how to run it again. Seeds that once failed stand in
//! `tests/seeds/NAME.txt` and are run first, for ever. `GEARMESH_SEEDS` runs more of them, and with
//! `GEARMESH_TWICE` each of them twice; `GEARMESH_RULE` looks with one rule alone.

use std::path::Path;

use gearmesh_tests::invariants::{self, Invariant};
use gearmesh_tests::world::run::{Outcome, Scenario};
use gearmesh_tests::world::scenarios::{
    ALL, CALM_WORK, COMMANDS, CRASHES, CUT_OFF, DURABLE, EVERYTHING, FORKED, HOSTILE, JOIN,
    RESTORED, REVOKE, WORK,
};

/// Runs so many seeds in place of the usual number, in every scenario.
const SEEDS: &str = "GEARMESH_SEEDS";

/// Runs this seed alone, in every scenario.
const SEED: &str = "GEARMESH_SEED";

/// Runs every seed twice: both runs must be the same.
const TWICE: &str = "GEARMESH_TWICE";

/// Looks with the rule of this name and no other.
const RULE: &str = "GEARMESH_RULE";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Seeds that failed once.
fn kept(scenario: &Scenario) -> Vec<u64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let text = std::fs::read_to_string(folder.join(format!("{}.txt", scenario.name)));
    let text = text.unwrap_or_default();
    let seed = |line: &str| line.split('#').next().and_then(|seed| seed.trim().parse().ok());
    text.lines().filter_map(seed).collect()
}

fn run_seeds(scenario: &Scenario, usual: u64) {
    let seeds: Vec<u64> = match number(SEED) {
        Some(seed) => vec![seed],
        None => kept(scenario).into_iter().chain(0..number(SEEDS).unwrap_or(usual)).collect(),
    };
    let is_twice = number(TWICE).is_some_and(|times| times > 0);
    for seed in seeds {
        let Outcome { ended, wrong, .. } =
            if is_twice { run_twice(scenario, seed) } else { scenario.run_under(seed, rules()) };
        let name = scenario.name;
        assert!(
            wrong.is_none(),
            "{name}, seed {seed}, after {ended:?}: {}\nto run it again: \
             {SEED}={seed} cargo test -p gearmesh-tests --test sim_plant {name}\n\
             to keep it: echo {seed} >> tests/seeds/{name}.txt",
            wrong.unwrap_or_default(),
        );
    }
}

fn rules() -> Vec<Box<dyn Invariant>> {
    let Ok(name) = std::env::var(RULE) else { return invariants::all() };
    let rules = invariants::named(&name);
    assert!(!rules.is_empty(), "no rule is called {name}");
    rules
}

fn run_twice(scenario: &Scenario, seed: u64) -> Outcome {
    let (one, other) = (scenario.run_under(seed, rules()), scenario.run_under(seed, rules()));
    let name = scenario.name;
    assert_eq!((one.trace, one.ended), (other.trace, other.ended), "{name}, seed {seed}, twice");
    one
}

#[test]
fn join_under_chaos() {
    run_seeds(&JOIN, 500);
}

#[test]
fn revocation_in_a_partition() {
    run_seeds(&REVOKE, 650);
}

#[test]
fn registrar_crash_storms() {
    run_seeds(&CRASHES, 500);
}

#[test]
fn a_hostile_member() {
    run_seeds(&HOSTILE, 250);
}

#[test]
fn everything_at_once() {
    run_seeds(&EVERYTHING, 100);
}

#[test]
fn durable_under_chaos() {
    run_seeds(&DURABLE, 1200);
}

#[test]
fn durable_with_restored_images() {
    run_seeds(&RESTORED, 800);
}

#[test]
fn durable_with_forks() {
    run_seeds(&FORKED, 200);
}

#[test]
fn a_redeemer_is_cut_off() {
    run_seeds(&CUT_OFF, 100);
}

#[test]
fn commands_under_chaos() {
    run_seeds(&COMMANDS, 600);
}

#[test]
fn work_under_chaos() {
    run_seeds(&WORK, 600);
}

#[test]
fn work_without_trouble() {
    for seed in 0..20 {
        let Outcome { ended, wrong, .. } = CALM_WORK.run_under(seed, invariants::without_trouble());
        assert!(wrong.is_none(), "seed {seed}, after {ended:?}: {}", wrong.unwrap_or_default());
    }
}

#[test]
fn the_same_seed_twice_is_the_same_run() {
    for scenario in ALL {
        (0..5).for_each(|seed| drop(run_twice(&scenario, seed)));
    }
}

#[test]
fn different_seeds_are_different_runs() {
    let traces: Vec<_> = (0..20).map(|seed| JOIN.run(seed).trace).collect();
    for (at, trace) in traces.iter().enumerate() {
        assert!(!traces[..at].contains(trace), "seed {at} repeats an earlier one");
    }
}
