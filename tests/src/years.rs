//! What ten years of a plant cost: everybody back after a power cut, a member thrown out, halves that
//! meet again, and what a thousand joins, replacements and revocations leave behind.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gearmesh_protocol::local::Status;

use crate::api::Api;
use crate::daemon::{Daemon, Plant};
use crate::many::all_see_all;
use crate::netns::{self, Network};
use crate::wait::{pass, within};
use crate::world::mass::{Mass, Sent};

/// How long anything may take.
const LONGEST: Duration = Duration::from_secs(600);

/// How long the halves are apart: longer than a link lives without a beat.
const APART: Duration = Duration::from_secs(20);

/// How long each change has until the next one, in virtual time.
const SETTLED: Duration = Duration::from_millis(500);

/// Members of the simulated plant that run all the time.
const RUNNING: usize = 50;

/// Real nodes on two hosts of a network of their own.
struct Hall {
    nodes: Vec<Daemon>,
    plant: Plant,
    /// Dropped last: the nodes live on it.
    network: Network,
}

impl Hall {
    fn name(number: usize) -> String {
        if number == 0 { "gateway-1".to_owned() } else { format!("press-{number}") }
    }

    fn words() -> [&'static str; 1] {
        ["--no-host"]
    }

    /// So many nodes that joined one after the other, half of them on each host.
    fn of(count: usize) -> Self {
        let network = Network::of(&["a", "b"]);
        let mut plant = Plant::founded();
        let mut nodes = Vec::new();
        for number in 0..count {
            let name = Self::name(number);
            network.place(&mut plant, &name, if number % 2 == 0 { "a" } else { "b" });
            if number > 0 {
                plant.join(&name);
            }
            nodes.push(plant.up_with(&name, &Self::words()));
        }
        Self { nodes, plant, network }
    }

    fn homes(&self) -> Vec<PathBuf> {
        self.nodes.iter().map(|node| node.home().to_owned()).collect()
    }
}

fn status(home: &std::path::Path) -> Option<Status> {
    serde_json::from_str(&Api::try_of(home)?.get("/v1/status").body).ok()
}

/// Real nodes as processes: a common start, a partition that ends, a revocation.
pub fn of_processes(count: usize) {
    if let Some(reason) = netns::missing() {
        return println!("not measured: {reason}");
    }
    let began = Instant::now();
    let mut hall = Hall::of(count);
    let homes = hall.homes();
    let told = |what: &str, all: bool, took: Duration| {
        println!("{what}: {:.1} s{}", took.as_secs_f64(), if all { "" } else { " and not done" });
    };
    told("joined and started", all_see_all(&homes, LONGEST), began.elapsed());

    hall.nodes.clear();
    let began = Instant::now();
    hall.nodes =
        (0..count).map(|number| hall.plant.spawn(&Hall::name(number), &Hall::words())).collect();
    told("all started in", true, began.elapsed());
    told("after a common start all see all within", all_see_all(&homes, LONGEST), began.elapsed());

    hall.network.partition("a", "b");
    pass(APART);
    let halves =
        homes.iter().filter_map(|home| status(home)?.plant).all(|it| it.online < count - 1);
    println!("apart for {} s: {halves}", APART.as_secs());
    hall.network.heal();
    let began = Instant::now();
    told("after a partition all see all within", all_see_all(&homes, LONGEST), began.elapsed());

    revoke(&hall, count - 1);
}

/// From the command to the moment at which whoever was thrown out has no connection any more.
fn revoke(hall: &Hall, number: usize) {
    let (name, home) = (Hall::name(number), hall.plant.home(&Hall::name(number)));
    let links = || status(&home).and_then(|status| status.plant).map(|plant| plant.links);
    println!("{name} has {} links", links().unwrap_or_default());
    let began = Instant::now();
    let closed = std::thread::scope(|scope| {
        let closed =
            scope.spawn(|| within(LONGEST, || (links() == Some(0)).then(|| began.elapsed())));
        let words = ["revoke", &name, "--reason", "lost", "--yes"];
        let said = hall.plant.gearmesh("gateway-1", &words);
        println!("revoke says after {:.2} s: {}", began.elapsed().as_secs_f64(), said.out.trim());
        closed.join().ok().flatten()
    });
    match closed {
        Some(took) => println!("its last connection closed after {:.2} s", took.as_secs_f64()),
        None => println!("its connections did not close"),
    }
}

/// What changes of one kind cost in all.
#[derive(Clone, Copy, Default)]
struct Cost {
    ledger: usize,
    frames: u64,
    bytes: u64,
}

impl Cost {
    fn add(&mut self, sent: &Sent, ledger: usize) {
        let (frames, bytes) = sent.total();
        let (beats, beat_bytes) = sent.by_name.get("beat").copied().unwrap_or_default();
        self.ledger += ledger;
        (self.frames, self.bytes) = (self.frames + frames - beats, self.bytes + bytes - beat_bytes);
    }

    fn tell(self, what: &str, changes: usize) {
        let (each, nodes) = (changes as f64, RUNNING as f64);
        println!(
            "{changes} {what}: each adds {:.0} bytes to the ledger, for which each node sends {:.1} frames \
             and {:.0} bytes, beats aside",
            self.ledger as f64 / each,
            self.frames as f64 / each / nodes,
            self.bytes as f64 / each / nodes,
        );
    }
}

/// A plant in virtual time whose admin lets in, replaces and throws out so many machines.
pub fn simulated(changes: usize) {
    let mut mass = Mass::new(1, RUNNING);
    let all = mass.until(Duration::from_secs(120), |mass| mass.all_see(RUNNING));
    println!("{RUNNING} nodes run; all see all: {all}; a ledger of {} bytes", mass.ledger_bytes());
    // One machine after the other, so that the plant stays of one size: in, replaced, out.
    let mut costs = [Cost::default(); 3];
    for number in 0..changes {
        let (one, other) = (RUNNING + 2 * number, RUNNING + 2 * number + 1);
        let steps = [(Some(one), None), (Some(other), Some(one)), (None, Some(other))];
        for ((new, old), cost) in steps.into_iter().zip(&mut costs) {
            mass.sent = Sent::default();
            let before = mass.ledger_bytes();
            mass.change(new, old);
            let end = mass.now() + SETTLED;
            mass.until(end, |_| false);
            cost.add(&mass.sent, mass.ledger_bytes() - before);
        }
    }
    let end = mass.now() + Duration::from_secs(60);
    println!("all hold the same: {}", mass.until(end, Mass::all_alike));
    for (what, cost) in ["joins", "replacements", "revocations"].into_iter().zip(costs) {
        cost.tell(what, changes);
    }
    println!("a ledger of {} bytes in {} pages", mass.ledger_bytes(), mass.ledger_pages());
}
