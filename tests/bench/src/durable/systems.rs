//! What stores, and what it is measured at.

use crate::results::Scenario;
use crate::systems::{Beside, System};

/// What the targets are for.
pub(super) const OURS: &str = "gearmesh";
/// What acknowledgements are compared with: of the two, the faster.
pub(super) const LOOPS: [&str; 2] = ["loop-growing", "loop-recycled"];
/// The peer with its strictest setting.
pub(super) const ALWAYS: &str = "jetstream-always";
/// The peer as it comes.
pub(super) const DEFAULT: &str = "jetstream";
/// What copies are compared with.
pub(super) const COPY: &str = "copy";
/// What starts are compared with.
pub(super) const READ: &str = "read";

/// Entries of the logs that are opened.
pub(super) const FEW: usize = 100_000;
pub(super) const MANY: usize = 1_000_000;

const PLAIN: System = System {
    name: "",
    title: "",
    package: "bench-plain",
    program: "bench-plain",
    mutual_tls: false,
    beside: Beside::Nothing,
};

const NATS: System = System {
    name: DEFAULT,
    title: "JetStream, default",
    package: "bench-nats",
    program: "bench-nats-durable",
    mutual_tls: true,
    beside: Beside::JetStream { is_synced: false },
};

/// All of them, in the order of even rounds.
pub(super) const SYSTEMS: &[System] = &[
    System {
        name: OURS,
        title: "gearmesh, embedded",
        package: "bench-gearmesh",
        program: "bench-gearmesh-durable",
        mutual_tls: false,
        beside: Beside::Plant,
    },
    System { name: LOOPS[0], title: "plain loop, growing file", ..PLAIN },
    System { name: LOOPS[1], title: "plain loop, recycled files", ..PLAIN },
    System {
        name: ALWAYS,
        title: "JetStream, `sync_interval: always`",
        beside: Beside::JetStream { is_synced: true },
        ..NATS
    },
    NATS,
    System { name: COPY, title: "plain copy, TLS 1.3", ..PLAIN },
    System { name: READ, title: "reading all files", ..PLAIN },
];

/// Everything that is measured in a round: acknowledgements by how many are in flight, copies by
/// the entries of a group, starts by the entries of the log.
pub(super) const RUNS: [(Scenario, usize); 8] = [
    (Scenario::Publish, 1),
    (Scenario::Publish, 16),
    (Scenario::Publish, 256),
    (Scenario::CatchUp, 256),
    (Scenario::CatchUp, 1),
    (Scenario::Open, 0),
    (Scenario::Open, FEW),
    (Scenario::Open, MANY),
];

/// Whether a system has something to do there. What a group is, and what a start without a log is,
/// only ours knows.
pub(super) fn takes_part(system: &str, (scenario, size): (Scenario, usize)) -> bool {
    match scenario {
        Scenario::Publish => ![COPY, READ].contains(&system),
        Scenario::CatchUp => system == OURS || (size > 1 && [COPY, DEFAULT].contains(&system)),
        Scenario::Open => system == OURS || (size > 0 && system == READ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT, OURS, RUNS, SYSTEMS, takes_part};

    #[test]
    fn everybody_has_something_to_do_and_ours_everything() {
        let runs_of = |name| RUNS.iter().filter(move |run| takes_part(name, **run)).count();
        assert!(SYSTEMS.iter().all(|system| runs_of(system.name) > 0));
        assert_eq!(runs_of(OURS), RUNS.len());
        assert_eq!(runs_of(DEFAULT), 4);
    }
}
