//! One network namespace, and how the ones that nobody owns any more are found.

use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

use super::PREFIX;
use super::tools::run;

/// `ip netns add` sets its folder up the first time, and two of them at once get in each other's
/// way.
static MAKING: Mutex<()> = Mutex::new(());

/// A network namespace. Dropping it ends what runs in it and removes it.
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn make(name: &str) -> Result<Self, String> {
        let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        run("ip", &["netns", "add", name], "")?;
        let made = Self { name: name.to_owned() };
        made.try_ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `ip` inside.
    pub(super) fn ip(&self, arguments: &[&str]) {
        self.try_ip(arguments).expect("a network of the test's own");
    }

    pub(super) fn try_ip(&self, arguments: &[&str]) -> Result<(), String> {
        run("ip", &[&["-n", &self.name], arguments].concat(), "").map(drop)
    }

    /// `nft` inside, with this script.
    pub(super) fn nft(&self, script: &str) {
        self.try_nft(script).expect(script);
    }

    pub(super) fn try_nft(&self, script: &str) -> Result<(), String> {
        run("ip", &["netns", "exec", &self.name, "nft", "-f", "-"], script).map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Ends what runs in a namespace, by process id, and removes it. Nobody hears of failures: it may
/// be gone already.
fn remove(name: &str) {
    let pids = run("ip", &["netns", "pids", name], "").unwrap_or_default();
    for pid in pids.split_whitespace() {
        _ = run("kill", &["-KILL", pid], "");
    }
    _ = run("ip", &["netns", "del", name], "");
}

/// The namespaces of all runs of the suites on this machine.
pub(super) fn all() -> Vec<String> {
    let list = run("ip", &["netns", "list"], "").unwrap_or_default();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with(PREFIX)).map(ToOwned::to_owned).collect()
}

/// Removes, once in the life of this process, the namespaces of processes that have ended.
pub(super) fn sweep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(sweep_now);
}

/// Removes the namespaces of processes that have ended.
pub(super) fn sweep_now() {
    for name in all() {
        let owner = name.split('-').nth(1).and_then(|id| id.parse::<u32>().ok());
        if owner.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            remove(&name);
        }
    }
}
