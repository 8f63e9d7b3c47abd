//! What storing is to reach, in the same run as what it is compared with.

use super::systems::{ALWAYS, COPY, DEFAULT, FEW, LOOPS, MANY, READ};
use crate::results::Scenario;
use crate::targets::{Aim, By, Target};

const ACKS: Target = Target {
    what: "",
    scenario: Scenario::Publish,
    size: 1,
    figure: "per_second",
    by: By::BestOf(&LOOPS),
    aim: Aim::AtLeast(0.75),
};

const COPIES: Target = Target {
    what: "catch-up, 256 entries in a group, to a plain copy",
    scenario: Scenario::CatchUp,
    size: 256,
    by: By::BestOf(&[COPY]),
    aim: Aim::AtLeast(0.5),
    ..ACKS
};

pub(super) const TARGETS: &[Target] = &[
    Target { what: "acks per second, 1 in flight, to the better plain loop", ..ACKS },
    Target {
        what: "acks per second, 16 in flight, to the better plain loop",
        size: 16,
        aim: Aim::AtLeast(0.8),
        ..ACKS
    },
    Target {
        what: "acks per second, 256 in flight, to the better plain loop",
        size: 256,
        aim: Aim::AtLeast(0.5),
        ..ACKS
    },
    Target {
        what: "acks per second, 1 in flight, to JetStream always synced",
        by: By::BestOf(&[ALWAYS]),
        aim: Aim::AtLeast(1.5),
        ..ACKS
    },
    Target {
        what: "acks per second, 256 in flight, to JetStream always synced",
        size: 256,
        by: By::BestOf(&[ALWAYS]),
        aim: Aim::AtLeast(20.0),
        ..ACKS
    },
    Target {
        what: "bytes written per byte of payload, 256 in flight",
        size: 256,
        figure: "given",
        by: By::Itself(1.0, ""),
        aim: Aim::AtMost(1.3),
        ..ACKS
    },
    COPIES,
    Target {
        what: "catch-up, 256 entries in a group, to JetStream's replay",
        by: By::BestOf(&[DEFAULT]),
        aim: Aim::AtLeast(1.0),
        ..COPIES
    },
    Target {
        what: "start with 1 M entries, to reading the files",
        scenario: Scenario::Open,
        size: MANY,
        figure: "ms",
        by: By::BestOf(&[READ]),
        aim: Aim::AtMost(1.5),
    },
    Target {
        what: "resident with 1 M entries, to 100 k",
        scenario: Scenario::Open,
        size: MANY,
        figure: "kib",
        by: By::Size(FEW),
        aim: Aim::AtMost(1.1),
    },
];
