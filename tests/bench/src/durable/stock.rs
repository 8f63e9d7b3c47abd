//! What is stored once for all rounds: logs of gearmesh, and a stream of JetStream.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use bench_common::{Report, settle_disks};

use super::systems::{DEFAULT, FEW, MANY, OURS, SYSTEMS};
use super::{Extent, PAYLOAD};
use crate::child::Player;
use crate::programs::{Places, obtain};
use crate::rounds::found_plant;
use crate::servers::{Company, free_address};
use crate::systems::System;

/// How long it may take to store everything.
const FILL_MAX: Duration = Duration::from_secs(1200);
/// Entries in flight meanwhile: some times what a full group holds.
const IN_FLIGHT: usize = 1024;

/// Where it is.
#[derive(Debug)]
pub(super) struct Stock<'a> {
    places: &'a Places,
    folder: PathBuf,
    extent: Extent,
}

impl<'a> Stock<'a> {
    /// Stores everything that these systems need.
    pub(super) fn lay(
        places: &'a Places,
        folder: &Path,
        extent: Extent,
        systems: &[&System],
    ) -> Result<Self> {
        let stock = Self { places, folder: folder.to_owned(), extent };
        let stream = |system: &&&System| system.name == DEFAULT;
        if let Some(system) = systems.iter().find(stream) {
            stock.fill_stream(system)?;
        }
        // What others copy and read is what gearmesh stored.
        let ours = SYSTEMS.iter().find(|system| system.name == OURS);
        let Some(ours) = ours else { bail!("no system {OURS}") };
        obtain(ours, places)?;
        found_plant(places, &stock.folder.join("alone"), 1)?;
        found_plant(places, &stock.folder.join("plant"), 2)?;
        let author = stock.folder.join("plant/bench-0");
        let (few, many) = (stock.log(FEW), stock.log(MANY));
        copy_folder(&author, &stock.log(0))?;
        copy_folder(&author, &few)?;
        stock.fill_log(ours, &few, extent.entries(FEW), IN_FLIGHT)?;
        copy_folder(&few, &many)?;
        stock.fill_log(ours, &many, extent.entries(MANY) - extent.entries(FEW), IN_FLIGHT)?;
        copy_folder(&author, &stock.singles())?;
        stock.fill_log(ours, &stock.singles(), extent.singles, 1)?;
        settle_disks();
        Ok(stock)
    }

    /// The home of the author of so many entries.
    pub(super) fn log(&self, entries: usize) -> PathBuf {
        self.folder.join(format!("log-{entries}"))
    }

    /// The same with one entry in each group.
    pub(super) fn singles(&self) -> PathBuf {
        self.folder.join("log-singles")
    }

    /// The home of a member that has nothing of these logs.
    pub(super) fn member(&self) -> PathBuf {
        self.folder.join("plant/bench-1")
    }

    /// The home of a plant's only member.
    pub(super) fn alone(&self) -> PathBuf {
        self.folder.join("alone/bench-0")
    }

    /// The files of a stream.
    pub(super) fn stream(&self) -> PathBuf {
        self.folder.join("stream")
    }

    fn fill_log(&self, ours: &System, home: &Path, entries: u64, in_flight: usize) -> Result<()> {
        let mut command = Command::new(self.places.programs.join(ours.program));
        command.arg("fill").arg("--folder").arg(home);
        command.args(["--address", &free_address()?.to_string()]);
        self.fill(command, entries, in_flight)
    }

    fn fill_stream(&self, system: &System) -> Result<()> {
        let (at, store) = (free_address()?, self.stream());
        fs::create_dir(&store)?;
        let server = Company::jetstream(self.places, at, (&store, false), None, &self.folder)?;
        let mut command = Command::new(self.places.programs.join(system.program));
        command.arg("fill").arg("--folder").arg(&store).args(["--address", &at.to_string()]);
        self.fill(command, self.extent.entries(MANY), IN_FLIGHT)?;
        server.stop()
    }

    fn fill(&self, mut command: Command, entries: u64, in_flight: usize) -> Result<()> {
        command.args(["--size", &PAYLOAD.to_string(), "--entries", &entries.to_string()]);
        command.args(["--in-flight", &in_flight.to_string()]);
        let program = Path::new(command.get_program()).display().to_string();
        eprintln!("{program} stores {entries} entries");
        let mut player = Player::start(command, "fill".to_owned(), &self.folder)?;
        let report = player.report(FILL_MAX)?;
        ensure!(matches!(report, Report::Taken(_)), "{program} reported {report:?}");
        player.stop();
        Ok(())
    }
}

/// Copies a folder with what is in it, except sockets.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()? {
            kind if kind.is_dir() => copy_folder(&from, &to)?,
            kind if kind.is_file() => drop(fs::copy(from, to)?),
            _ => {}
        }
    }
    Ok(())
}

/// Reads everything in a folder, so that it is in the page cache; the bytes.
pub(super) fn warm(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => bytes += warm(&entry.path())?,
            kind if kind.is_file() => bytes += fs::read(entry.path())?.len() as u64,
            _ => {}
        }
    }
    Ok(bytes)
}
