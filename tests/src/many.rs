//! Many nodes: in virtual time, in one process, and as processes.
#![expect(clippy::print_stdout, reason = "what is measured is printed")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gearmesh_node::core::plant::overlay::neighbours;
use gearmesh_node::home::Home;
use gearmesh_node::listen::Endpoint;
use gearmesh_node::{Node, Options, Record};
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::Status;
use gearmesh_protocol::plant::{Address, MemberAddresses};

use crate::api::Api;
use crate::daemon::{Daemon, Plant};
use crate::wait::{pass, within};
use crate::world::history::Founding;
use crate::world::mass::{Mass, Sent};

/// How long everybody may take to see everybody.
const ALL_SEE_MAX: Duration = Duration::from_secs(600);

/// Between the starts of two nodes of one process. A thousand that start at once share a processor
/// that has no time left for their beats, and their links end before they are of use.
const START_EVERY: Duration = Duration::from_millis(200);

/// How long nothing happens before idle nodes are measured, so that what is new has been told.
const SETTLE: Duration = Duration::from_secs(15);

/// How long idle nodes are measured.
const IDLE: Duration = Duration::from_secs(30);

/// Ticks of the kernel in a second, as `/proc/PID/stat` counts.
const TICKS: f64 = 100.0;

/// A plant in virtual time: how long until all know a join and a revocation.
pub fn simulated(count: usize) {
    let clock = Instant::now();
    let mut mass = Mass::new(1, count);
    let all = mass.until(Duration::from_secs(120), |mass| mass.all_see(count));
    println!("{count} nodes, started within 1 s; {} links; all see all: {all}", mass.links());
    report("all see all", mass.now(), &mass.sent, count);
    let (end, began) = (mass.now() + Duration::from_secs(10), mass.now());
    mass.sent = Sent::default();
    mass.until(end, |_| false);
    report("10 s of nothing", mass.now() - began, &mass.sent, count);
    mass.sent = Sent::default();
    let began = mass.now();
    let key = mass.join();
    let end = began + Duration::from_secs(60);
    let known = mass.until(end, |mass| mass.all_know(&key, true, None));
    report(&format!("all know a join: {known}"), mass.now() - began, &mass.sent, count);
    let seen = mass.until(end, |mass| mass.all_see(count + 1));
    report(&format!("all see who joined: {seen}"), mass.now() - began, &mass.sent, count);
    mass.sent = Sent::default();
    let (began, out) = (mass.now(), count / 2);
    let key = mass.revoke(out, 7);
    let end = began + Duration::from_secs(60);
    let known = mass.until(end, |mass| mass.all_know(&key, false, Some(out)));
    report(&format!("all know a revocation: {known}"), mass.now() - began, &mass.sent, count);
    println!("took {:.0} s of real time", clock.elapsed().as_secs_f64());
}

fn report(what: &str, took: Duration, sent: &Sent, count: usize) {
    let (frames, bytes) = sent.total();
    let nodes = count as f64;
    println!(
        "{what}: {:.2} s, {:.1} frames and {:.1} KiB sent per node",
        took.as_secs_f64(),
        frames as f64 / nodes,
        bytes as f64 / nodes / 1024.0
    );
    for (name, (frames, bytes)) in sent.by_name.iter().filter(|(name, _)| **name != "beat") {
        let (frames, bytes) = (*frames as f64 / nodes, *bytes as f64 / nodes / 1024.0);
        println!("    {name}: {frames:.1} frames, {bytes:.1} KiB per node");
    }
}

/// Real nodes in one process, linked through its memory.
pub fn in_one_process(count: usize) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let homes: Vec<_> = (0..count).map(|number| folder.path().join(number.to_string())).collect();
    found(&homes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run_in_one_process(&homes));
}

/// Waits on the thread that carries no node.
async fn run_in_one_process(homes: &[std::path::PathBuf]) {
    let count = homes.len();
    let pid = std::process::id();
    let (before, began) = (resident(pid), Instant::now());
    let mut nodes = Vec::new();
    for (number, home) in homes.iter().enumerate() {
        let options = Options { listen: vec![place(number)], mdns: false, ..Options::at(home) };
        nodes.push(Node::start(options).await.expect("a node"));
        pass(START_EVERY);
    }
    println!("{count} nodes started in {:.1} s", began.elapsed().as_secs_f64());
    // The first that does not is enough: looking at all of them again and again costs a processor.
    let sees_all = |node: &Node| node.online() + 1 == count;
    let all = within(ALL_SEE_MAX, || nodes.iter().all(sees_all).then_some(())).is_some();
    println!("all see all: {all}, {:.1} s after the first start", began.elapsed().as_secs_f64());
    pass(SETTLE);
    let control_bytes = || tokio::task::block_in_place(|| control_bytes(homes));
    let (sent, worked, start) = (control_bytes(), processor(pid), Instant::now());
    pass(IDLE);
    let took = start.elapsed().as_secs_f64();
    let (worked, sent) = (processor(pid) - worked, control_bytes() - sent);
    let ends: usize = nodes.iter().map(Node::links).sum();
    let each = count as f64;
    let seeing = nodes.iter().filter(|node| sees_all(node)).count();
    println!("{seeing} see all after that; {} links", ends / 2);
    println!("{:.1} links per node", ends as f64 / each);
    println!("{:.0} bytes/s of control frames per link and direction", sent / ends as f64 / took);
    println!("{:.3} % of a core per node", worked / took / each * 100.0);
    println!("{:.0} KiB RSS per node", (resident(pid) - before) / each);
}

/// Where the node with this number listens, in the memory of the process.
#[must_use]
pub fn place(number: usize) -> Endpoint {
    Endpoint::in_memory(1 + number as u64)
}

/// Makes homes of one plant, whose journals hold all members and where neighbours are.
///
/// # Panics
/// A home cannot be made.
pub fn found(homes: &[std::path::PathBuf]) {
    let open: Vec<Home> = homes.iter().map(|at| Home::open(at).expect("a home")).collect();
    let keys: Vec<PublicKey> =
        open.iter().map(|home| PublicKey::of(&home.key().expect("a key"))).collect();
    let numbers: BTreeMap<PublicKey, usize> = keys.iter().copied().zip(0..).collect();
    let founding = Founding::with(&keys);
    for (home, key) in open.iter().zip(&keys) {
        let beside = neighbours(&founding.plant, key, keys.iter());
        let mut records = founding.journal.clone();
        records.extend(beside.into_iter().map(|member| {
            let text = place(numbers[&member]).multiaddr().to_string();
            let address = Address::try_from(text).expect("an address");
            Record::Addresses(MemberAddresses { member, addresses: Bounded::first_of([address]) })
        }));
        gearmesh_node::found(home, &records).expect("a founded home");
    }
}

/// Real nodes as processes on loopback.
pub fn processes(count: usize) {
    let plant = Plant::founded();
    let began = Instant::now();
    let names: Vec<String> = (1..count).map(|number| format!("press-{number}")).collect();
    let mut nodes = vec![plant.up("gateway-1")];
    for name in &names {
        plant.join(name);
        nodes.push(plant.up(name));
    }
    println!("{count} nodes joined and started in {:.1} s", began.elapsed().as_secs_f64());
    let homes: Vec<_> = nodes.iter().map(|node| node.home().to_owned()).collect();
    let began = Instant::now();
    let all = all_see_all(&homes, ALL_SEE_MAX);
    println!("all see all: {all}, {:.1} s after the last start", began.elapsed().as_secs_f64());
    pass(SETTLE);
    measure_idle(&nodes, &homes);
}

/// Waits until every node shows every member as online. Whether they do.
#[must_use]
pub fn all_see_all(homes: &[std::path::PathBuf], max: Duration) -> bool {
    let sees = |home: &std::path::PathBuf| {
        let plant = status(home).and_then(|status| status.plant);
        plant.is_some_and(|plant| plant.members == homes.len() && plant.online + 1 == homes.len())
    };
    within(max, || homes.iter().all(sees).then_some(())).is_some()
}

fn measure_idle(nodes: &[Daemon], homes: &[std::path::PathBuf]) {
    let worked = || nodes.iter().map(|node| processor(node.id())).sum::<f64>();
    let (before, control, wire, start) =
        (worked(), control_bytes(homes), wire_bytes(homes), Instant::now());
    pass(IDLE);
    let took = start.elapsed().as_secs_f64();
    let (after, control_after, wire_after) = (worked(), control_bytes(homes), wire_bytes(homes));
    let plants = homes.iter().filter_map(|home| status(home)?.plant);
    let ends: usize = plants.map(|plant| plant.links).sum();
    let each = nodes.len() as f64;
    let mut memory: Vec<f64> = nodes.iter().map(|node| resident(node.id()) / 1024.0).collect();
    memory.sort_by(f64::total_cmp);
    let directions = ends as f64 * took;
    println!("{} links", ends / 2);
    println!(
        "{:.0} bytes/s of control frames per link and direction",
        (control_after - control) / directions
    );
    println!(
        "{:.0} bytes/s of TCP payload per link and direction",
        (wire_after - wire) / directions
    );
    println!("{:.2} % of a core per node", (after - before) / took / each * 100.0);
    println!(
        "RSS: median {:.1} MiB, highest {:.1} MiB",
        memory[memory.len() / 2],
        memory[memory.len() - 1]
    );
}

fn status(home: &Path) -> Option<Status> {
    serde_json::from_str(&Api::try_of(home)?.get("/v1/status").body).ok()
}

fn control_bytes(homes: &[std::path::PathBuf]) -> f64 {
    let sent = homes.iter().filter_map(|home| Some(status(home)?.counters.control_bytes));
    sent.sum::<u64>() as f64
}

/// Bytes that the connections to the nodes' ports carried, both ways, by what `ss` says of the
/// ends that listened.
fn wire_bytes(homes: &[std::path::PathBuf]) -> f64 {
    let listens = homes.iter().filter_map(|home| Some(status(home)?.listen)).flatten();
    let ports: Vec<String> = listens
        .filter_map(|at| Some(format!(":{}", at.split("/tcp/").nth(1)?.split('/').next()?)))
        .collect();
    let said = Command::new("ss").args(["-tinHO", "state", "established"]).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let mut bytes = 0.0;
    for line in text.unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let local = words.nth(2).unwrap_or_default();
        if ports.iter().any(|port| local.ends_with(port.as_str())) {
            let of = |name: &str| line.split(name).nth(1)?.split(' ').next()?.parse::<f64>().ok();
            bytes += of("bytes_sent:").unwrap_or(0.0) + of("bytes_received:").unwrap_or(0.0);
        }
    }
    bytes
}

/// Resident memory of a process, in KiB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0.0)
}

/// Seconds of processor that a process used.
fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS
}
