//! What a process has cost: CPU time and memory.

use std::fs;

use anyhow::{Context as _, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// CPU time of a process, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage(f64);

impl Usage {
    /// Microseconds of CPU time spent since then.
    #[must_use]
    pub fn since(self, earlier: Self) -> f64 {
        self.0 - earlier.0
    }

    /// Microseconds of CPU time spent so far.
    #[must_use]
    pub const fn total_us(self) -> f64 {
        self.0
    }
}

/// Resident memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At its highest.
    pub peak: u64,
}

/// The CPU time of this process; zero if the system does not say.
#[must_use]
pub fn usage() -> Usage {
    let Ok(spent) = getrusage(UsageWho::RUSAGE_SELF) else { return Usage::default() };
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 * 1e6 + time.tv_usec() as f64;
    Usage(micros(spent.user_time()) + micros(spent.system_time()))
}

/// The CPU time of another process in microseconds, with that of threads that have ended.
///
/// Its clock counts nanoseconds; `/proc/<pid>/stat` counts hundredths of a second, too coarse for an
/// idle process.
///
/// # Errors
/// It is gone.
pub fn usage_of(pid: u32) -> Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    let spent = clock_gettime(clock)?;
    Ok(spent.tv_sec() as f64 * 1e6 + spent.tv_nsec() as f64 / 1e3)
}

/// The memory of this process.
#[must_use]
pub fn memory() -> Memory {
    memory_of("self").unwrap_or_default()
}

/// The memory of a process, named by its id.
///
/// # Errors
/// It is gone.
pub fn memory_of(pid: &str) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).context("no memory")
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// What a process has written, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Given to `write` and its kin, to files, pipes and terminals alike, but not to `send`.
    pub given: u64,
    /// Of pages that thereby became due for a disk. A page counts anew after each sync.
    pub to_disk: u64,
}

/// What a process has written so far, named by its id.
///
/// # Errors
/// It is gone.
pub fn written_by(pid: &str) -> Result<Written> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let field = |name: &str| {
        let line = io.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).context("nothing is known of its writes")
    };
    Ok(Written { given: field("wchar:")?, to_disk: field("write_bytes:")? })
}

/// Waits until the disks have what was written before, so that one run does not pay for another.
pub fn settle_disks() {
    nix::unistd::sync();
}

#[cfg(test)]
mod tests {
    use super::{memory, usage, usage_of, written_by};

    #[test]
    fn a_process_knows_what_it_has_written() {
        let before = written_by("self").unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &[0; 5000]).unwrap();
        assert!(written_by("self").unwrap().given >= before.given + 5000);
    }

    #[test]
    fn a_process_knows_what_it_costs() {
        let before = usage();
        let sum = (0..20_000_000_u64).fold(0, |sum: u64, n| std::hint::black_box(sum ^ n));
        assert_ne!(sum, 1);
        assert!(usage().since(before) > 0.0);
        assert!(usage_of(std::process::id()).unwrap() > 0.0);
        assert!(memory().peak >= memory().resident && memory().resident > 0);
    }
}
