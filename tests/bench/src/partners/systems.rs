//! Who gives to partners, and what is measured of it.

use crate::results::Scenario;
use crate::systems::{Beside, System};

/// Whose sharing it is about.
pub(super) const OURS: &str = "gearmesh";
/// The same with one stream that all receive, and pass on to each other.
pub(super) const FAN_OUT: &str = "gearmesh-fan-out";
/// What it is compared with.
pub(super) const NATS: &str = "nats-leaf";
/// The other one.
pub(super) const MOSQUITTO: &str = "mosquitto-bridge";

/// All of them, in the order of even rounds.
pub(super) const SYSTEMS: &[System] = &[
    System {
        name: NATS,
        title: "NATS, leaf nodes, mTLS",
        package: "bench-nats",
        program: "bench-nats",
        mutual_tls: true,
        beside: Beside::Nats,
    },
    System {
        name: OURS,
        title: "gearmesh, agreements",
        package: "bench-gearmesh",
        program: "bench-gearmesh-partners",
        mutual_tls: false,
        beside: Beside::Plant,
    },
    System {
        name: FAN_OUT,
        title: "gearmesh, one stream",
        package: "bench-gearmesh",
        program: "bench-gearmesh-partners",
        mutual_tls: false,
        beside: Beside::Plant,
    },
    System {
        name: MOSQUITTO,
        title: "Mosquitto, bridges, mTLS, QoS 0",
        package: "bench-mqtt",
        program: "bench-mqtt",
        mutual_tls: true,
        beside: Beside::Mosquitto,
    },
];

/// Everything that is measured in a round; the number is how many partners there are.
pub(super) const RUNS: [(Scenario, usize); 5] = [
    (Scenario::Shared, 1),
    (Scenario::Shared, 10),
    (Scenario::Shared, 50),
    (Scenario::Ended, 1),
    (Scenario::Away, 1),
];

/// Whether a system has something to do there.
pub(super) fn takes_part(system: &str, (scenario, partners): (Scenario, usize)) -> bool {
    match system {
        OURS => true,
        FAN_OUT => (scenario, partners) == (Scenario::Shared, 10),
        _ => scenario == Scenario::Shared,
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
