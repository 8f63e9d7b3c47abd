//! A stranger that keeps a thousand connections busy while members talk.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use gearmesh_protocol::local::{Counters, MemberStatus, Presence};
use gearmesh_tests::daemon::Daemon;
use gearmesh_tests::netns::Network;
use gearmesh_tests::wait::until;

use crate::times::Times;
use crate::{Cell, able_alone};

/// How long the stranger stays: longer than two measurements.
const ATTACK: Duration = Duration::from_secs(12);

/// Addresses from which it comes: each alone could fill only its own share of the node's places.
const ADDRESSES: u8 = 8;

/// What the attack may do to the time that a value takes.
const SLOWER_AT_MOST: u32 = 5;

/// What the attack may cost the node in memory, in KiB.
const GROWTH_MAX: u64 = 64 * 1024;

/// How often it is measured until each way has stayed within the bound. What else a machine does
/// meanwhile adds to a time, be the node quiet or not: so the best under attack is held against the
/// worst in quiet.
const ATTEMPTS: usize = 8;

#[test]
fn a_stranger_with_a_thousand_connections_disturbs_nobody() {
    let Some(_alone) = able_alone("a_stranger_with_a_thousand_connections_disturbs_nobody") else {
        return;
    };
    let mut cell = Cell::with_hosts(&["press-1"], &["a", "b", "stranger"]);
    cell.plant.wait_for("press-1", "gateway-1", Presence::Online);
    cell.network.spread("stranger", ADDRESSES);
    let (before, linked) = (counters(&cell), press_1(&cell));
    let rss = memory(&cell.nodes[0], "VmRSS:");

    let mut ways = [Way::default(), Way::default()];
    for _ in 0..ATTEMPTS {
        eprintln!("{}", attempt(&cell, &mut ways));
        if ways.iter().all(Way::is_within) {
            break;
        }
    }
    let is_within = ways.map(|way| way.is_within());
    let grown = memory(&cell.nodes[0], "VmHWM:").saturating_sub(rss);
    let (after, still_linked) = (counters(&cell), press_1(&cell));
    eprintln!("RSS {rss} KiB, at its worst {grown} KiB more; before {before:?}; after {after:?}");
    assert_eq!(is_within, [true; 2], "into and out of: p99 within {SLOWER_AT_MOST} times quiet");
    assert!(grown <= GROWTH_MAX, "grown by {grown} KiB");
    assert_eq!(still_linked.presence, Presence::Online);
    let stayed = still_linked.presence_for_s >= linked.presence_for_s;
    assert!(stayed, "the link to press-1 did not last: {linked:?}, {still_linked:?}");
    assert!(after.refused_connections > before.refused_connections, "{after:?}");
    assert!(after.refused_admissions > before.refused_admissions, "{after:?}");
    cell.network.place(&mut cell.plant, "robot-1", "b");
    cell.plant.join("robot-1");
}

/// What was measured of values that go one way.
#[derive(Clone, Copy, Default)]
struct Way {
    /// The longest p99 in quiet.
    quiet: Duration,
    /// The shortest under attack.
    attacked: Option<Duration>,
}

impl Way {
    fn is_within(&self) -> bool {
        self.attacked.is_some_and(|attacked| attacked <= self.quiet * SLOWER_AT_MOST)
    }

    fn measured(&mut self, quiet: Duration, attacked: Duration) {
        self.quiet = self.quiet.max(quiet);
        self.attacked = Some(self.attacked.map_or(attacked, |least| least.min(attacked)));
    }
}

/// Measures both ways, first in quiet and then under attack. The figures.
fn attempt(cell: &Cell, measured: &mut [Way; 2]) -> String {
    let (gateway, press) = (cell.nodes[0].home(), cell.nodes[1].home());
    let ways = [("into", press, gateway), ("out of", gateway, press)];
    let quiet = ways.map(|(_, from, to)| Times::measure(from, to));
    let stranger = Stranger::attack(&cell.network, "a");
    let attacked = ways.map(|(_, from, to)| Times::measure(from, to));
    let mut figures = format!("stranger: {}", stranger.end());
    for ((way, ..), (quiet, attacked)) in ways.iter().zip(quiet.iter().zip(&attacked)) {
        let line = format!("\nvalues {way} the node: quiet {quiet}; under attack {attacked}");
        figures.push_str(&line);
    }
    for (way, (quiet, attacked)) in measured.iter_mut().zip(quiet.iter().zip(&attacked)) {
        way.measured(quiet.p99(), attacked.p99());
    }
    figures
}

fn counters(cell: &Cell) -> Counters {
    cell.plant.status("gateway-1").counters
}

fn press_1(cell: &Cell) -> MemberStatus {
    let members = cell.plant.members("gateway-1").into_iter();
    members.into_iter().find(|member| member.name == "press-1").expect("press-1 is a member")
}

/// Memory of a process that is in RAM, in KiB: `VmRSS:` now, `VmHWM:` at its worst so far.
fn memory(node: &Daemon, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.id()));
    let status = status.expect("a status of the process");
    let line = status.lines().find_map(|line| line.strip_prefix(which)).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The attacking process. Dropping it kills it.
struct Stranger {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Stranger {
    /// Attacks the node on a host, and comes back when all its connections have been tried once.
    fn attack(network: &Network, host: &str) -> Self {
        let target = format!("{}:7430", network.address(host));
        // A stranger has a machine of its own: its work must not take the members' processor.
        let mut command = network.command("stranger", "nice");
        command.args(["-n", "19", env!("CARGO_BIN_EXE_stranger")]);
        command.args([&target, "1000", &ATTACK.as_secs().to_string()]).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the stranger starts");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let mut stranger = Self { process, output };
        let mut line = String::new();
        stranger.output.read_line(&mut line).expect("a line");
        assert!(line.contains("all 1000 have tried"), "{line:?}");
        stranger
    }

    /// Waits for its end. What it counted.
    fn end(mut self) -> String {
        let ended = until("the stranger gives up", || self.process.try_wait().ok().flatten());
        assert!(ended.success(), "{ended}");
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("its counts");
        said.trim().to_owned()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
