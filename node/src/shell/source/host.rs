//! The controller itself as a source: its processor, memory, disks, network, temperatures, uptime.
//!
//! Every node but an observer publishes these under `<scope>/host/…`, so that a fresh plant shows
//! real values before anything is attached.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Scope, TextError, Topic};
use sysinfo::{Components, Disks, Networks, System};

use super::super::clock::Clock;
use super::super::core_handle::CoreHandle;
use super::super::plant::live::Live;
use crate::core::plant::view::View;

/// Between two rounds of values.
const EVERY: Duration = Duration::from_secs(2);

/// Until the second round: a processor's load needs two readings.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Disks, interfaces and sensors that one host reports, of each kind.
const PARTS_MAX: usize = 16;

/// One value and the topic it belongs to, below `<scope>/host/`.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    topic: String,
    value: Value,
    unit: &'static str,
}

/// What the operating system tells of its machine. What it cannot tell is simply not published.
struct Host {
    system: Option<System>,
    disks: Option<Disks>,
    networks: Option<Networks>,
    components: Option<Components>,
    last: Option<Duration>,
}

/// Publishes the host's values until the node stops.
pub(in crate::shell) async fn run(core: CoreHandle, live: Arc<Live>, clock: Clock) {
    let mut host = Host::new();
    let mut views = core.views();
    let publishes = |view: &Arc<View>| {
        !view.is_revoked() && view.own().is_some_and(|own| own.scope().is_some())
    };
    loop {
        if views.wait_for(publishes).await.is_err() {
            return;
        }
        let pause = if host.last.is_none() { FIRST_PAUSE } else { EVERY };
        let now = clock.now();
        // A dead network file system may hold up whoever asks for its size.
        let read = tokio::task::spawn_blocking(move || {
            let readings = host.read(now.tick);
            (host, readings)
        });
        let Ok((returned, readings)) = read.await else { return };
        host = returned;
        publish(&core, &live, &readings, now.wall);
        tokio::time::sleep(pause).await;
    }
}

fn topic(scope: &Scope, reading: &Reading) -> Result<Topic, TextError> {
    scope.topic(&format!("host/{}", reading.topic))
}

fn publish(core: &CoreHandle, live: &Live, readings: &[Reading], at: UnixMillis) {
    let view = core.view();
    let Some(scope) = view.own().and_then(|member| member.scope()) else { return };
    for reading in readings {
        let unit = reading.unit.parse().ok();
        let sample = Sample { unit, ..Sample::good(reading.value.clone(), at) };
        match topic(scope, reading).map(|topic| live.publish(&topic, &sample)) {
            Ok(Ok(_)) => {}
            // An observer may have a scope and no right to publish; that is no error of the host.
            Ok(Err(error)) => tracing::debug!(%error, "a host value was not published"),
            Err(error) => tracing::debug!(%error, "a host value has no topic"),
        }
    }
}

impl Host {
    fn new() -> Self {
        Self {
            system: System::new().ok(),
            disks: Disks::new().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            components: Components::new().ok(),
            last: None,
        }
    }

    fn read(&mut self, now: Duration) -> Vec<Reading> {
        let since = self.last.map(|last| now.saturating_sub(last).as_secs_f64());
        self.last = Some(now);
        let mut readings = self.read_system(since.is_some());
        readings.extend(self.read_disks());
        readings.extend(self.read_networks(since));
        readings.extend(self.read_temperatures());
        readings
    }

    fn read_system(&mut self, has_load: bool) -> Vec<Reading> {
        let mut readings = Vec::new();
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            if has_load {
                let usage = f64::from(system.global_cpu_usage());
                readings.push(reading("cpu/usage", rounded(usage), "%"));
            }
            readings.push(bytes("memory/used", system.used_memory()));
            readings.push(bytes("memory/total", system.total_memory()));
        }
        let load = System::load_average().ok();
        readings.extend(load.map(|load| reading("cpu/load1", rounded(load.one), "1")));
        let uptime = System::uptime().ok();
        readings.extend(uptime.map(|s| reading("uptime", Value::Integer(whole(s)), "s")));
        readings
    }

    fn read_disks(&mut self) -> Vec<Reading> {
        let Some(disks) = &mut self.disks else { return Vec::new() };
        disks.refresh(true);
        let mut mounts: Vec<_> = disks.iter().collect();
        mounts.sort_by_key(|disk| disk.mount_point().to_owned());
        mounts.dedup_by_key(|disk| disk.mount_point().to_owned());
        let disks = mounts.into_iter().take(PARTS_MAX);
        disks
            .flat_map(|disk| {
                let name = level(&disk.mount_point().to_string_lossy());
                let used = disk.total_space().saturating_sub(disk.available_space());
                [
                    bytes(&format!("disk/{name}/used"), used),
                    bytes(&format!("disk/{name}/total"), disk.total_space()),
                ]
            })
            .collect()
    }

    #[expect(clippy::disallowed_methods, reason = "what is iterated is sorted right after")]
    fn read_networks(&mut self, since: Option<f64>) -> Vec<Reading> {
        let Some(networks) = &mut self.networks else { return Vec::new() };
        networks.refresh(true);
        let Some(seconds) = since.filter(|seconds| *seconds > 0.0) else { return Vec::new() };
        let mut networks: Vec<_> = networks.iter().collect();
        networks.sort_by_key(|(name, _)| (*name).clone());
        let networks =
            networks.into_iter().filter(|(name, _)| name.as_os_str() != "lo").take(PARTS_MAX);
        networks
            .flat_map(|(name, data)| {
                let name = level(&name.to_string_lossy());
                let rate = |bytes: u64| rounded(whole(bytes) as f64 / seconds);
                [
                    reading(&format!("network/{name}/received"), rate(data.received()), "By/s"),
                    reading(&format!("network/{name}/sent"), rate(data.transmitted()), "By/s"),
                ]
            })
            .collect()
    }

    fn read_temperatures(&mut self) -> Vec<Reading> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(true);
        let sensors = components.iter().take(PARTS_MAX);
        sensors
            .filter_map(|sensor| {
                let degrees = sensor.temperature().filter(|degrees| degrees.is_finite())?;
                let topic = format!("temperature/{}", level(sensor.label()));
                Some(reading(&topic, rounded(f64::from(degrees)), "Cel"))
            })
            .collect()
    }
}

fn reading(topic: &str, value: Value, unit: &'static str) -> Reading {
    Reading { topic: topic.to_owned(), value, unit }
}

fn bytes(topic: &str, bytes: u64) -> Reading {
    reading(topic, Value::Integer(whole(bytes)), "By")
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// To one decimal: more would be noise.
fn rounded(number: f64) -> Value {
    Value::Float((number * 10.0).round() / 10.0)
}

/// A name of the operating system as a topic level: `/` is `root`, other signs become `-`.
fn level(name: &str) -> String {
    let trimmed = name.trim_matches('/');
    if trimmed.is_empty() {
        return "root".to_owned();
    }
    let keep = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    trimmed.chars().take(40).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_values_and_each_has_a_topic_of_its_own() {
        let mut host = Host::new();
        host.read(Duration::ZERO);
        let readings = host.read(Duration::from_secs(1));
        let topics: Vec<&str> = readings.iter().map(|reading| reading.topic.as_str()).collect();
        for wanted in ["cpu/usage", "memory/used", "memory/total", "uptime"] {
            assert!(topics.contains(&wanted), "{wanted} in {topics:?}");
        }
        for reading in &readings {
            assert!(format!("a/host/{}", reading.topic).parse::<Topic>().is_ok());
            assert!(reading.unit.parse::<gearmesh_protocol::topic::Unit>().is_ok());
        }
    }

    #[test]
    fn names_become_levels() {
        assert_eq!(level("/"), "root");
        assert_eq!(level("/var/lib"), "var-lib");
        assert_eq!(level("Core 0"), "core-0");
    }
}
