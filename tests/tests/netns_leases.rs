//! Real holders and a real arbiter on hosts of their own, under random faults: kill -9, SIGSTOP for
//! three times the lease, partitions, jumps of the clock. What was executed is a linearizable history, and no token comes
//! after a later one.
//!
//! Three histories; `GEARMESH_HISTORIES=50` runs as many.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a suite has one way to fail")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gearmesh_tests::daemon::{Daemon, Plant};
use gearmesh_tests::faults::clock_library;
use gearmesh_tests::netns::{self, Network};
use gearmesh_tests::skip::skip;
use gearmesh_tests::wait::{paced, throughout, until};
use gearmesh_tests::world::dice::Dice;
use serde_json::Value;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

const HISTORIES: &str = "GEARMESH_HISTORIES";

/// How long each lease lasts, in whole seconds.
const TTL: u64 = 1;

/// How often a holder writes: longer than its lease lasts in all.
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// The arbiter's resource: given away 2 s after each start.
const CRANE: [&str; 2] = ["--resource", "crane,longest=2s"];

/// The nodes that want the crane, and their hosts; the press at `b` has it.
const HOLDERS: [(&str, &str); 2] = [("gateway-1", "a"), ("robot-1", "c")];

/// A token by the place of its life in the order of lives, and its number.
type Token = (usize, u64);

#[derive(Clone, Debug)]
enum Operation {
    Acquire,
    Write(Token),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Held(Token),
    Accepted,
    Refused,
}

/// One place, given to one after the other: whoever has the newest token may write, or nobody may.
#[derive(Clone, Debug, Default)]
struct Crane {
    newest: Token,
}

impl SequentialSpec for Crane {
    type Op = Operation;
    type Ret = Outcome;

    fn invoke(&mut self, _: &Operation) -> Outcome {
        Outcome::Refused
    }

    fn is_valid_step(&mut self, operation: &Operation, outcome: &Outcome) -> bool {
        match (operation, outcome) {
            (Operation::Acquire, Outcome::Held(token)) => {
                let is_newer = *token > self.newest;
                self.newest = self.newest.max(*token);
                is_newer
            }
            (Operation::Write(token), Outcome::Accepted) => *token == self.newest,
            (_, outcome) => *outcome == Outcome::Refused,
        }
    }
}

/// What was begun and ended, in the order in which that was seen.
#[derive(Default)]
struct Book {
    events: Vec<(usize, Result<Operation, Outcome>)>,
    lives: BTreeMap<String, usize>,
    callers: usize,
}

impl Book {
    fn token(&mut self, token: &Value) -> Token {
        let life = token["incarnation"].as_str().expect("a life").to_owned();
        let next = self.lives.len() + 1;
        let life = *self.lives.entry(life).or_insert(next);
        (life, token["number"].as_u64().expect("a number"))
    }

    /// Begins something, under a caller of its own: one that hears no answer does nothing more.
    fn begin(&mut self, operation: Operation) -> usize {
        self.callers += 1;
        self.events.push((self.callers, Ok(operation)));
        self.callers
    }

    /// How many operations there are, all of which could have been done one after the other.
    fn judge(&self) -> usize {
        let answered = |caller: &usize| {
            self.events.iter().any(|(other, event)| other == caller && event.is_err())
        };
        let mut tester = LinearizabilityTester::new(Crane::default());
        for (caller, event) in self.events.iter().filter(|(caller, _)| answered(caller)) {
            match event.clone() {
                Ok(operation) => tester.on_invoke(*caller, operation).expect("in order"),
                Err(outcome) => tester.on_return(*caller, outcome).expect("in order"),
            };
        }
        assert!(tester.is_consistent(), "not linearizable: {:#?}", self.events);
        tester.len()
    }
}

/// How far clocks jump.
const JUMPS: [&str; 4] = ["+1h", "-1h", "+10y", "-10y"];

/// Of each machine, what its clock is ahead.
fn shift(plant: &Plant, name: &str) -> PathBuf {
    plant.home(name).with_file_name(format!("{name}.shift"))
}

/// Puts a machine on its host, with a clock that can be shifted.
fn place(plant: &mut Plant, network: &Network, (name, host): (&str, &str), library: &str) {
    let shift = shift(plant, name);
    std::fs::write(&shift, "+0").expect("a file");
    let preload = format!("LD_PRELOAD={library}");
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", shift.display());
    let words = ["env", &preload, &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    network.place_behind(plant, name, host, &words);
}

/// A plant under faults.
struct Cell {
    nodes: BTreeMap<&'static str, Daemon>,
    _serving: Daemon,
    network: Network,
}

impl Cell {
    fn new(library: &str) -> (Plant, Self) {
        let network = Network::of(&["a", "b", "c"]);
        let mut plant = Plant::empty();
        place(&mut plant, &network, ("gateway-1", "a"), library);
        let _ =
            plant.gearmesh("gateway-1", &["init", "Test plant", "--node-name", "gateway-1"]).ok();
        let mut nodes = BTreeMap::from([("gateway-1", plant.up_with("gateway-1", &[]))]);
        for (machine, host, words) in [("press-1", "b", &CRANE[..]), ("robot-1", "c", &[])] {
            place(&mut plant, &network, (machine, host), library);
            plant.join(machine);
            nodes.insert(machine, plant.up_with(machine, words));
        }
        let folder = plant.home("press-1").with_file_name("");
        let script = folder.join("lift.sh");
        let lifted = folder.join("lifted");
        let text = format!("#!/bin/sh\necho \"$GEARMESH_TOKEN\" >> {}\n", lifted.display());
        std::fs::write(&script, text).expect("a script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("a mode");
        let script = script.display().to_string();
        let words = ["serve", "lift", "--exec", &script, "--resource", "crane"];
        let serving = plant.begin("press-1", &words);
        (plant, Self { nodes, _serving: serving, network })
    }

    /// Does something bad of one of five kinds, and mends it.
    fn strike(&mut self, plant: &Plant, kind: u64, dice: &mut Dice) -> String {
        let (name, host) = *dice.pick(&HOLDERS).expect("holders");
        match kind % 5 {
            0 => {
                self.restart(plant, "press-1", &CRANE);
                "kill -9 of the arbiter".to_owned()
            }
            1 => {
                self.restart(plant, name, &[]);
                format!("kill -9 of {name}")
            }
            2 => {
                let process = self.nodes[name].id().to_string();
                signal("-STOP", &process);
                watch(plant, Duration::from_secs(3 * TTL));
                signal("-CONT", &process);
                format!("SIGSTOP of {name}")
            }
            3 => {
                let machines = [name, "press-1"];
                let machine = *dice.pick(&machines).expect("machines");
                let jump = *dice.pick(&JUMPS).expect("jumps");
                std::fs::write(shift(plant, machine), jump).expect("a file");
                watch(plant, Duration::from_secs(2 * TTL));
                format!("the clock of {machine} jumps {jump}")
            }
            _ => {
                self.network.partition(host, "b");
                watch(plant, Duration::from_secs(2 * TTL) + dice.millis(0, 2000));
                self.network.heal();
                format!("a partition between {name} and the arbiter")
            }
        }
    }

    fn restart(&mut self, plant: &Plant, name: &'static str, words: &[&str]) {
        self.nodes.remove(name).expect("a node").kill();
        self.nodes.insert(name, plant.up_with(name, words));
    }
}

/// What was executed, by token as it was written down.
fn lifted(plant: &Plant) -> Vec<(String, u64)> {
    let file = plant.home("press-1").with_file_name("lifted");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let token = |line: &str| {
        let (life, number) = line.split_once(':')?;
        Some((life.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(token).collect()
}

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args([name, process]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A machine that gets the crane, lifts with it for longer than its lease lasts, and begins anew.
fn work(plant: &Plant, name: &str, book: &Mutex<Book>, over: &AtomicBool) {
    let ttl = format!("{TTL}s");
    let words = ["lease", "acquire", "crane", "--ttl", &ttl, "--wait", "5s", "--json"];
    while !over.load(Ordering::Relaxed) {
        let caller = lock(book).begin(Operation::Acquire);
        let said = plant.gearmesh(name, &words);
        let last =
            said.out.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let Some(event) = last.filter(|event| said.code == Some(0) && event["state"] == "held")
        else {
            continue;
        };
        let (shown, token) = {
            let mut book = lock(book);
            let token = book.token(&event["token"]);
            book.events.push((caller, Err(Outcome::Held(token))));
            (event["token"].clone(), token)
        };
        paced(6, WRITE_EVERY, |_| write(plant, name, book, (&shown, token)));
    }
}

fn write(plant: &Plant, name: &str, book: &Mutex<Book>, (shown, token): (&Value, Token)) {
    let caller = lock(book).begin(Operation::Write(token));
    let life = shown["incarnation"].as_str().expect("a life");
    let shown = format!("{life}:{}", shown["number"]);
    let words = ["call", "press-1", "lift", "--ttl", "3s", "--wait", "--json", "--token", &shown];
    let said = plant.gearmesh(name, &words);
    let last = said.out.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let outcome = match last.as_ref().and_then(|event| event["state"].as_str()) {
        Some("done") => Outcome::Accepted,
        Some("refused") => Outcome::Refused,
        _ => return,
    };
    lock(book).events.push((caller, Err(outcome)));
}

fn history(seed: u64, library: &str) {
    let mut dice = Dice::new(seed);
    let (plant, mut cell) = Cell::new(library);
    until("the robot knows the verb", || {
        let said = plant.gearmesh("robot-1", &["verbs", "press-1"]);
        said.out.contains("lift").then_some(())
    });
    let (book, over) = (Mutex::new(Book::default()), AtomicBool::new(false));
    let strikes = std::thread::scope(|scope| {
        for (name, _) in HOLDERS {
            let (plant, book, over) = (&plant, &book, &over);
            scope.spawn(move || work(plant, name, book, over));
        }
        let mut strikes = Vec::new();
        watch(&plant, Duration::from_secs(2));
        // Five histories in a row have each kind three times, three have each at least once.
        for kind in 3 * seed..3 * seed + 3 {
            strikes.push(cell.strike(&plant, kind, &mut dice));
            watch(&plant, Duration::from_secs(3));
        }
        over.store(true, Ordering::Relaxed);
        strikes
    });
    let lifted = lifted(&plant);
    no_token_comes_after_a_later_one(&lifted);
    let operations = lock(&book).judge();
    println!("seed {seed}: {strikes:?}, {operations} operations, {} executed", lifted.len());
    assert!(!lifted.is_empty(), "nothing was executed");
}

/// Looks for so long that nothing is executed under a token that is over.
fn watch(plant: &Plant, span: Duration) {
    throughout("tokens rise", span, || {
        no_token_comes_after_a_later_one(&lifted(plant));
        true
    });
}

fn no_token_comes_after_a_later_one(lifted: &[(String, u64)]) {
    let mut newest: Option<&(String, u64)> = None;
    let mut lives = Vec::new();
    for token in lifted {
        if newest.is_none_or(|newest| newest.0 != token.0) {
            assert!(!lives.contains(&&token.0), "a token of an earlier life: {lifted:?}");
            lives.push(&token.0);
        } else {
            assert!(newest.is_none_or(|newest| newest.1 <= token.1), "a stale token: {lifted:?}");
        }
        newest = Some(token);
    }
}

#[test]
fn what_is_executed_under_leases_is_a_linearizable_history() {
    if let Some(reason) = netns::missing() {
        return skip("what_is_executed_under_leases_is_a_linearizable_history", &reason);
    }
    let Some(library) = clock_library() else {
        let reason = "no library that shifts clocks: install faketime";
        return skip("what_is_executed_under_leases_is_a_linearizable_history", reason);
    };
    let histories = std::env::var(HISTORIES).ok().and_then(|text| text.parse().ok());
    (0..histories.unwrap_or(3)).for_each(|seed| history(seed, &library));
}
