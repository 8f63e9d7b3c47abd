//! One run: trouble, then calm, and the invariants all the way.

use std::time::Duration;

use super::faults::Faults;
use super::trace::Trace;
use super::{Shape, World};
use crate::invariants::{self, Invariant};

/// How long everything may take to be well again once nothing goes wrong any more: dials with
/// their longest pause, a dial that nobody reports on, and heads that are repeated.
const CALM_MAX: Duration = Duration::from_secs(60);

/// How often it is asked whether all is well again.
const LOOK: Duration = Duration::from_millis(500);

/// Something that is done at a moment of a scenario.
pub type Act = (Duration, fn(&mut World));

/// What a run is about.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name; the file of its seeds has the same.
    pub name: &'static str,
    /// Who there is.
    pub shape: Shape,
    /// What goes wrong by chance.
    pub faults: Faults,
    /// What is done on purpose, in order.
    pub script: &'static [Act],
    /// How long the trouble lasts.
    pub trouble: Duration,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The hash of all that happened.
    pub trace: Trace,
    /// When it ended, in virtual time.
    pub ended: Duration,
    /// What was wrong, if anything.
    pub wrong: Option<String>,
}

impl Scenario {
    /// Runs it with one seed, under all rules.
    #[must_use]
    pub fn run(&self, seed: u64) -> Outcome {
        self.run_under(seed, invariants::all())
    }

    /// Runs it with one seed, under these rules.
    #[must_use]
    pub fn run_under(&self, seed: u64, mut invariants: Vec<Box<dyn Invariant>>) -> Outcome {
        let mut world = World::new(seed, self.shape, self.faults);
        let wrong = self.play(&mut world, &mut invariants).err();
        Outcome { trace: world.trace(), ended: world.now(), wrong }
    }

    fn play(&self, world: &mut World, invariants: &mut [Box<dyn Invariant>]) -> Result<(), String> {
        for (at, act) in self.script {
            pass(world, invariants, *at)?;
            act(world);
        }
        pass(world, invariants, self.trouble)?;
        world.heal();
        let end = world.now() + CALM_MAX;
        loop {
            let until = world.now() + LOOK;
            pass(world, invariants, until)?;
            let verdict = invariants.iter_mut().try_for_each(|invariant| {
                invariant.when_calm(world).map_err(|wrong| named(invariant.as_ref(), &wrong))
            });
            match verdict {
                Ok(()) => return Ok(()),
                Err(wrong) if world.now() >= end => return Err(wrong),
                Err(_) => {}
            }
        }
    }
}

/// Lets time pass; every step is shown to the invariants.
fn pass(
    world: &mut World,
    invariants: &mut [Box<dyn Invariant>],
    until: Duration,
) -> Result<(), String> {
    while world.now() < until {
        if !world.advance() {
            return Err("the world stands still or goes round in circles".to_owned());
        }
        for step in world.take_steps() {
            for invariant in invariants.iter_mut() {
                let verdict = invariant.after_step(world, &step);
                verdict.map_err(|wrong| {
                    let at = world.now();
                    format!("at {at:?}, node {}: {}", step.node, named(invariant.as_ref(), &wrong))
                })?;
            }
        }
    }
    Ok(())
}

fn named(invariant: &dyn Invariant, wrong: &str) -> String {
    format!("{}: {wrong}", invariant.name())
}
