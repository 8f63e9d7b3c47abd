//! What is stored: how fast it is safe, how fast somebody who was away has it too, and how fast it
//! is there again after a start. Beside what the disk itself gives, and beside JetStream.
//!
//! ```text
//!   once: logs of gearmesh, a stream of JetStream
//!   for each round and run: each system in turn                 (odd rounds backwards)
//!        publisher, N in flight ──▶ store       a node, files, or a server's process
//!        giver ═══ taker                        until the copy is whole
//!        start
//! ```

mod measure;
mod stock;
mod systems;
mod tables;
mod targets;

use anyhow::Result;

use crate::machine;
use crate::programs::Places;
use crate::results::Results;
use crate::rounds::{Options, obtained, on_disk, samples, write_down};
use crate::systems::System;
use measure::Bench;
use stock::Stock;
use systems::{RUNS, SYSTEMS, takes_part};

/// Bytes of an entry's payload.
const PAYLOAD: usize = 256;

/// Whose versions matter.
const MEASURED: [&str; 3] = ["gearmesh", "async-nats", "nats-server"];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    seconds: f64,
    warm_up: f64,
    /// Entries with a group of their own.
    singles: u64,
    /// The part of the entries that are meant.
    share: f64,
}

impl Extent {
    fn entries(&self, meant: usize) -> u64 {
        (meant as f64 * self.share) as u64
    }
}

const WHOLE: Extent = Extent { seconds: 3.0, warm_up: 0.5, singles: 20_000, share: 1.0 };
const QUICK: Extent = Extent { seconds: 0.5, warm_up: 0.2, singles: 500, share: 0.05 };

/// Measures, tells, and writes down.
pub(crate) fn measure(options: &Options, places: &Places) -> Result<()> {
    write_down("durable", options, places, tables::all, || run(options, places))
}

fn run(options: &Options, places: &Places) -> Result<Results> {
    let mut results = Results::default();
    let systems = obtained(SYSTEMS, options, places, &mut results)?;
    let extent = if options.quick { QUICK } else { WHOLE };
    let folder = on_disk(places, "durable")?;
    results.setting = machine::setting(places, options.rounds)?;
    results.setting.seconds = extent.seconds;
    results.setting.versions.retain(|name, _| MEASURED.contains(&name.as_str()));
    let stock = Stock::lay(places, folder.path(), extent, &systems)?;
    let bench =
        Bench { places, extent, stock, tls: folder.path().join("tls"), folder: folder.path() };
    let measure = |system: &System, (what, size)| bench.run(system, what, size);
    results.samples = samples(options.rounds, &RUNS, &systems, takes_part, measure);
    Ok(results)
}
