//! One measurement of one system: starts everything, lets it run, and stops it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench_common::{Published, Received, Report, RoundTrips, memory_of, pass, usage_of};

use crate::child::Player;
use crate::programs::Places;
use crate::results::{Figures, Scenario};
use crate::servers::{Company, free_address};
use crate::systems::{Beside, System};

/// Two spans are compared to see whether all is at rest: long enough that subscriptions travel.
const REST: Duration = Duration::from_millis(350);
/// The same before an idle plant is measured: some beats of all members.
const IDLE_REST: Duration = Duration::from_secs(3);
/// Programs are at rest when a span costs no less than this share of the one before.
const REST_SHARE: f64 = 0.8;
/// Spans that are waited for.
const REST_SPANS_MAX: usize = 10;
/// What a run may take beyond the time it is meant to.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is said of a system that is here by mistake.
const ELSEWHERE: &str = "what is stored, or asked, has a command of its own";
/// Subscribers of a fan-out.
pub(crate) const FAN_OUT: usize = 8;
/// Members besides the hub while nothing happens.
pub(crate) const IDLE_MEMBERS: usize = 10;
/// The programs of the largest run.
pub(crate) const PLAYERS_MAX: usize = 1 + IDLE_MEMBERS;

/// How long things are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) seconds: f64,
    pub(crate) trips: usize,
    pub(crate) warm_up: usize,
    pub(crate) idle: Duration,
}

/// Where and how a system is measured.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) places: &'a Places,
    pub(crate) extent: Extent,
    /// Certificates.
    pub(crate) tls: PathBuf,
    /// For logs and configurations; gone after the run.
    pub(crate) folder: &'a Path,
}

/// What is up in one measurement: the hub, those around it, and what runs beside them.
struct Stage {
    // Dropped in this order: programs before what they talk to.
    hub: Player,
    others: Vec<Player>,
    beside: Company,
}

impl Stage {
    /// CPU time of the members together, in microseconds.
    fn others_cpu(&self) -> Result<f64> {
        self.others.iter().map(|player| usage_of(player.id())).sum()
    }

    fn cpu(&self) -> Result<f64> {
        Ok(usage_of(self.hub.id())? + self.others_cpu()? + self.beside.cpu_us())
    }

    /// Leaves everything alone until it costs no less any more: connections stand, subscriptions
    /// have travelled, runtimes have come to rest.
    fn rest(&self, span: Duration) -> Result<()> {
        let mut before = f64::INFINITY;
        for _ in 0..REST_SPANS_MAX {
            let begun = self.cpu()?;
            pass(span);
            let spent = self.cpu()? - begun;
            if spent >= before * REST_SHARE {
                return Ok(());
            }
            before = spent;
        }
        Ok(())
    }
}

impl Bench<'_> {
    /// Measures once.
    pub(crate) fn run(&self, system: &System, what: Scenario, size: usize) -> Result<Figures> {
        match what {
            Scenario::RoundTrip => self.round_trip(system, size),
            Scenario::Throughput => self.throughput(system, size, 1),
            Scenario::FanOut => self.throughput(system, size, FAN_OUT),
            Scenario::Idle => self.idle(system),
            _ => bail!(ELSEWHERE),
        }
    }

    /// A folder that lasts as long as the run, for a plant's homes.
    pub(crate) fn plant(&self, system: &System) -> PathBuf {
        self.folder.join(format!("plant-{}", system.name))
    }

    fn up(
        &self,
        system: &System,
        roles: (&str, &str),
        others: usize,
        size: usize,
    ) -> Result<Stage> {
        let at = free_address()?;
        let words = |role: &str, index: usize| {
            let mut command = Command::new(self.places.programs.join(system.program));
            command.arg(role).arg("--address").arg(at.to_string());
            command.args(["--size", &size.to_string(), "--index", &index.to_string()]);
            command.args(["--seconds", &self.extent.seconds.to_string()]);
            command.args(["--trips", &self.extent.trips.to_string()]);
            command.args(["--warm-up", &self.extent.warm_up.to_string()]);
            if system.mutual_tls {
                command.arg("--tls").arg(&self.tls);
            }
            if matches!(system.beside, Beside::Plant | Beside::Nodes) {
                command.arg("--folder").arg(self.plant(system));
            }
            command
        };
        let beside = match system.beside {
            Beside::Nothing | Beside::Plant => Company::default(),
            Beside::JetStream { .. } | Beside::Etcd => bail!(ELSEWHERE),
            Beside::Nats => Company::nats(self.places, at, &self.tls, self.folder)?,
            Beside::Mosquitto => Company::mosquitto(at, &self.tls, self.folder)?,
            Beside::Nodes => {
                let nodes = (0..=others).map(|index| {
                    let mut command =
                        Command::new(self.places.programs.join("bench-gearmesh-node"));
                    command.arg("--folder").arg(self.plant(system));
                    command.args(["--index", &index.to_string(), "--address", &at.to_string()]);
                    Player::start(command, format!("node-{index}"), self.folder)
                });
                Company::nodes(nodes.collect::<Result<_>>()?)
            }
        };
        let start = |role: &str, index: usize| {
            Player::start(words(role, index), format!("{role}-{index}"), self.folder)
        };
        let hub = start(roles.0, 0)?;
        let others = (1..=others).map(|index| start(roles.1, index)).collect::<Result<_>>()?;
        let stage = Stage { hub, others, beside };
        stage.rest(REST)?;
        Ok(stage)
    }

    fn round_trip(&self, system: &System, size: usize) -> Result<Figures> {
        let mut stage = self.up(system, ("ping", "pong"), 1, size)?;
        let before = stage.beside.cpu_us();
        stage.hub.go()?;
        let asked = round_trips(stage.hub.report(PATIENCE * 2)?)?;
        let server = stage.beside.cpu_us() - before;
        let pong = stage.others.pop().context("nobody answered")?;
        let answered = round_trips(pong.stop_and_report()?)?;
        stage.hub.stop();
        let trips = asked.trips as f64;
        // What runs beside cannot tell the warm-up from the rest.
        let server = server / (trips + self.extent.warm_up as f64);
        Ok(Figures::from([
            ("p50_us", asked.p50_us),
            ("p99_us", asked.p99_us),
            ("p999_us", asked.p999_us),
            ("max_us", asked.max_us),
            ("cpu_us", asked.cpu_us / trips + answered.cpu_us / trips + server),
            ("cpu_us_ask", asked.cpu_us / trips),
            ("cpu_us_answer", answered.cpu_us / trips),
            ("cpu_us_beside", server),
        ]))
    }

    fn throughput(&self, system: &System, size: usize, subscribers: usize) -> Result<Figures> {
        let mut stage = self.up(system, ("pub", "sub"), subscribers, size)?;
        let before = stage.beside.cpu_us();
        stage.hub.go()?;
        let at_most = Duration::from_secs_f64(self.extent.seconds) + PATIENCE;
        let received: Vec<Received> = stage
            .others
            .iter_mut()
            .map(|subscriber| receipt(subscriber.report(at_most)?))
            .collect::<Result<_>>()?;
        let server = stage.beside.cpu_us() - before;
        let memory_beside = stage.beside.memory();
        let published = publication(stage.hub.stop_and_report()?)?;
        let sum = |of: fn(&Received) -> f64| received.iter().map(of).sum::<f64>();
        let messages = sum(|one| one.received as f64).max(1.0);
        let rate = |one: &Received| (one.received as f64 - 1.0).max(0.0) / one.seconds.max(1e-9);
        let per_second: f64 = received.iter().map(rate).sum();
        let cpu = published.cpu_us + sum(|one| one.cpu_us) + server;
        let peak = received.iter().map(|one| one.memory.peak).max().unwrap_or(0);
        Ok(Figures::from([
            ("per_second", per_second),
            ("mb_per_second", per_second * size as f64 / 1e6),
            ("sent", published.sent as f64),
            ("lost", sum(|one| one.lost as f64)),
            ("disordered", sum(|one| one.disordered as f64)),
            ("cpu_us", cpu / messages),
            ("cpu_us_pub", published.cpu_us / messages),
            ("cpu_us_sub", sum(|one| one.cpu_us) / messages),
            ("cpu_us_beside", server / messages),
            ("peak_kib_pub", published.memory.peak as f64),
            ("peak_kib_sub", peak as f64),
            ("peak_kib_beside", memory_beside.map_or(0.0, |memory| memory.peak as f64)),
        ]))
    }

    /// Everything up and connected, nothing published: memory and CPU of the hub, of a member, and
    /// of what runs beside.
    fn idle(&self, system: &System) -> Result<Figures> {
        let stage = self.up(system, ("pub", "sub"), IDLE_MEMBERS, 64)?;
        stage.rest(IDLE_REST)?;
        let spent = || -> Result<_> {
            Ok((usage_of(stage.hub.id())?, stage.others_cpu()?, stage.beside.cpu_us()))
        };
        let before = spent()?;
        pass(self.extent.idle);
        let after = spent()?;
        let percent = |spent: f64| spent / self.extent.idle.as_secs_f64() / 1e6 * 100.0;
        let mut members = Vec::new();
        for player in &stage.others {
            members.push(memory_of(&player.id().to_string())?.resident as f64);
        }
        members.sort_by(f64::total_cmp);
        let figures = Figures::from([
            ("kib_hub", memory_of(&stage.hub.id().to_string())?.resident as f64),
            ("kib_member", members[members.len() / 2]),
            ("kib_beside", stage.beside.memory().map_or(0.0, |memory| memory.resident as f64)),
            ("cpu_percent_hub", percent(after.0 - before.0)),
            ("cpu_percent_member", percent(after.1 - before.1) / IDLE_MEMBERS as f64),
            ("cpu_percent_beside", percent(after.2 - before.2)),
        ]);
        stage.others.into_iter().for_each(Player::stop);
        stage.hub.stop();
        Ok(figures)
    }
}

fn round_trips(report: Report) -> Result<RoundTrips> {
    match report {
        Report::RoundTrips(trips) if trips.trips > 0 => Ok(trips),
        other => bail!("round trips were expected, not {other:?}"),
    }
}

fn receipt(report: Report) -> Result<Received> {
    match report {
        Report::Received(received) => Ok(received),
        other => bail!("a subscriber's report was expected, not {other:?}"),
    }
}

fn publication(report: Report) -> Result<Published> {
    match report {
        Report::Published(published) => Ok(published),
        other => bail!("a publisher's report was expected, not {other:?}"),
    }
}
