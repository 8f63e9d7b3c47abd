//! One measurement of one system that is asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use bench_common::Report;

use super::systems::{SYNC, ZENOH};
use super::{Extent, PAYLOAD};
use crate::child::Player;
use crate::programs::Places;
use crate::results::{Figures, Scenario};
use crate::servers::{Company, free_address};
use crate::systems::{Beside, System};

/// What a run may take beyond the time it is meant to.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much longer hand-overs are measured than the rest.
const HAND_OVER_TIMES: f64 = 5.0;

/// How zenoh's threads are laid out: one reads and writes the links. By default several do, and its TLS link
/// bears no reading beside writing: under load it breaks, and all queries under way end without a reply
/// (eclipse-zenoh/zenoh#2557).
const ZENOH_THREADS: (&str, &str) =
    ("ZENOH_RUNTIME", "(tx: (worker_threads: 1), rx: (handover: tx))");

/// Where and how it is measured.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) places: &'a Places,
    pub(super) extent: Extent,
    /// Certificates.
    pub(super) tls: PathBuf,
    /// On the disk that is measured; gone after the run.
    pub(super) folder: &'a Path,
}

impl Bench<'_> {
    /// The plant of all rounds.
    pub(super) fn plant(&self) -> PathBuf {
        self.folder.join("plant")
    }

    /// Measures once.
    pub(super) fn run(&self, system: &System, what: Scenario, in_flight: usize) -> Result<Figures> {
        let folder = tempfile::TempDir::new_in(self.folder)?;
        let deed = match what {
            _ if system.name == SYNC => "publish",
            Scenario::Query => "query",
            Scenario::Command => "command",
            Scenario::Lease => "lease",
            Scenario::HandOver => "hand-over",
            other => bail!("nobody is asked in {other:?}"),
        };
        // A hand-over is mostly holding.
        let times = if what == Scenario::HandOver { HAND_OVER_TIMES } else { 1.0 };
        let seconds = self.extent.seconds * times;
        let at = free_address()?;
        let place = match system.beside {
            Beside::Plant => self.plant(),
            _ => folder.path().to_owned(),
        };
        let words = |deed: &str| {
            let mut command = Command::new(self.places.programs.join(system.program));
            if system.name == ZENOH {
                command.env(ZENOH_THREADS.0, ZENOH_THREADS.1);
            }
            command.arg(deed).arg("--address").arg(at.to_string());
            command.arg("--folder").arg(&place).arg("--tls").arg(&self.tls);
            command.args(["--size", &PAYLOAD.to_string()]);
            command.args(["--in-flight", &in_flight.to_string()]);
            command.args(["--seconds", &seconds.to_string()]);
            command.args(["--warm-up", &self.extent.warm_up.to_string()]);
            command
        };
        let server = match system.beside {
            Beside::Nats => Company::nats(self.places, at, &self.tls, self.folder)?,
            Beside::Etcd => Company::etcd(at, &self.tls, folder.path())?,
            _ => Company::default(),
        };
        let is_served = system.beside != Beside::Etcd && system.name != SYNC;
        let serve = || Player::start(words("serve"), "serve".to_owned(), self.folder);
        let serving = is_served.then(serve).transpose()?;
        let mut asker = Player::start(words(deed), deed.to_owned(), self.folder)?;
        asker.go()?;
        let report = asker.report(Duration::from_secs_f64(seconds) + PATIENCE)?;
        let Report::Acknowledged(told) = report else { bail!("answers were expected") };
        asker.stop();
        serving.into_iter().for_each(Player::stop);
        drop(server);
        Ok(Figures::from([
            ("per_second", told.acks as f64 / told.seconds),
            ("p50_us", told.p50_us),
            ("p99_us", told.p99_us),
        ]))
    }
}
