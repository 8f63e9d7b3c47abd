//! What another company is given: values of one plant, through one gateway, to 1, 10 and 50 partners.
//!
//! ```text
//!   for each round and run: each system in turn                  (odd rounds backwards)
//!        publisher ──▶ gateway ═══ 1, 10, 50 partners' gateways   a node each, or a server each
//! ```

mod companies;
mod measure;
mod servers;
mod systems;
mod tables;

use anyhow::Result;

use crate::machine;
use crate::programs::Places;
use crate::results::Results;
use crate::rounds::{Options, obtained, on_disk, samples, write_down};
use crate::systems::System;
use measure::Bench;
use systems::{RUNS, SYSTEMS, takes_part};

/// Bytes of a value.
const PAYLOAD: usize = 64;

/// Whose versions matter.
const MEASURED: [&str; 5] = ["gearmesh", "async-nats", "nats-server", "rumqttc", "mosquitto"];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Values that each partner of gearmesh gets.
    values: u64,
    /// How long the peers publish.
    seconds: f64,
}

const WHOLE: Extent = Extent { values: 4_000, seconds: 1.5 };
const QUICK: Extent = Extent { values: 500, seconds: 0.5 };

/// Measures, tells, and writes down.
pub(crate) fn measure(options: &Options, places: &Places) -> Result<()> {
    write_down("partners", options, places, tables::all, || run(options, places))
}

fn run(options: &Options, places: &Places) -> Result<Results> {
    let mut results = Results::default();
    let systems = obtained(SYSTEMS, options, places, &mut results)?;
    let extent = if options.quick { QUICK } else { WHOLE };
    let folder = on_disk(places, "partners")?;
    results.setting = machine::setting(places, options.rounds)?;
    results.setting.seconds = extent.seconds;
    results.setting.versions.retain(|name, _| MEASURED.contains(&name.as_str()));
    let bench = Bench { places, extent, tls: folder.path().join("tls"), folder: folder.path() };
    let measure = |system: &System, (what, size)| bench.run(system, what, size);
    results.samples = samples(options.rounds, &RUNS, &systems, takes_part, measure);
    Ok(results)
}
