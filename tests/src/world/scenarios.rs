//! What is simulated: who there is, what goes wrong, and what is done on purpose.

use std::time::Duration;

use super::Shape;
use super::faults::Faults;
use super::run::Scenario;

/// All of them.
pub const ALL: [Scenario; 11] = [
    JOIN, REVOKE, CUT_OFF, CRASHES, HOSTILE, EVERYTHING, DURABLE, RESTORED, COMMANDS, WORK, FORKED,
];

/// What goes wrong in most of them.
const ORDINARY: Faults = Faults {
    pause: 400,
    bad_writes: 3,
    slow_writes: 5,
    slow_frames: 10,
    crashes: 3,
    redeemer_crashes: 1,
    cuts: 3,
    mends: 4,
    breaks: 4,
    freezes: 1,
    clocks: 1,
    images: 0,
    rot: 0,
    short_of_room: 0,
    full: 1,
    revocations: 0,
    revocations_max: 0,
    programs_are_sound: false,
};

/// What goes wrong where nothing does. The pause has to be one: where there is none, nobody works.
const NONE: Faults = Faults {
    pause: 400,
    bad_writes: 0,
    slow_writes: 0,
    slow_frames: 0,
    crashes: 0,
    redeemer_crashes: 0,
    cuts: 0,
    mends: 0,
    breaks: 0,
    freezes: 0,
    clocks: 0,
    full: 0,
    programs_are_sound: true,
    ..ORDINARY
};

/// Machines join while everything shakes.
pub const JOIN: Scenario = Scenario {
    name: "join_under_chaos",
    shape: Shape {
        members: 2,
        joiners: 2,
        with_hostile: false,
        with_publishers: false,
        with_callers: false,
        with_offerers: false,
    },
    faults: ORDINARY,
    script: &[],
    trouble: Duration::from_secs(4),
};

/// A member is thrown out on the other side of a partition.
pub const REVOKE: Scenario = Scenario {
    name: "revocation_in_a_partition",
    shape: Shape {
        members: 4,
        joiners: 0,
        with_hostile: false,
        with_publishers: false,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults { pause: 0, ..ORDINARY },
    script: &[
        (Duration::from_millis(2500), |world| world.split(&[2, 3])),
        (Duration::from_millis(3000), |world| world.revoke(3)),
    ],
    trouble: Duration::from_millis(4500),
};

/// The redeemer crashes again and again.
pub const CRASHES: Scenario = Scenario {
    name: "registrar_crash_storms",
    shape: Shape {
        members: 2,
        joiners: 2,
        with_hostile: false,
        with_publishers: false,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults {
        pause: 300,
        crashes: 0,
        redeemer_crashes: 8,
        cuts: 0,
        mends: 0,
        breaks: 1,
        bad_writes: 10,
        slow_writes: 30,
        ..ORDINARY
    },
    script: &[],
    trouble: Duration::from_secs(4),
};

/// A member says what no honest one says.
pub const HOSTILE: Scenario = Scenario {
    name: "a_hostile_member",
    shape: Shape {
        members: 3,
        joiners: 1,
        with_hostile: true,
        with_publishers: true,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults { pause: 1000, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(4),
};

/// All of it.
pub const EVERYTHING: Scenario = Scenario {
    name: "everything_at_once",
    shape: Shape {
        members: 4,
        joiners: 2,
        with_hostile: true,
        with_publishers: true,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults {
        images: 2,
        rot: 2,
        short_of_room: 10,
        revocations: 1,
        revocations_max: 1,
        ..ORDINARY
    },
    script: &[],
    trouble: Duration::from_secs(4),
};

/// Durable values under all that, on disks that fill up and rot.
pub const DURABLE: Scenario = Scenario {
    name: "durable_under_chaos",
    shape: Shape {
        members: 4,
        joiners: 1,
        with_hostile: false,
        with_publishers: true,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults {
        bad_writes: 8,
        slow_writes: 15,
        crashes: 5,
        rot: 3,
        short_of_room: 20,
        full: 2,
        ..ORDINARY
    },
    script: &[],
    trouble: Duration::from_secs(8),
};

/// Durable values on disks that are put back to older images.
pub const RESTORED: Scenario = Scenario {
    name: "durable_with_restored_images",
    shape: Shape {
        members: 3,
        joiners: 0,
        with_hostile: false,
        with_publishers: true,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults { images: 3, short_of_room: 10, revocations: 1, revocations_max: 1, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(8),
};

/// The same so often that machines write beside what they wrote before, and somebody joins the branches.
pub const FORKED: Scenario = Scenario {
    name: "durable_with_forks",
    faults: Faults { images: 20, cuts: 6, crashes: 0, revocations: 0, ..RESTORED.faults },
    ..RESTORED
};

/// A redeemer ends with what others know of it, while it admits somebody on its side of a partition.
pub const CUT_OFF: Scenario = Scenario {
    name: "a_redeemer_is_cut_off",
    shape: Shape {
        members: 3,
        joiners: 1,
        with_hostile: false,
        with_publishers: false,
        with_callers: false,
        with_offerers: false,
    },
    faults: Faults { pause: 0, ..ORDINARY },
    script: &[
        (Duration::from_millis(250), |world| world.split(&[0, 3])),
        (Duration::from_millis(4500), |world| world.end_as_known_to(0, 1)),
    ],
    trouble: Duration::from_millis(6000),
};

/// Machines that ask each other to do things, and crash at every moment of it.
pub const COMMANDS: Scenario = Scenario {
    name: "commands_under_chaos",
    shape: Shape {
        members: 3,
        joiners: 0,
        with_hostile: false,
        with_publishers: false,
        with_callers: true,
        with_offerers: false,
    },
    faults: Faults { pause: 300, bad_writes: 6, slow_writes: 15, crashes: 8, full: 2, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(10),
};

/// Machines that hand work to each other, and crash at every moment of it.
pub const WORK: Scenario = Scenario {
    name: "work_under_chaos",
    shape: Shape {
        members: 3,
        joiners: 0,
        with_hostile: false,
        with_publishers: false,
        with_callers: false,
        with_offerers: true,
    },
    faults: Faults { pause: 300, bad_writes: 6, slow_writes: 15, crashes: 8, full: 2, ..ORDINARY },
    script: &[],
    trouble: Duration::from_secs(10),
};

/// Work that nothing disturbs; not among the others, since hardly anything happens.
pub const CALM_WORK: Scenario = Scenario { name: "work_without_trouble", faults: NONE, ..WORK };
