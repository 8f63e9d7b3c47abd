//! What machines ask each other: reading, doing at most once, and using what only one may use.
//!
//! ```text
//!   for each round and run: each system in turn                 (odd rounds backwards)
//!        asker, N in flight ═══ whoever serves      a process of its own, or a server
//! ```

mod measure;
mod systems;
mod tables;
mod targets;

use anyhow::Result;

use crate::machine;
use crate::programs::Places;
use crate::results::Results;
use crate::rounds::{Options, found_plant, obtained, on_disk, samples, write_down};
use crate::systems::{Beside, System};
use measure::Bench;
use systems::{RUNS, SYSTEMS, takes_part};

/// Bytes of a question, and of its answer.
const PAYLOAD: usize = 64;

/// Whose versions matter.
const MEASURED: [&str; 5] = ["gearmesh", "zenoh", "async-nats", "nats-server", "etcd"];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    seconds: f64,
    warm_up: f64,
}

const WHOLE: Extent = Extent { seconds: 2.0, warm_up: 0.5 };
const QUICK: Extent = Extent { seconds: 0.5, warm_up: 0.2 };

/// Measures, tells, and writes down.
pub(crate) fn measure(options: &Options, places: &Places) -> Result<()> {
    write_down("calls", options, places, tables::all, || run(options, places))
}

fn run(options: &Options, places: &Places) -> Result<Results> {
    let mut results = Results::default();
    let systems = obtained(SYSTEMS, options, places, &mut results)?;
    let extent = if options.quick { QUICK } else { WHOLE };
    let folder = on_disk(places, "calls")?;
    results.setting = machine::setting(places, options.rounds)?;
    results.setting.seconds = extent.seconds;
    results.setting.versions.retain(|name, _| MEASURED.contains(&name.as_str()));
    let bench = Bench { places, extent, tls: folder.path().join("tls"), folder: folder.path() };
    if systems.iter().any(|system| system.beside == Beside::Plant) {
        found_plant(places, &bench.plant(), 2)?;
    }
    let measure = |system: &System, (what, size)| bench.run(system, what, size);
    results.samples = samples(options.rounds, &RUNS, &systems, takes_part, measure);
    Ok(results)
}
