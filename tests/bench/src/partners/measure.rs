//! One measurement of one system that gives to partners.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bench_common::{LOAD, Report, pass, usage_of, within};

use super::companies::{ACCEPTED, Company, share};
use super::servers::Servers;
use super::systems::FAN_OUT;
use super::{Extent, PAYLOAD};
use crate::child::Player;
use crate::programs::Places;
use crate::results::{Figures, Scenario};
use crate::systems::{Beside, System};

/// What a run may take beyond the time it is meant to.
const PATIENCE: Duration = Duration::from_secs(120);

/// Until links, leaves and bridges stand.
const REST: Duration = Duration::from_secs(2);

/// How long nothing must come until nothing comes any more.
const SILENCE: Duration = Duration::from_secs(2);

/// Between two looks at what a partner counts: looking costs it something, too.
const LOOK: Duration = Duration::from_millis(4);

/// Values that came before an agreement is ended.
const FLOWS: u64 = 10;

/// Values in a second while an agreement is ended.
const RATE: &str = "200";

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

/// Bytes that were sent from a port over all its connections, as TCP counts them.
fn sent_from(port: u16) -> Result<u64> {
    let mut command = Command::new("ss");
    command.args(["-tinH", "state", "established", "sport", "=", &format!(":{port}")]);
    let said = command.stdin(Stdio::null()).output().context("ss, of the package iproute2")?;
    let text = String::from_utf8_lossy(&said.stdout);
    let counts = text.split_whitespace().filter_map(|word| word.strip_prefix("bytes_sent:"));
    Ok(counts.filter_map(|count| count.parse::<u64>().ok()).sum())
}

impl Bench<'_> {
    /// Measures once.
    pub(super) fn run(&self, system: &System, what: Scenario, partners: usize) -> Result<Figures> {
        let folder = tempfile::TempDir::new_in(self.folder)?;
        match (system.beside, what) {
            (Beside::Plant, Scenario::Shared) => self.shared(system, partners, folder.path()),
            (Beside::Plant, Scenario::Ended) => self.ended(system, folder.path()),
            (Beside::Plant, Scenario::Away) => self.away(system, folder.path()),
            (Beside::Nats, Scenario::Shared) => {
                let servers = Servers::nats(self.places, partners, &self.tls, folder.path())?;
                self.flood(system, servers)
            }
            (Beside::Mosquitto, Scenario::Shared) => {
                let servers = Servers::mosquitto(partners, LOAD, &self.tls, folder.path())?;
                self.flood(system, servers)
            }
            (_, other) => bail!("nobody shares in {other:?}"),
        }
    }

    /// A company, and so many that it shares with.
    fn agreed(
        &self,
        system: &System,
        partners: usize,
        folder: &Path,
    ) -> Result<(Company, Vec<Company>)> {
        let gives = Company::found(self.places, folder, "Rossi")?;
        let partner = |number: usize| {
            let partner = Company::found(self.places, folder, &format!("Acme-{number}"))?;
            gives.share_with(&partner, number, system.name == FAN_OUT)?;
            Ok(partner)
        };
        let partners = (0..partners).map(partner).collect::<Result<_>>()?;
        pass(REST);
        Ok((gives, partners))
    }

    fn publisher(&self, system: &System, at: &Company, more: &[&str]) -> Result<Player> {
        let mut command = Command::new(self.places.programs.join(system.program));
        command.arg("--home").arg(&at.home).args(["--size", &PAYLOAD.to_string()]).args(more);
        Player::start(command, "publisher".to_owned(), self.folder)
    }

    fn shared(&self, system: &System, partners: usize, folder: &Path) -> Result<Figures> {
        let (gives, partners) = self.agreed(system, partners, folder)?;
        let count = self.extent.values.to_string();
        let mut publisher = self.publisher(system, &gives, &["--count", &count])?;
        let spent = || -> Result<_> { Ok((usage_of(gives.id()?)?, sent_from(gives.port())?)) };
        let (before, begun) = (spent()?, Instant::now());
        publisher.go()?;
        let (came, took) = arrived(&partners, self.extent.values, begun)?;
        let after = spent()?;
        publisher.stop();
        let sent = (0..partners.len()).map(|number| gives.count(&share(number), "sent"));
        let sent: u64 = sent.sum::<Result<u64>>()?;
        ensure!(came == sent, "{came} of {sent} came");
        let values = came as f64;
        Ok(Figures::from([
            ("per_second", values / took.as_secs_f64()),
            ("cpu_us", (after.0 - before.0) / values),
            ("bytes", after.1.saturating_sub(before.1) as f64 / values),
            ("shared", values / (self.extent.values as f64 * partners.len() as f64)),
        ]))
    }

    /// From the end, as it is typed, to the last value that the partner gets.
    fn ended(&self, system: &System, folder: &Path) -> Result<Figures> {
        let (gives, partners) = self.agreed(system, 1, folder)?;
        let partner = partners.first().context("no partner")?;
        let mut publisher =
            self.publisher(system, &gives, &["--count", "100000", "--rate", RATE])?;
        publisher.go()?;
        let received = || partner.count(ACCEPTED, "received");
        let flows = within(PATIENCE, || (received().ok()? > FLOWS).then_some(()));
        flows.context("nothing flows")?;
        let (mut count, begun) = (received()?, Instant::now());
        let mut end = gives.begins(&["end", &share(0), "--yes"])?;
        let (mut told, mut last) = (None, Duration::ZERO);
        while told.is_none_or(|told| begun.elapsed() < last.max(told) + SILENCE) {
            if told.is_none()
                && let Some(code) = end.try_wait()?
            {
                ensure!(code.success(), "it does not end");
                told = Some(begun.elapsed());
            }
            let now = received()?;
            if now > count {
                (last, count) = (begun.elapsed(), now);
            }
            ensure!(begun.elapsed() < PATIENCE, "it still flows");
            pass(LOOK);
        }
        publisher.stop();
        let told = told.context("nobody was told")?;
        Ok(Figures::from([
            ("end_ms", told.as_secs_f64() * 1e3),
            ("last_ms", last.as_secs_f64() * 1e3),
        ]))
    }

    /// From the first value that a partner counts that was away until it has everything.
    fn away(&self, system: &System, folder: &Path) -> Result<Figures> {
        let (gives, mut partners) = self.agreed(system, 1, folder)?;
        let partner = partners.first_mut().context("no partner")?;
        partner.down();
        let count = self.extent.values.to_string();
        let mut publisher = self.publisher(system, &gives, &["--count", &count])?;
        publisher.go()?;
        publisher.report(PATIENCE)?;
        let wanted = within(PATIENCE, || settled(|| gives.count(&share(0), "sent")))
            .context("the gateway does not come to an end")?;
        publisher.stop();
        let begun = Instant::now();
        partner.up()?;
        let received = || partner.count(ACCEPTED, "received").ok();
        let first = within(PATIENCE, || received().filter(|it| *it > 0).zip(Some(begun.elapsed())));
        let (some, first) = first.context("nothing comes")?;
        let all = within(PATIENCE, || (received()? >= wanted).then(|| begun.elapsed()));
        let all = all.context("not everything comes")?;
        let seconds = (all - first).as_secs_f64();
        let rest = (wanted - some) as f64;
        let rate = if rest > 0.0 { rest / seconds } else { wanted as f64 / all.as_secs_f64() };
        Ok(Figures::from([("per_second", rate), ("all_ms", all.as_secs_f64() * 1e3)]))
    }

    /// A publisher at the server that gives, and a subscriber at each partner's.
    fn flood(&self, system: &System, servers: Servers) -> Result<Figures> {
        let start = |role: &str, at: SocketAddr, index: usize| {
            let mut command = Command::new(self.places.programs.join(system.program));
            command.arg(role).arg("--address").arg(at.to_string()).arg("--tls").arg(&self.tls);
            command.args(["--size", &PAYLOAD.to_string(), "--index", &index.to_string()]);
            command.args(["--seconds", &self.extent.seconds.to_string()]);
            command.args(["--trips", "1", "--warm-up", "1"]);
            Player::start(command, format!("{role}-{index}"), self.folder)
        };
        let mut readers = Vec::new();
        for (index, (_, at)) in servers.partners.iter().enumerate() {
            readers.push(start("sub", *at, index + 1)?);
        }
        let mut hub = start("pub", servers.at, 0)?;
        pass(REST);
        let sent =
            || -> Result<_> { Ok((servers.gives.cpu_us(), sent_from(servers.door.port())?)) };
        let before = sent()?;
        hub.go()?;
        let at_most = Duration::from_secs_f64(self.extent.seconds) + PATIENCE;
        let (mut received, mut lost, mut rate) = (0.0, 0.0, 0.0);
        for reader in &mut readers {
            let Report::Received(one) = reader.report(at_most)? else { bail!("no reader") };
            received += one.received as f64;
            lost += one.lost as f64;
            rate += (one.received as f64 - 1.0).max(0.0) / one.seconds.max(1e-9);
        }
        let after = sent()?;
        hub.stop();
        ensure!(received > 0.0, "nothing came");
        Ok(Figures::from([
            ("per_second", rate),
            ("cpu_us", (after.0 - before.0) / received),
            ("bytes", after.1.saturating_sub(before.1) as f64 / received),
            ("shared", received / (received + lost)),
        ]))
    }
}

/// How many values came to all partners, and when the last did. Waits for so many at each; where that many do not
/// come, since the gateway's queue kept only the newest of a topic, until nothing comes any more.
fn arrived(partners: &[Company], each: u64, begun: Instant) -> Result<(u64, Duration)> {
    let mut counts = vec![0; partners.len()];
    let mut last = begun.elapsed();
    while counts.iter().any(|count| *count < each) {
        for (count, partner) in counts.iter_mut().zip(partners) {
            let now = partner.count(ACCEPTED, "received")?;
            if now > *count {
                (*count, last) = (now, begun.elapsed());
            }
        }
        let silence = begun.elapsed() - last;
        if silence > SILENCE && counts.iter().all(|count| *count > 0) {
            break;
        }
        ensure!(silence < PATIENCE, "nothing comes");
        pass(LOOK * u32::try_from(partners.len())?);
    }
    Ok((counts.iter().sum(), last))
}

/// A count that has stayed the same for a while, and is not zero.
fn settled(count: impl Fn() -> Result<u64>) -> Option<u64> {
    let first = count().ok().filter(|count| *count > 0)?;
    pass(SILENCE / 2);
    (count().ok()? == first).then_some(first)
}
