//! Many rounds: their seeds, the plants that they run on, and what is told of them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fault::{Kind, Spans};
use super::rounds::{Failed, Judged};
use super::works::Works;
use crate::world::dice::mix;

/// Repeats one round, or begins the seeds of many.
pub const SEED: &str = "GEARMESH_SEED";

/// Rounds that one plant goes through: its homes stay small, and what an early one left behind
/// still meets later ones.
const ROUNDS_OF_A_PLANT: usize = 12;

/// Rounds to be run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Their seeds, in order.
    pub seeds: Vec<u64>,
    /// How many plants there are at once; each takes the next seed when it is done with one.
    pub plants: usize,
    /// How long faults last.
    pub spans: Spans,
}

/// What came of them.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Rounds that were judged.
    pub rounds: usize,
    /// Values that were acknowledged.
    pub acknowledged: usize,
    /// Of these, values that no node shows in the end. A round fails where one node lacks one.
    pub lost: usize,
    /// Values that were said to be on one disk alone, which was wiped.
    pub gone: usize,
    /// Rounds that failed, with what repeats each.
    pub failed: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, acknowledged, lost, gone, failed } = self;
        let failed = failed.len();
        write!(
            f,
            "rounds {rounds}, acknowledged {acknowledged}, lost {lost}, failed {failed}; \
             on a wiped disk alone {gone}"
        )
    }
}

/// The seed of the environment, or the usual one.
#[must_use]
pub fn seed() -> u64 {
    std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// The seed itself and so many less one that follow from it.
#[must_use]
pub fn seeds_from(seed: u64, count: usize) -> Vec<u64> {
    (0..count as u64).map(|at| if at == 0 { seed } else { mix(seed.wrapping_add(at)) }).collect()
}

/// A seed whose round has this kind of fault.
#[must_use]
pub fn seed_of(kind: Kind, seed: u64) -> u64 {
    let count = Kind::ALL.len() as u64;
    let at = Kind::ALL.iter().position(|other| *other == kind).unwrap_or(0);
    mix(seed) / count / 2 * count + at as u64
}

fn kind_of(seed: u64) -> Kind {
    let at = seed % Kind::ALL.len() as u64;
    Kind::ALL[usize::try_from(at).unwrap_or(0)]
}

/// A plant, and what it went through.
struct Lane {
    works: Option<Works>,
    rounds: usize,
    acknowledged: usize,
    gone: usize,
}

impl Run {
    /// Runs them. A line of each goes to `tell`.
    ///
    /// # Panics
    /// A plant cannot be founded.
    pub fn run(&self, tell: &(impl Fn(&str) + Sync)) -> Outcome {
        let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
        std::thread::scope(|scope| {
            for _ in 0..self.plants {
                scope.spawn(|| self.lane(&next, &outcome, tell));
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, next: &AtomicUsize, outcome: &Mutex<Outcome>, tell: &impl Fn(&str)) {
        let mut lane = Lane { works: None, rounds: 0, acknowledged: 0, gone: 0 };
        while let Some(seed) = self.seeds.get(next.fetch_add(1, Ordering::SeqCst)) {
            let result = lane.round(*seed, &self.spans);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            outcome.rounds += 1;
            let line = match result {
                Ok(judged) => {
                    outcome.acknowledged += judged.acknowledged - lane.acknowledged;
                    outcome.gone += judged.gone - lane.gone;
                    (lane.acknowledged, lane.gone) = (judged.acknowledged, judged.gone);
                    let gap = match judged.gap {
                        0 => String::new(),
                        gap => format!(" ({gap} entries in holes, told)"),
                    };
                    format!("{}{gap}", judged.fault)
                }
                Err(failed) => {
                    outcome.lost += failed.lost;
                    let kept = lane.works.take().map(Works::keep);
                    let line =
                        format!("FAILED {failed}; kept in {kept:?}; {SEED}={seed} repeats it");
                    outcome.failed.push(line.clone());
                    line
                }
            };
            let Outcome { rounds, acknowledged, lost, .. } = *outcome;
            tell(&format!(
                "round {rounds}, seed {seed}: {line}; acknowledged so far {acknowledged}, lost {lost}"
            ));
        }
    }
}

impl Lane {
    fn round(&mut self, seed: u64, spans: &Spans) -> Result<Judged, Failed> {
        let kind = kind_of(seed);
        self.rounds += 1;
        let is_used_up = self.rounds > ROUNDS_OF_A_PLANT
            || self.works.as_ref().is_none_or(|works| !works.can_take(kind));
        if is_used_up {
            self.works = None;
            *self = Self { works: Some(Works::founded(seed)), rounds: 1, acknowledged: 0, gone: 0 };
        }
        let Some(works) = &mut self.works else { return Ok(Judged::default()) };
        // A panic of the harness must not take the other rounds with it.
        let done = catch_unwind(AssertUnwindSafe(|| works.round(kind, seed, spans)));
        done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = text.unwrap_or("a panic").to_owned();
            Err(Failed { fault: format!("{kind:?}"), lost: 0, why })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{kind_of, seed_of, seeds_from};
    use crate::faults::Kind;

    #[test]
    fn a_seed_says_which_fault_it_is() {
        for kind in Kind::ALL {
            for seed in 0..100 {
                assert_eq!(kind_of(seed_of(kind, seed)), kind);
            }
        }
    }

    #[test]
    fn one_round_of_a_seed_is_that_seed_and_many_have_every_kind() {
        assert_eq!(seeds_from(4711, 1), [4711]);
        let kinds: Vec<Kind> = seeds_from(1, 200).into_iter().map(kind_of).collect();
        assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)));
    }
}
