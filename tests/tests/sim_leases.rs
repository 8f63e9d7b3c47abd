//! Leases in a simulated world: one arbiter and its disk, three holders, and a network that loses,
//! delays and repeats; crashes, pauses and clocks that jump. A seed at a time.
//!
//! What the holders did is a history, and stateright's tester says whether somebody who did one thing
//! after the other could have done it. `GEARMESH_SEEDS` runs more than the usual number.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

#[path = "sim_leases/as_many_tokens_as_places.rs"]
mod as_many_tokens_as_places;
#[path = "sim_leases/history.rs"]
mod history;
#[path = "sim_leases/no_stale_write.rs"]
mod no_stale_write;
#[path = "sim_leases/one_believes_for_each_place.rs"]
mod one_believes_for_each_place;
#[path = "sim_leases/world.rs"]
mod world;

use world::{Trouble, World};

/// Histories of each kind in the usual run.
const USUAL: u64 = 600;

fn seeds() -> u64 {
    std::env::var("GEARMESH_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(USUAL)
}

/// What happened in all runs together.
#[derive(Default)]
struct Sum {
    operations: usize,
    accepted: usize,
    refused: usize,
    revived: usize,
}

fn run(trouble: Trouble, places: u16) -> Sum {
    let mut sum = Sum::default();
    for seed in 0..seeds() {
        let mut world = World::new(seed, trouble, places);
        if let Err(wrong) = world.run() {
            panic!("{trouble:?}, {places} places, seed {seed}: {wrong}");
        }
        let judged = world.history.judge(usize::from(places));
        let said = judged.unwrap_or_else(|wrong| {
            panic!("{trouble:?}, {places} places, seed {seed}: {wrong}");
        });
        sum.operations += said;
        sum.accepted += world.counts.accepted;
        sum.refused += world.counts.refused;
        sum.revived += world.counts.revived;
    }
    sum
}

/// A run in which nothing happens proves nothing.
fn is_eventful(sum: &Sum) {
    let seeds = usize::try_from(seeds()).expect("few seeds");
    assert!(sum.operations > 10 * seeds, "{} operations", sum.operations);
    assert!(sum.accepted > seeds, "{} writes accepted", sum.accepted);
}

#[test]
fn histories_with_crashes_and_pauses_are_linearizable() {
    let sum = run(Trouble { clocks_jump: false }, 1);
    is_eventful(&sum);
    assert!(sum.refused > 0 && sum.revived > 0, "{} {}", sum.refused, sum.revived);
}

#[test]
fn histories_of_a_buffer_with_clocks_that_jump_are_linearizable() {
    is_eventful(&run(Trouble { clocks_jump: true }, 2));
}
