//! Measures gearmesh beside its peers: `cargo run --release` in `tests/bench`.
//!
//! ```text
//!   for each round, scenario and size: each system in turn      (odd rounds backwards)
//!        hub (pub or ping) ═══ 1, 8 or 10 others (sub or pong)   processes of their own
//!   samples ──▶ medians, ratios, targets ──▶ terminal, JSON, docs/benchmarks.md, SVG
//! ```
//!
//! Only a whole run writes into the document; `--quick` and `--only` leave it alone.

mod certificates;
mod child;
mod document;
mod machine;
mod measure;
mod plot;
mod programs;
mod results;
mod servers;
mod systems;
mod tables;
mod targets;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use crate::measure::{Bench, Extent, PLAYERS_MAX};
use crate::programs::{Places, obtain};
use crate::results::{Figures, Results, Sample, Scenario};
use crate::systems::{Beside, SYSTEMS, System, in_round};
use crate::tables::SIZES;

const WHOLE: Extent =
    Extent { seconds: 1.5, trips: 10_000, warm_up: 1_000, idle: Duration::from_secs(10) };
const QUICK: Extent =
    Extent { seconds: 0.5, trips: 2_000, warm_up: 500, idle: Duration::from_secs(2) };

/// Measures gearmesh beside its peers.
#[derive(Debug, Parser)]
struct Options {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these systems, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Short runs, to see that everything works; the figures are worth nothing.
    #[arg(long)]
    quick: bool,
    /// Measures nothing, and writes the document again from these results.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rounds", "only", "quick"])]
    from: Option<PathBuf>,
}

impl Options {
    const fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty()
    }
}

fn main() -> Result<()> {
    ensure!(!cfg!(debug_assertions), "measure what is shipped: cargo run --release");
    let options = Options::parse();
    let places = Places::find()?;
    let docs = places.repository()?.join("docs");
    if let Some(file) = &options.from {
        return document::write(&Results::read(file)?, &docs);
    }
    let results = run(&options, &places)?;
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
    let mut systems = Vec::new();
    for system in chosen(&options.only)? {
        match obtain(system, places) {
            Ok(()) => systems.push(system),
            Err(error) => {
                eprintln!("{} is left out: {error:#}", system.name);
                results.left_out.insert(system.name.to_owned(), format!("{error:#}"));
            }
        }
    }
    let extent = if options.quick { QUICK } else { WHOLE };
    results.setting = machine::setting(places, extent, options.rounds)?;
    let folder = tempfile::TempDir::new()?;
    let tls = folder.path().join("tls");
    std::fs::create_dir(&tls)?;
    certificates::write(&tls)?;
    let bench = Bench { places, extent, tls, folder: folder.path() };
    systems.retain(|system| match found_plant(system, &bench) {
        Ok(()) => true,
        Err(error) => {
            results.left_out.insert(system.name.to_owned(), format!("{error:#}"));
            false
        }
    });
    for round in 0..options.rounds {
        for (scenario, size) in runs() {
            for system in in_round(&systems, round) {
                results.samples.push(sample(&bench, system, scenario, size, round));
            }
        }
    }
    Ok(results)
}

fn chosen(names: &[String]) -> Result<Vec<&'static System>> {
    for name in names {
        let known: Vec<_> = SYSTEMS.iter().map(|system| system.name).collect();
        ensure!(known.contains(&name.as_str()), "no system {name}; there are {known:?}");
    }
    let wanted = |system: &&System| names.is_empty() || names.iter().any(|n| n == system.name);
    Ok(SYSTEMS.iter().filter(wanted).collect())
}

/// Everything that is measured in a round.
fn runs() -> impl Iterator<Item = (Scenario, usize)> {
    let loaded = [Scenario::RoundTrip, Scenario::Throughput, Scenario::FanOut];
    let loaded = loaded.into_iter().flat_map(|scenario| SIZES.map(|(size, _)| (scenario, size)));
    loaded.chain([(Scenario::Idle, 0)])
}

fn sample(
    bench: &Bench<'_>,
    system: &System,
    scenario: Scenario,
    size: usize,
    round: usize,
) -> Sample {
    eprintln!("round {round}: {scenario:?}, {size} B, {}", system.name);
    let measured = bench.run(system, scenario, size);
    let failure = measured.as_ref().err().map(|error| format!("{error:#}"));
    if let Some(failure) = &failure {
        eprintln!("  failed: {failure}");
    }
    let figures: Figures = measured.unwrap_or_default();
    Sample { system: system.name.to_owned(), scenario, size, round, figures, failure }
}

/// Lets gearmesh found a plant with a home for each program, once for all rounds.
fn found_plant(system: &System, bench: &Bench<'_>) -> Result<()> {
    if !matches!(system.beside, Beside::Plant | Beside::Nodes) {
        return Ok(());
    }
    let folder: &Path = &bench.plant(system);
    std::fs::create_dir(folder)?;
    let mut command = Command::new(bench.places.programs.join("bench-gearmesh-plant"));
    command.arg("--folder").arg(folder).args(["--members", &PLAYERS_MAX.to_string()]);
    let said = command.stdin(Stdio::null()).output().context("no plant could be founded")?;
    let text = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "no plant could be founded: {}", text.trim());
    Ok(())
}
