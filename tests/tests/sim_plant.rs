//! The real state machines of a plant in a simulated world, a seed at a time.
//!
//! A failure names its seed and how to run it again. Seeds that once failed stand in
//! `tests/seeds/NAME.txt` and are run first, for ever. `GEARMESH_SEEDS` runs more of them.

use std::path::Path;
use std::time::Duration;

use gearmesh_tests::world::faults::Faults;
use gearmesh_tests::world::run::{Outcome, Scenario};
use gearmesh_tests::world::{Shape, World};

/// Runs so many seeds in place of the usual number, in every scenario.
const SEEDS: &str = "GEARMESH_SEEDS";

/// Runs this seed alone, in every scenario.
const SEED: &str = "GEARMESH_SEED";

const ORDINARY: Faults = Faults {
    pause: 400,
    bad_writes: 3,
    slow_writes: 5,
    slow_frames: 10,
    crashes: 3,
    redeemer_crashes: 1,
    cuts: 3,
    mends: 4,
    breaks: 4,
    freezes: 1,
    clocks: 1,
    images: 0,
    rot: 0,
    revocations: 0,
    revocations_max: 0,
};

const JOIN: Scenario = Scenario {
    name: "join_under_chaos",
    shape: Shape { members: 2, joiners: 2, with_hostile: false, with_publishers: false },
    faults: ORDINARY,
    script: &[],
    trouble: Duration::from_secs(4),
};

const REVOKE: Scenario = Scenario {
    name: "revocation_in_a_partition",
    shape: Shape { members: 4, joiners: 0, with_hostile: false, with_publishers: false },
    faults: Faults { pause: 0, ..ORDINARY },
    script: &[
        (Duration::from_millis(2500), |world: &mut World| world.split(&[2, 3])),
        (Duration::from_millis(3000), |world: &mut World| world.revoke(3)),
    ],
    trouble: Duration::from_millis(4500),
};

const CRASHES: Scenario = Scenario {
    name: "registrar_crash_storms",
    shape: Shape { members: 2, joiners: 2, with_hostile: false, with_publishers: false },
    faults: Faults {
        pause: 300,
        crashes: 0,
        redeemer_crashes: 8,
        cuts: 0,
        mends: 0,
        breaks: 1,
        bad_writes: 10,
        slow_writes: 30,
        ..ORDINARY
    },
    script: &[],
    trouble: Duration::from_secs(4),
};

const HOSTILE: Scenario = Scenario {
    name: "a_hostile_member",
    shape: Shape { members: 3, joiners: 1, with_hostile: true, with_publishers: false },
    faults: Faults { pause: 1000, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(4),
};

const EVERYTHING: Scenario = Scenario {
    name: "everything_at_once",
    shape: Shape { members: 4, joiners: 2, with_hostile: true, with_publishers: false },
    faults: Faults { images: 2, revocations: 1, revocations_max: 1, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(4),
};

const DURABLE: Scenario = Scenario {
    name: "durable_under_chaos",
    shape: Shape { members: 4, joiners: 0, with_hostile: false, with_publishers: true },
    faults: Faults { bad_writes: 8, slow_writes: 15, crashes: 5, rot: 3, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(8),
};

const RESTORED: Scenario = Scenario {
    name: "durable_with_restored_images",
    shape: Shape { members: 3, joiners: 0, with_hostile: false, with_publishers: true },
    faults: Faults { images: 3, revocations: 1, revocations_max: 1, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(8),
};

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
    for seed in seeds {
        let Outcome { ended, wrong, .. } = scenario.run(seed);
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
    run_seeds(&DURABLE, 300);
}

#[test]
fn durable_with_restored_images() {
    run_seeds(&RESTORED, 200);
}

#[test]
fn the_same_seed_twice_is_the_same_run() {
    for scenario in [JOIN, REVOKE, CRASHES, HOSTILE, EVERYTHING, DURABLE, RESTORED] {
        for seed in 0..5 {
            let (one, other) = (scenario.run(seed), scenario.run(seed));
            assert_eq!((one.trace, one.ended), (other.trace, other.ended), "{}", scenario.name);
        }
    }
}

#[test]
fn different_seeds_are_different_runs() {
    let traces: Vec<_> = (0..20).map(|seed| JOIN.run(seed).trace).collect();
    for (at, trace) in traces.iter().enumerate() {
        assert!(!traces[..at].contains(trace), "seed {at} repeats an earlier one");
    }
}
