//! The real gateways of companies that share with each other, in a simulated world, a seed at a time.
//!
//! A failure names its seed. `GEARMESH_SEEDS` runs more of them, `GEARMESH_SEED` one alone.

use gearmesh_tests::companies::run;

/// Runs so many seeds in place of the usual number.
const SEEDS: &str = "GEARMESH_SEEDS";

/// Runs this seed alone.
const SEED: &str = "GEARMESH_SEED";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs every fourth of the seeds from a first one on, so that the four parts run at once.
fn every_fourth(first: u64) {
    let seeds: Vec<u64> = match number(SEED) {
        Some(seed) if seed % 4 == first => vec![seed],
        Some(_) => Vec::new(),
        None => (first..number(SEEDS).unwrap_or(120)).step_by(4).collect(),
    };
    for seed in seeds {
        let wrong = run(seed).err();
        assert!(
            wrong.is_none(),
            "seed {seed}: {}\nto run it again: {SEED}={seed} cargo test -p gearmesh-tests --test \
             sim_partners",
            wrong.unwrap_or_default(),
        );
    }
}

#[test]
fn what_companies_share_under_chaos_1() {
    every_fourth(0);
}

#[test]
fn what_companies_share_under_chaos_2() {
    every_fourth(1);
}

#[test]
fn what_companies_share_under_chaos_3() {
    every_fourth(2);
}

#[test]
fn what_companies_share_under_chaos_4() {
    every_fourth(3);
}
