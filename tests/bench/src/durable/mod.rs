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

use crate::programs::Places;
use crate::results::Results;
use crate::rounds::{Options, obtained, sample};
use crate::systems::in_round;
use crate::{certificates, document, machine};
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
    let docs = places.repository()?.join("docs");
    if let Some(file) = &options.from {
        return document::write_section("durable", &tables::all(&Results::read(file)?), &docs);
    }
    let results = run(options, places)?;
    println!("{}", tables::all(&results));
    let file = places.output.join("durable.json");
    results.write(&file)?;
    println!("All samples: {}", file.display());
    if options.is_whole() {
        document::write_section("durable", &tables::all(&results), &docs)?;
        println!("Written: docs/benchmarks.md");
    }
    Ok(())
}

fn run(options: &Options, places: &Places) -> Result<Results> {
    let mut results = Results::default();
    let systems = obtained(SYSTEMS, options, places, &mut results)?;
    let extent = if options.quick { QUICK } else { WHOLE };
    // Not where temporary files go: that may be no disk.
    let disk = places.output.join("durable");
    std::fs::create_dir_all(&disk)?;
    let folder = tempfile::TempDir::new_in(&disk)?;
    let tls = folder.path().join("tls");
    std::fs::create_dir(&tls)?;
    certificates::write(&tls)?;
    results.setting = machine::setting(places, options.rounds)?;
    results.setting.seconds = extent.seconds;
    results.setting.versions.retain(|name, _| MEASURED.contains(&name.as_str()));
    let stock = Stock::lay(places, folder.path(), extent, &systems)?;
    let bench = Bench { places, extent, stock, tls, folder: folder.path() };
    for round in 0..options.rounds {
        for what in RUNS {
            for system in in_round(&systems, round) {
                if takes_part(system.name, what) {
                    let measure = || bench.run(system, what.0, what.1);
                    results.samples.push(sample(system, what, round, measure));
                }
            }
        }
    }
    Ok(results)
}
