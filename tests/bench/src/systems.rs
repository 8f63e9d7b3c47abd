//! What is measured: gearmesh, and those beside it.

/// What a system needs besides the programs that play the roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing: the programs talk to each other.
    Nothing,
    /// A NATS server.
    Nats,
    /// The same with streams in files, each write of which is synced or left to the system.
    JetStream { is_synced: bool },
    /// An MQTT broker.
    Mosquitto,
    /// One etcd server.
    Etcd,
    /// A plant whose members the programs are.
    Plant,
    /// A plant, and a node for each program to talk to.
    Nodes,
}

/// One system in one configuration.
#[derive(Debug)]
pub(crate) struct System {
    /// As it is called on the command line and in the results.
    pub(crate) name: &'static str,
    /// As it is called in tables and plots.
    pub(crate) title: &'static str,
    /// The crate that holds its programs.
    pub(crate) package: &'static str,
    /// The program that plays the roles.
    pub(crate) program: &'static str,
    /// Whether programs and servers show each other certificates.
    pub(crate) mutual_tls: bool,
    pub(crate) beside: Beside,
}

/// What all others are compared with.
pub(crate) const REFERENCE: &str = "zenoh-mtls";
/// What the targets are for.
pub(crate) const OURS: &str = "gearmesh";

/// All of them, in the order of even rounds.
pub(crate) const SYSTEMS: &[System] = &[
    System {
        name: REFERENCE,
        title: "zenoh, mTLS",
        package: "bench-zenoh",
        program: "bench-zenoh",
        mutual_tls: true,
        beside: Beside::Nothing,
    },
    System {
        name: OURS,
        title: "gearmesh, embedded",
        package: "bench-gearmesh",
        program: "bench-gearmesh",
        mutual_tls: false,
        beside: Beside::Plant,
    },
    System {
        name: "gearmesh-local",
        title: "gearmesh, local API",
        package: "bench-gearmesh",
        program: "bench-gearmesh-local",
        mutual_tls: false,
        beside: Beside::Nodes,
    },
    System {
        name: "zenoh-plain",
        title: "zenoh, plain",
        package: "bench-zenoh",
        program: "bench-zenoh",
        mutual_tls: false,
        beside: Beside::Nothing,
    },
    System {
        name: "iroh",
        title: "iroh, stream",
        package: "bench-iroh",
        program: "bench-iroh",
        mutual_tls: false,
        beside: Beside::Nothing,
    },
    System {
        name: "nats",
        title: "NATS, mTLS",
        package: "bench-nats",
        program: "bench-nats",
        mutual_tls: true,
        beside: Beside::Nats,
    },
    System {
        name: "mosquitto",
        title: "Mosquitto, mTLS, QoS 0",
        package: "bench-mqtt",
        program: "bench-mqtt",
        mutual_tls: true,
        beside: Beside::Mosquitto,
    },
];

/// Who takes part in one run. Odd rounds go backwards, so that nobody always comes after the same.
pub(crate) fn in_round<'a>(systems: &[&'a System], round: usize) -> Vec<&'a System> {
    let mut order = systems.to_vec();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{OURS, REFERENCE, SYSTEMS, in_round};

    #[test]
    fn odd_rounds_go_backwards() {
        let all: Vec<_> = SYSTEMS.iter().collect();
        let names = |round| in_round(&all, round).iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(0), names(2));
        assert!(names(0).iter().eq(names(1).iter().rev()));
    }

    #[test]
    fn names_are_unique_and_known() {
        let mut names: Vec<_> = SYSTEMS.iter().map(|system| system.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SYSTEMS.len());
        assert!(names.contains(&OURS) && names.contains(&REFERENCE));
    }
}
