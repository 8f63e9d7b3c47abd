//! What gearmesh is to reach, in the same run as what it is compared with.

use crate::results::{Results, Row, Scenario};
use crate::systems::REFERENCE;

/// Which side of the bound is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

/// What a figure is judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// Itself, divided by this to be in this unit.
    Itself(f64, &'static str),
    /// How many times that of these systems it is: of the one that does best.
    BestOf(&'static [&'static str]),
    /// How many times that at another size it is.
    Size(usize),
}

/// One target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) what: &'static str,
    pub(crate) scenario: Scenario,
    pub(crate) size: usize,
    pub(crate) figure: &'static str,
    pub(crate) by: By,
    pub(crate) aim: Aim,
}

const PLAIN: Target = Target {
    what: "",
    scenario: Scenario::Throughput,
    size: 64,
    figure: "per_second",
    by: By::BestOf(&[REFERENCE]),
    aim: Aim::AtLeast(1.0),
};

/// Those of links.
pub(crate) const TARGETS: &[Target] = &[
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
        by: By::Itself(1024.0, " MiB"),
        aim: Aim::AtMost(20.0),
    },
    Target {
        what: "CPU, idle, 10 other members",
        scenario: Scenario::Idle,
        size: 0,
        figure: "cpu_percent_hub",
        by: By::Itself(1.0, " % of a core"),
        aim: Aim::AtMost(0.2),
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

/// What became of these targets for a system.
pub(crate) fn verdicts(targets: &[Target], system: &str, results: &Results) -> Vec<Verdict> {
    targets.iter().map(|target| verdict(target, system, results)).collect()
}

fn verdict(target: &Target, system: &str, results: &Results) -> Verdict {
    let median = |system, size| {
        let row = Row { system, scenario: target.scenario, size };
        results.spread(row, target.figure).map(|spread| spread.median)
    };
    let (words, bound, best): (_, _, fn(f64, f64) -> f64) = match target.aim {
        Aim::AtMost(bound) => ("at most", bound, f64::min),
        Aim::AtLeast(bound) => ("at least", bound, f64::max),
    };
    let (against, unit) = match target.by {
        By::Itself(divisor, unit) => (Some(divisor), unit),
        By::Size(size) => (median(system, size), "x"),
        // One that was not measured may have been the best.
        By::BestOf(systems) => {
            let all: Option<Vec<f64>> =
                systems.iter().map(|other| median(other, target.size)).collect();
            (all.and_then(|all| all.into_iter().reduce(best)), "x")
        }
    };
    let own = median(system, target.size);
    let value = own.zip(against).map(|(own, against)| own / against);
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
    use super::{Aim, By, PLAIN, TARGETS, Target, verdicts};
    use crate::results::{Figures, Results, Sample, Scenario};
    use crate::systems::{OURS, REFERENCE};

    fn results(of: &[(&str, usize, f64, f64)]) -> Results {
        let sample = |(system, size, per_second, cpu_us): &(&str, usize, f64, f64)| Sample {
            system: (*system).to_owned(),
            scenario: Scenario::Throughput,
            size: *size,
            round: 0,
            figures: Figures::from([("per_second", *per_second), ("cpu_us", *cpu_us)]),
            failure: None,
        };
        Results { samples: of.iter().map(sample).collect(), ..Results::default() }
    }

    #[test]
    fn a_target_is_met_missed_or_not_measured() {
        let results = results(&[(OURS, 64, 4.0, 3.0), (REFERENCE, 64, 2.0, 2.0)]);
        let verdicts = verdicts(TARGETS, OURS, &results);
        let of = |what: &str| verdicts.iter().find(|verdict| verdict.what == what).unwrap();
        assert_eq!(of("messages per second, 64 B").met, Some(true));
        assert_eq!(of("messages per second, 64 B").measured, "2.00x");
        assert_eq!(of("CPU per message, 64 B").met, Some(false));
        assert_eq!(of("round trip, 64 B, p50").met, None);
    }

    #[test]
    fn the_best_of_several_is_what_counts() {
        let results = results(&[
            (OURS, 64, 4.0, 4.0),
            (OURS, 65, 8.0, 4.0),
            ("a", 64, 8.0, 2.0),
            ("b", 64, 4.0, 1.0),
        ]);
        let measured = |target| verdicts(&[target], OURS, &results).remove(0).measured;
        let both = Target { by: By::BestOf(&["a", "b"]), ..PLAIN };
        assert_eq!(measured(both), "0.50x");
        assert_eq!(measured(Target { figure: "cpu_us", aim: Aim::AtMost(1.0), ..both }), "4.00x");
        assert_eq!(measured(Target { by: By::BestOf(&["a", "c"]), ..PLAIN }), "not measured");
        assert_eq!(measured(Target { by: By::Size(65), ..PLAIN }), "0.50x");
    }
}
