//! What the figures depend on besides the programs: the machine, and the versions of the peers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::programs::{Places, etcd, mosquitto};
use crate::results::Setting;

/// Crates whose version is a version of a peer.
const PEERS: [&str; 4] = ["zenoh", "iroh", "async-nats", "rumqttc"];

/// Where and with what a run is made.
pub(crate) fn setting(places: &Places, rounds: usize) -> Result<Setting> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let kernel = read("/proc/sys/kernel/osrelease");
    // What stands behind the second number is the distributor's business.
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = read("/proc/loadavg");
    let lock = fs::read_to_string(places.workspace.join("Cargo.lock"))?;
    let mut versions: BTreeMap<String, String> =
        PEERS.iter().filter_map(|name| Some(((*name).to_owned(), locked(&lock, name)?))).collect();
    let gearmesh = gearmesh(places);
    let nats = said(Command::new(places.nats()).arg("--version"), "nats-server: v");
    let broker = mosquitto().ok();
    let broker = broker.and_then(|file| said(Command::new(file).arg("-h"), "mosquitto version "));
    let store = etcd().ok();
    let store = store.and_then(|file| said(Command::new(file).arg("--version"), "etcd Version: "));
    let programs =
        [("gearmesh", gearmesh), ("nats-server", nats), ("mosquitto", broker), ("etcd", store)];
    for (name, version) in programs {
        versions.extend(version.map(|version| (name.to_owned(), version)));
    }
    Ok(Setting {
        processor: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: kernel.join("."),
        rounds,
        disk: disk(&read("/proc/self/mounts"), &places.output),
        load_before: load.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0),
        versions,
        ..Setting::default()
    })
}

/// The file system that a folder is in, and its device.
fn disk(mounts: &str, folder: &Path) -> String {
    let words = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let around = words.filter(|words| words.get(1).is_some_and(|at| folder.starts_with(at)));
    // What was mounted last lies on top.
    let nearest = around.max_by_key(|words| words.get(1).map_or(0, |at| at.len()));
    match nearest.as_deref() {
        Some([device, _, kind, ..]) => format!("{kind} on {device}"),
        _ => "an unknown file system".to_owned(),
    }
}

/// The commit that was measured.
fn gearmesh(places: &Places) -> Option<String> {
    let mut git = Command::new("git");
    git.current_dir(&places.workspace).args(["describe", "--always", "--dirty"]);
    let said = git.output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}

fn locked(lock: &str, name: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split('"').next()?.to_owned())
}

/// The word after `before` in what a program says of itself.
fn said(command: &mut Command, before: &str) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{disk, locked};

    #[test]
    fn a_folder_is_in_the_nearest_file_system() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(disk(mounts, Path::new("/srv/plant")), "ext4 on /dev/vda");
        assert_eq!(disk(mounts, Path::new("/tmp/here")), "tmpfs on tmpfs");
    }

    #[test]
    fn versions_are_read_from_the_lock() {
        let lock = "[[package]]\nname = \"zenoh\"\nversion = \"1.10.2\"\n";
        assert_eq!(locked(lock, "zenoh").as_deref(), Some("1.10.2"));
        assert_eq!(locked(lock, "zen"), None);
    }
}
