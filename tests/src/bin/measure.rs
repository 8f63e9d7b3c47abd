//! Measures what a technician feels and a small controller pays: how long a join takes, how soon
//! the first value arrives, how much memory and disk a node needs.
//!
//! Run with `cargo run --release -p gearmesh-tests --bin measure`; with `-- mesh 5000` it simulates
//! a plant of so many nodes, with `-- memory 1000` it runs so many in one process, with `--
//! processes 50` as processes; with `-- years 50` such processes start at once, are cut in halves, and
//! throw one out; with `-- records 1000` a simulated plant lets so many in, replaces them and throws them
//! out; with `-- connections` it measures what admission adds to a connection,
//! with `-- index` how followers of a topic are found. Figures go to `docs/benchmarks.md` by hand, with the machine they were taken on.
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]
#![expect(clippy::expect_used, reason = "a measurement has one way to fail")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::process::Command;
use std::time::{Duration, Instant};

use gearmesh_protocol::local::Presence;
use gearmesh_tests::api::Follower;
use gearmesh_tests::cli::program;
use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::wait::pass;
use gearmesh_tests::{connecting, finding, many, years};

/// Rounds of each timing.
const ROUNDS: usize = 7;

/// Members besides the one whose memory is read.
const OTHERS: usize = 10;

/// How long a node is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let count = |default| words.get(1).and_then(|word| word.parse().ok()).unwrap_or(default);
    match words.first().map(String::as_str) {
        Some("mesh") => many::simulated(count(5000)),
        Some("memory") => many::in_one_process(count(1000)),
        Some("processes") => many::processes(count(50)),
        Some("years") => years::of_processes(count(50)),
        Some("records") => years::simulated(count(1000)),
        Some("connections") => connecting::connections(),
        Some("index") => finding::among_filters(),
        _ => ordinary(),
    }
}

/// What a technician feels, and a small controller pays.
fn ordinary() {
    println!("| what | median | lowest | highest |");
    println!("|---|---|---|---|");
    row("join with a code, node running, to the first value at the gateway", join_to_value);
    row("start of a known member to its first value at the gateway", start_to_value);
    memory();
    disk();
}

fn row(what: &str, measure: impl Fn() -> Duration) {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| measure()).collect();
    times.sort_unstable();
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
    println!(
        "| {what} | {} | {} | {} |",
        ms(times[ROUNDS / 2]),
        ms(times[0]),
        ms(times[ROUNDS - 1])
    );
}

/// From typing the code to a value of the new machine at the gateway.
fn join_to_value() -> Duration {
    let plant = Plant::founded();
    let _gateway = plant.up("gateway-1");
    let _press = plant.up("press-1");
    let code = plant.code("press-1", &[]);
    first_value(&plant, || {
        let _ = plant.gearmesh("press-1", &["join", &code]).ok();
    })
}

/// From the start of the process of a member to a value of it at the gateway.
fn start_to_value() -> Duration {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    plant.join("press-1");
    let mut press: Option<Daemon> = None;
    let took = first_value(&plant, || {
        press = Some(plant.spawn("press-1", &["--listen", "127.0.0.1:0", "--no-mdns"]));
    });
    drop((gateway, press));
    took
}

/// How long after `act` the gateway has a value of `press-1`, for a program that followed before.
fn first_value(plant: &Plant, act: impl FnOnce()) -> Duration {
    let mut follower = Follower::of(&plant.home("gateway-1"), "press-1/host/memory/used");
    std::thread::scope(|scope| {
        let value = scope.spawn(move || {
            drop(follower.next_event());
            Instant::now()
        });
        let start = Instant::now();
        act();
        value.join().expect("a value").saturating_duration_since(start)
    })
}

fn memory() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let names: Vec<String> = (0..OTHERS).map(|n| format!("press-{n}")).collect();
    let others: Vec<Daemon> = names
        .iter()
        .map(|name| {
            plant.join(name);
            plant.up(name)
        })
        .collect();
    for name in &names {
        plant.wait_for("gateway-1", name, Presence::Online);
    }
    pass(IDLE);
    let resident = |node: &Daemon| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", node.id()));
        let status = status.expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        let kib: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("KiB");
        kib / 1024.0
    };
    let mut machines: Vec<f64> = others.iter().map(resident).collect();
    machines.sort_by(f64::total_cmp);
    let (median, low, high) = (machines[OTHERS / 2], machines[0], machines[OTHERS - 1]);
    println!(
        "| RSS of a machine, {OTHERS} other members, idle | {median:.1} MiB | {low:.1} MiB | {high:.1} MiB |"
    );
    println!("| RSS of the gateway, the same | {:.1} MiB | | |", resident(&gateway));
}

fn disk() {
    for name in ["gearmesh", "gearmeshd"] {
        let path = program().with_file_name(name);
        let stripped = std::env::temp_dir().join(format!("{name}-stripped-{}", std::process::id()));
        let mut strip = Command::new("strip");
        let done = strip.arg("-o").arg(&stripped).arg(&path).status();
        let measured = if done.is_ok_and(|status| status.success()) { &stripped } else { &path };
        let bytes = std::fs::metadata(measured).expect("the program").len();
        println!("| {name}, stripped release | {:.1} MiB | | |", bytes as f64 / 1048576.0);
        // It may not be there, if there is no strip.
        let _ = std::fs::remove_file(&stripped);
    }
}
