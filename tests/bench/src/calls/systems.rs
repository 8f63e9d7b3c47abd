//! Who is asked, and for what.

use crate::results::Scenario;
use crate::systems::{Beside, System};

/// What the targets are for.
pub(super) const OURS: &str = "gearmesh";
/// What queries are compared with.
pub(super) const ZENOH: &str = "zenoh-mtls";
/// Another one that answers queries.
const NATS: &str = "nats";
/// What commands and leases are compared with.
pub(super) const ETCD: &str = "etcd";
/// What one sync of the disk takes.
pub(super) const SYNC: &str = "sync";

const PLAIN: System = System {
    name: SYNC,
    title: "one append and `fdatasync`, nobody asked",
    package: "bench-plain",
    program: "bench-plain",
    mutual_tls: false,
    beside: Beside::Nothing,
};

/// All of them, in the order of even rounds.
pub(super) const SYSTEMS: &[System] = &[
    System {
        name: ZENOH,
        title: "zenoh, mTLS",
        package: "bench-zenoh",
        program: "bench-zenoh-calls",
        mutual_tls: true,
        ..PLAIN
    },
    System {
        name: OURS,
        title: "gearmesh, embedded",
        package: "bench-gearmesh",
        program: "bench-gearmesh-calls",
        beside: Beside::Plant,
        ..PLAIN
    },
    System {
        name: NATS,
        title: "NATS, mTLS",
        package: "bench-nats",
        program: "bench-nats-calls",
        mutual_tls: true,
        beside: Beside::Nats,
    },
    System {
        name: ETCD,
        title: "etcd, mTLS, one server",
        package: "bench-etcd",
        program: "bench-etcd",
        mutual_tls: true,
        beside: Beside::Etcd,
    },
    PLAIN,
];

/// Everything that is measured in a round; the number is how many are in flight.
pub(super) const RUNS: [(Scenario, usize); 8] = [
    (Scenario::Query, 1),
    (Scenario::Query, 16),
    (Scenario::Query, 256),
    (Scenario::Command, 1),
    (Scenario::Command, 16),
    (Scenario::Command, 256),
    (Scenario::Lease, 1),
    (Scenario::HandOver, 1),
];

/// Whether a system has something to do there.
pub(super) fn takes_part(system: &str, (scenario, in_flight): (Scenario, usize)) -> bool {
    match scenario {
        Scenario::Query => [OURS, ZENOH, NATS].contains(&system),
        Scenario::Command => [OURS, ETCD].contains(&system) || (in_flight == 1 && system == SYNC),
        Scenario::Lease | Scenario::HandOver => [OURS, ETCD].contains(&system),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{OURS, RUNS, SYSTEMS, takes_part};

    #[test]
    fn everybody_has_something_to_do_and_ours_everything() {
        let runs_of = |name| RUNS.iter().filter(move |run| takes_part(name, **run)).count();
        assert!(SYSTEMS.iter().all(|system| runs_of(system.name) > 0));
        assert_eq!(runs_of(OURS), RUNS.len());
    }
}
