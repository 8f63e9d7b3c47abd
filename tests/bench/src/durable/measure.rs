//! One measurement of one system that stores.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench_common::{Acknowledged, Opened, Report, Taken, memory_of, settle_disks};

use super::stock::{Stock, copy_folder, warm};
use super::systems::{FEW, LOOPS, MANY};
use super::{Extent, PAYLOAD};
use crate::child::Player;
use crate::programs::Places;
use crate::results::{Figures, Scenario};
use crate::servers::{Company, free_address};
use crate::systems::{Beside, System};

/// What a run may take beyond the time it is meant to.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a copy may take.
const COPY_MAX: Duration = Duration::from_secs(600);

/// Where and how it is measured.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) places: &'a Places,
    pub(super) extent: Extent,
    pub(super) stock: Stock<'a>,
    /// Certificates.
    pub(super) tls: PathBuf,
    /// On the disk that is measured; gone after the run.
    pub(super) folder: &'a Path,
}

impl Bench<'_> {
    /// Measures once.
    pub(super) fn run(&self, system: &System, what: Scenario, size: usize) -> Result<Figures> {
        let folder = tempfile::TempDir::new_in(self.folder)?;
        match what {
            Scenario::Publish => self.publish(system, size, folder.path()),
            Scenario::CatchUp => self.catch_up(system, size, folder.path()),
            Scenario::Open => self.open(system, size),
            other => bail!("nothing is stored in {other:?}"),
        }
    }

    /// The command of a task; its words are added.
    fn command(&self, system: &System, task: &str, folder: &Path, at: &str) -> Command {
        let mut command = Command::new(self.places.programs.join(system.program));
        command.arg(task).arg("--folder").arg(folder).args(["--address", at]);
        command.args(["--size", &PAYLOAD.to_string()]);
        command
    }

    fn publish(&self, system: &System, in_flight: usize, folder: &Path) -> Result<Figures> {
        let at = free_address()?;
        let mut server = Company::default();
        let mut store = folder.to_owned();
        match system.beside {
            Beside::Plant => {
                store = folder.join("home");
                copy_folder(&self.stock.alone(), &store)?;
            }
            Beside::JetStream { is_synced } => {
                let place = (folder, is_synced);
                server = Company::jetstream(self.places, at, place, None, self.folder)?;
            }
            _ => {}
        }
        let mut command = self.command(system, "publish", &store, &at.to_string());
        command.args(["--in-flight", &in_flight.to_string()]);
        command.args(["--seconds", &self.extent.seconds.to_string()]);
        command.args(["--warm-up", &self.extent.warm_up.to_string()]);
        command.args(server.server().map(|id| format!("--store={id}")));
        if system.name == LOOPS[1] {
            command.arg("--recycled");
        }
        settle_disks();
        let mut player = Player::start(command, "publish".to_owned(), self.folder)?;
        player.go()?;
        let at_most = Duration::from_secs_f64(self.extent.seconds) + PATIENCE;
        let report = match player.report(at_most)? {
            Report::Acknowledged(report) if report.acks > 0 => report,
            other => bail!("acknowledgements were expected, not {other:?}"),
        };
        player.stop();
        Ok(acknowledged(&report))
    }

    fn catch_up(&self, system: &System, per_group: usize, folder: &Path) -> Result<Figures> {
        let (home, entries) = match per_group {
            1 => (self.stock.singles(), self.extent.singles),
            _ => (self.stock.log(MANY), self.extent.entries(MANY)),
        };
        let at = free_address()?;
        let words = |task: &str, folder: &Path| {
            let mut command = self.command(system, task, folder, &at.to_string());
            command.args(["--entries", &entries.to_string()]).arg("--tls").arg(&self.tls);
            command
        };
        let start = |task: &str, folder: &Path| {
            Player::start(words(task, folder), task.to_owned(), self.folder)
        };
        settle_disks();
        let (mut giver, mut server, mut to) = (None, Company::default(), folder.to_owned());
        match system.beside {
            Beside::JetStream { is_synced } => {
                let store = (&*self.stock.stream(), is_synced);
                server = Company::jetstream(self.places, at, store, Some(&self.tls), self.folder)?;
            }
            Beside::Plant => {
                to = folder.join("home");
                copy_folder(&self.stock.member(), &to)?;
                giver = Some(start("give", &home)?);
            }
            _ => giver = Some(start("give", &home.join("data"))?),
        }
        let mut taker = start("take", &to)?;
        // Who gives knows when the other has everything; a server does not, and its client says.
        let report = match &mut giver {
            Some(giver) => giver.report(COPY_MAX)?,
            None => {
                taker.go()?;
                taker.report(COPY_MAX)?
            }
        };
        let Report::Taken(taken) = report else { bail!("a copy was expected, not {report:?}") };
        anyhow::ensure!(taken.entries >= entries, "{} of {entries} came", taken.entries);
        let peak = |id: u32| Ok::<_, anyhow::Error>(memory_of(&id.to_string())?.peak as f64);
        let source = giver.as_ref().map(Player::id).or(server.server());
        let peaks = (peak(source.context("nobody gave")?)?, peak(taker.id())?);
        taker.stop();
        giver.into_iter().for_each(Player::stop);
        Ok(copied(&taken, peaks))
    }

    fn open(&self, system: &System, entries: usize) -> Result<Figures> {
        let home = self.stock.log(entries);
        let folder = match system.beside {
            Beside::Plant => home,
            _ => home.join("data"),
        };
        let bytes = warm(&folder)?;
        settle_disks();
        let at = free_address()?.to_string();
        let command = self.command(system, "open", &folder, &at);
        let mut player = Player::start(command, "open".to_owned(), self.folder)?;
        player.go()?;
        let report = player.report(PATIENCE)?;
        let Report::Opened(Opened { seconds, memory }) = report else {
            bail!("a start was expected, not {report:?}")
        };
        player.stop();
        let entries = match entries {
            FEW | MANY => self.extent.entries(entries),
            _ => 0,
        };
        Ok(Figures::from([
            ("ms", seconds * 1e3),
            ("kib", memory.resident as f64),
            ("peak_kib", memory.peak as f64),
            ("entries", entries as f64),
            ("bytes", bytes as f64),
        ]))
    }
}

fn acknowledged(report: &Acknowledged) -> Figures {
    let (acks, payload) = (report.acks as f64, report.payload as f64);
    let per_commit = match report.commits {
        // Who does not know his commits calls them all the same.
        0 | 1 => 0.0,
        commits => acks / commits as f64,
    };
    Figures::from([
        ("per_second", acks / report.seconds),
        ("p50_us", report.p50_us),
        ("p99_us", report.p99_us),
        ("per_commit", per_commit),
        ("given", report.given as f64 / payload),
        ("to_disk", report.to_disk as f64 / payload),
        ("cpu_us", report.cpu_us / acks),
        ("peak_kib", report.memory.peak as f64),
        ("peak_kib_store", report.memory_of_store.peak as f64),
    ])
}

fn copied(taken: &Taken, (from, to): (f64, f64)) -> Figures {
    let entries = taken.entries as f64;
    Figures::from([
        ("seconds", taken.seconds),
        ("entries", entries),
        ("per_group", entries / (taken.groups as f64).max(1.0) * f64::from(taken.groups > 0)),
        ("per_second", entries / taken.seconds),
        ("mb_per_second", entries * PAYLOAD as f64 / taken.seconds / 1e6),
        ("peak_kib_from", from),
        ("peak_kib_to", to),
    ])
}
