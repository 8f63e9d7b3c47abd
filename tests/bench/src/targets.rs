//! What gearmesh is to reach, in the same run as what it is compared with.

use crate::results::{Results, Row, Scenario};
use crate::systems::{OURS, REFERENCE};

/// Which side of the bound is good.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

/// One target.
struct Target {
    what: &'static str,
    scenario: Scenario,
    size: usize,
    figure: &'static str,
    /// A ratio to the reference, or a figure of its own.
    ratio: bool,
    aim: Aim,
    /// What a figure of its own is divided by to be in the unit of the aim.
    unit: (f64, &'static str),
}

const PLAIN: Target = Target {
    what: "",
    scenario: Scenario::Throughput,
    size: 64,
    figure: "per_second",
    ratio: true,
    aim: Aim::AtLeast(1.0),
    unit: (1.0, "x"),
};

const TARGETS: &[Target] = &[
    Target {
        what: "round trip, 64 B, p50",
        scenario: Scenario::RoundTrip,
        figure: "p50_us",
        aim: Aim::AtMost(0.75),
        ..PLAIN
    },
    Target { what: "messages per second, 64 B", aim: Aim::AtLeast(2.0), ..PLAIN },
    Target { what: "messages per second, 1 KiB", size: 1024, aim: Aim::AtLeast(1.2), ..PLAIN },
    Target { what: "messages per second, 64 KiB", size: 65_536, aim: Aim::AtLeast(1.2), ..PLAIN },
    Target { what: "CPU per message, 64 B", figure: "cpu_us", aim: Aim::AtMost(1.0), ..PLAIN },
    Target {
        what: "CPU per message, 1 KiB",
        size: 1024,
        figure: "cpu_us",
        aim: Aim::AtMost(1.0),
        ..PLAIN
    },
    Target {
        what: "CPU per message, 64 KiB",
        size: 65_536,
        figure: "cpu_us",
        aim: Aim::AtMost(1.0),
        ..PLAIN
    },
    Target {
        what: "resident, idle, 10 other members",
        scenario: Scenario::Idle,
        size: 0,
        figure: "kib_hub",
        ratio: false,
        aim: Aim::AtMost(20.0),
        unit: (1024.0, " MiB"),
    },
    Target {
        what: "CPU, idle, 10 other members",
        scenario: Scenario::Idle,
        size: 0,
        figure: "cpu_percent_hub",
        ratio: false,
        aim: Aim::AtMost(0.2),
        unit: (1.0, " % of a core"),
    },
];

/// What became of a target.
#[derive(Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) aim: String,
    pub(crate) measured: String,
    /// `None` if it was not measured.
    pub(crate) met: Option<bool>,
}

/// All targets.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    TARGETS.iter().map(|target| verdict(target, results)).collect()
}

fn verdict(target: &Target, results: &Results) -> Verdict {
    let median = |system| {
        let row = Row { system, scenario: target.scenario, size: target.size };
        results.spread(row, target.figure).map(|spread| spread.median)
    };
    let own = median(OURS);
    let value = if target.ratio {
        own.zip(median(REFERENCE)).map(|(own, other)| own / other)
    } else {
        own.map(|own| own / target.unit.0)
    };
    let unit = target.unit.1;
    let (words, bound) = match target.aim {
        Aim::AtMost(bound) => ("at most", bound),
        Aim::AtLeast(bound) => ("at least", bound),
    };
    Verdict {
        what: target.what,
        aim: format!("{words} {bound}{unit}"),
        measured: value.map_or("not measured".to_owned(), |value| format!("{value:.2}{unit}")),
        met: value.map(|value| match target.aim {
            Aim::AtMost(bound) => value <= bound,
            Aim::AtLeast(bound) => value >= bound,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::verdicts;
    use crate::results::{Figures, Results, Sample, Scenario};
    use crate::systems::{OURS, REFERENCE};

    #[test]
    fn a_target_is_met_missed_or_not_measured() {
        let mut results = Results::default();
        for (system, per_second, cpu_us) in [(OURS, 4.0, 3.0), (REFERENCE, 2.0, 2.0)] {
            results.samples.push(Sample {
                system: system.to_owned(),
                scenario: Scenario::Throughput,
                size: 64,
                round: 0,
                figures: Figures::from([("per_second", per_second), ("cpu_us", cpu_us)]),
                failure: None,
            });
        }
        let verdicts = verdicts(&results);
        let of = |what: &str| verdicts.iter().find(|verdict| verdict.what == what).unwrap();
        assert_eq!(of("messages per second, 64 B").met, Some(true));
        assert_eq!(of("messages per second, 64 B").measured, "2.00x");
        assert_eq!(of("CPU per message, 64 B").met, Some(false));
        assert_eq!(of("round trip, 64 B, p50").met, None);
    }
}
