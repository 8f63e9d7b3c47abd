//! Measures gearmesh beside its peers: `cargo run --release` in `tests/bench`, what it stores:
//! `cargo run --release -- durable`, what machines ask each other: `cargo run --release -- calls`, and
//! what other companies are given: `cargo run --release -- partners`.
//!
//! ```text
//!   for each round, scenario and size: each system in turn      (odd rounds backwards)
//!        hub (pub or ping) ═══ 1, 8 or 10 others (sub or pong)   processes of their own
//!   samples ──▶ medians, ratios, targets ──▶ terminal, JSON, docs/benchmarks.md, SVG
//! ```
//!
//! Only a whole run writes into the document; `--quick` and `--only` leave it alone.

mod calls;
mod certificates;
mod child;
mod document;
mod durable;
mod figures;
mod machine;
mod measure;
mod partners;
mod plot;
mod programs;
mod results;
mod rounds;
mod servers;
mod systems;
mod tables;
mod targets;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};

use crate::measure::{Bench, Extent, PLAYERS_MAX};
use crate::programs::Places;
use crate::results::{Results, Scenario};
use crate::rounds::{Options, found_plant, obtained, sample};
use crate::systems::{Beside, SYSTEMS, System, in_round};
use crate::tables::SIZES;

const WHOLE: Extent =
    Extent { seconds: 1.5, trips: 10_000, warm_up: 1_000, idle: Duration::from_secs(10) };
const QUICK: Extent =
    Extent { seconds: 0.5, trips: 2_000, warm_up: 500, idle: Duration::from_secs(2) };

/// Measures gearmesh beside its peers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Words {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    what: Option<What>,
}

/// What is measured besides links.
#[derive(Debug, Subcommand)]
enum What {
    /// What is stored: acknowledgements, copies for who was away, starts.
    Durable(Options),
    /// What is asked: queries, commands, leases.
    Calls(Options),
    /// What other companies are given.
    Partners(Options),
}

fn main() -> Result<()> {
    ensure!(!cfg!(debug_assertions), "measure what is shipped: cargo run --release");
    let words = Words::parse();
    let places = Places::find()?;
    match words.what {
        Some(What::Durable(options)) => durable::measure(&options, &places),
        Some(What::Calls(options)) => calls::measure(&options, &places),
        Some(What::Partners(options)) => partners::measure(&options, &places),
        None => links(&words.options, &places),
    }
}

fn links(options: &Options, places: &Places) -> Result<()> {
    let docs = places.repository()?.join("docs");
    if let Some(file) = &options.from {
        return document::write(&Results::read(file)?, &docs);
    }
    let results = run(options, places)?;
    println!("{}\n{}", document::setting(&results), tables::all(&results));
    let file = places.output.join("results.json");
    results.write(&file)?;
    std::fs::write(places.output.join("links.svg"), plot::draw(&results))?;
    println!("All samples: {}", file.display());
    if options.is_whole() {
        document::write(&results, &docs)?;
        println!("Written: docs/benchmarks.md");
    }
    Ok(())
}

fn run(options: &Options, places: &Places) -> Result<Results> {
    let mut results = Results::default();
    let mut systems = obtained(SYSTEMS, options, places, &mut results)?;
    let extent = if options.quick { QUICK } else { WHOLE };
    results.setting = machine::setting(places, options.rounds)?;
    (results.setting.seconds, results.setting.trips) = (extent.seconds, extent.trips);
    let folder = tempfile::TempDir::new()?;
    let tls = folder.path().join("tls");
    std::fs::create_dir(&tls)?;
    certificates::write(&tls)?;
    let bench = Bench { places, extent, tls, folder: folder.path() };
    systems.retain(|system| match plant_of(system, &bench) {
        Ok(()) => true,
        Err(error) => {
            results.left_out.insert(system.name.to_owned(), format!("{error:#}"));
            false
        }
    });
    for round in 0..options.rounds {
        for (scenario, size) in runs() {
            for system in in_round(&systems, round) {
                let measure = || bench.run(system, scenario, size);
                results.samples.push(sample(system, (scenario, size), round, measure));
            }
        }
    }
    Ok(results)
}

/// Everything that is measured in a round.
fn runs() -> impl Iterator<Item = (Scenario, usize)> {
    let loaded = [Scenario::RoundTrip, Scenario::Throughput, Scenario::FanOut];
    let loaded = loaded.into_iter().flat_map(|scenario| SIZES.map(|(size, _)| (scenario, size)));
    loaded.chain([(Scenario::Idle, 0)])
}

/// Founds the plant of a system that needs one.
fn plant_of(system: &System, bench: &Bench<'_>) -> Result<()> {
    match system.beside {
        Beside::Plant | Beside::Nodes => {
            found_plant(bench.places, &bench.plant(system), PLAYERS_MAX)
        }
        _ => Ok(()),
    }
}
