//! What every command does: chooses and builds the systems, and takes samples.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::programs::{Places, obtain};
use crate::results::{Figures, Results, Sample, Scenario};
use crate::systems::{System, in_round};
use crate::{certificates, document};

/// How much is measured.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Only these systems, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// Short runs, to see that everything works; the figures are worth nothing.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures nothing, and writes the document again from these results.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rounds", "only", "quick"])]
    pub(crate) from: Option<PathBuf>,
}

impl Options {
    pub(crate) const fn is_whole(&self) -> bool {
        !self.quick && self.only.is_empty()
    }
}

/// The systems that are wanted and can be had; why not, of the others.
pub(crate) fn obtained(
    systems: &'static [System],
    options: &Options,
    places: &Places,
    results: &mut Results,
) -> Result<Vec<&'static System>> {
    let mut had = Vec::new();
    for system in chosen(systems, &options.only)? {
        match obtain(system, places) {
            Ok(()) => had.push(system),
            Err(error) => {
                eprintln!("{} is left out: {error:#}", system.name);
                results.left_out.insert(system.name.to_owned(), format!("{error:#}"));
            }
        }
    }
    Ok(had)
}

fn chosen(systems: &'static [System], names: &[String]) -> Result<Vec<&'static System>> {
    for name in names {
        let known: Vec<_> = systems.iter().map(|system| system.name).collect();
        ensure!(known.contains(&name.as_str()), "no system {name}; there are {known:?}");
    }
    let wanted = |system: &&System| names.is_empty() || names.iter().any(|n| n == system.name);
    Ok(systems.iter().filter(wanted).collect())
}

/// One measurement of a system, with its failure if it failed.
pub(crate) fn sample(
    system: &System,
    (scenario, size): (Scenario, usize),
    round: usize,
    measure: impl FnOnce() -> Result<Figures>,
) -> Sample {
    eprintln!("round {round}: {scenario:?}, {size}, {}", system.name);
    let measured = measure();
    let failure = measured.as_ref().err().map(|error| format!("{error:#}"));
    if let Some(failure) = &failure {
        eprintln!("  failed: {failure}");
    }
    let figures = measured.unwrap_or_default();
    Sample { system: system.name.to_owned(), scenario, size, round, figures, failure }
}

/// Measures, tells, and writes down in a section of the document; or writes that again.
pub(crate) fn write_down(
    section: &str,
    options: &Options,
    places: &Places,
    all: fn(&Results) -> String,
    run: impl FnOnce() -> Result<Results>,
) -> Result<()> {
    let docs = places.repository()?.join("docs");
    if let Some(file) = &options.from {
        return document::write_section(section, &all(&Results::read(file)?), &docs);
    }
    let results = run()?;
    println!("{}", all(&results));
    let file = places.output.join(format!("{section}.json"));
    results.write(&file)?;
    println!("All samples: {}", file.display());
    if options.is_whole() {
        document::write_section(section, &all(&results), &docs)?;
        println!("Written: docs/benchmarks.md");
    }
    Ok(())
}

/// A folder on a disk, not where temporary files go; it has certificates in `tls`.
pub(crate) fn on_disk(places: &Places, name: &str) -> Result<TempDir> {
    let disk = places.output.join(name);
    std::fs::create_dir_all(&disk)?;
    let folder = TempDir::new_in(&disk)?;
    let tls = folder.path().join("tls");
    std::fs::create_dir(&tls)?;
    certificates::write(&tls)?;
    Ok(folder)
}

/// A system takes part in a run or not.
pub(crate) type TakesPart = fn(&str, (Scenario, usize)) -> bool;

/// Every run of every round, each system in turn: its samples.
pub(crate) fn samples(
    rounds: usize,
    runs: &[(Scenario, usize)],
    systems: &[&'static System],
    takes_part: TakesPart,
    measure: impl Fn(&System, (Scenario, usize)) -> Result<Figures>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for round in 0..rounds {
        for run in runs.iter().copied() {
            let systems = in_round(systems, round).into_iter();
            for system in systems.filter(|system| takes_part(system.name, run)) {
                samples.push(sample(system, run, round, || measure(system, run)));
            }
        }
    }
    samples
}

/// Lets gearmesh found a plant with a home for each program, once for all rounds.
pub(crate) fn found_plant(places: &Places, folder: &Path, members: usize) -> Result<()> {
    std::fs::create_dir(folder)?;
    let mut command = Command::new(places.programs.join("bench-gearmesh-plant"));
    command.arg("--folder").arg(folder).args(["--members", &members.to_string()]);
    let said = command.stdin(Stdio::null()).output().context("no plant could be founded")?;
    let text = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "no plant could be founded: {}", text.trim());
    Ok(())
}
