//! Real faults: five nodes on hosts of their own, programs that publish durable values at them all
//! the time, and a judge over everything that was acknowledged.
//!
//! A [round](run::Run) draws a fault from a seed, inflicts it while everybody publishes, heals the
//! plant and judges it: nothing acknowledged is lost, nothing wrong is shown, all show the same.

mod book;
mod checker;
mod disk;
mod fault;
mod inflict;
mod publishers;
mod rounds;
pub mod run;
mod segments;
mod speaking;
mod works;

pub use fault::{Kind, Spans};
pub use inflict::clock_library;
pub use rounds::{Failed, Judged};
pub use works::Works;

use crate::netns;

/// What this machine lacks for rounds; nothing if they can run.
#[must_use]
pub fn missing() -> Option<String> {
    let no_library = || {
        let none = clock_library().is_none();
        none.then(|| format!("no {}: install faketime", inflict::SHIFTS_CLOCKS))
    };
    netns::missing().or_else(disk::missing).or_else(no_library)
}
