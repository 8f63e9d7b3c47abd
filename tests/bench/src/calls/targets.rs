//! What asking is to reach, in the same run as what it is compared with.

use super::systems::{ETCD, ZENOH};
use crate::results::Scenario;
use crate::targets::{Aim, By, Target};

const QUERY: Target = Target {
    what: "query, one in flight, p50, to zenoh's queryables",
    scenario: Scenario::Query,
    size: 1,
    figure: "p50_us",
    by: By::BestOf(&[ZENOH]),
    aim: Aim::AtMost(0.8),
};

const COMMANDS: Target = Target {
    what: "commands per second, 1 in flight, to etcd's transactions",
    scenario: Scenario::Command,
    figure: "per_second",
    by: By::BestOf(&[ETCD]),
    aim: Aim::AtLeast(2.0),
    ..QUERY
};

pub(super) const TARGETS: &[Target] = &[
    QUERY,
    COMMANDS,
    Target {
        what: "commands per second, 16 in flight, to etcd's transactions",
        size: 16,
        ..COMMANDS
    },
    Target {
        what: "a lease handed over, p50, to etcd's lock",
        scenario: Scenario::HandOver,
        figure: "p50_us",
        aim: Aim::AtMost(0.5),
        ..COMMANDS
    },
];
