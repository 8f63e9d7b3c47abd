//! The results as Markdown tables; the same text goes to the terminal and into the document.

use std::fmt::Write as _;

use crate::figures::{self, count, missing, section, shown};
use crate::measure::{FAN_OUT, IDLE_MEMBERS};
use crate::results::{Results, Row, Scenario};
use crate::systems::{OURS, REFERENCE, SYSTEMS, System};
use crate::targets::{TARGETS, verdicts};

/// Sizes of payloads, in bytes, and how they are called.
pub(crate) const SIZES: [(usize, &str); 3] = [(64, "64 B"), (1024, "1 KiB"), (65_536, "64 KiB")];

/// All tables, with what they mean.
pub(crate) fn all(results: &Results) -> String {
    let mut text = String::new();
    let verdicts = verdicts(TARGETS, OURS, results);
    figures::verdicts(&mut text, "against zenoh with mTLS", &verdicts);
    section(&mut text, "Round trip, application to application", "one at a time; µs");
    round_trips(&mut text, results);
    section(&mut text, "Messages per second, one subscriber", "`publish` for each message");
    throughput(&mut text, results, Scenario::Throughput);
    let title = format!("Messages per second, {FAN_OUT} subscribers");
    section(&mut text, &title, "deliveries, added up over the subscribers");
    throughput(&mut text, results, Scenario::FanOut);
    let title = format!("Idle, {IDLE_MEMBERS} subscribers connected");
    section(&mut text, &title, "resident memory, and CPU in % of a core");
    idle(&mut text, results);
    missing(&mut text, results);
    text.trim_end().to_owned() + "\n"
}

/// The systems that were measured at all, ours and the reference first.
pub(crate) fn measured(results: &Results) -> impl Iterator<Item = &'static System> {
    SYSTEMS
        .iter()
        .filter(|system| results.samples.iter().any(|sample| sample.system == system.name))
}

fn round_trips(text: &mut String, results: &Results) {
    text.push_str("| system | size | p50 | to zenoh, mTLS | p99 | p99.9 | CPU per trip |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for (size, name) in SIZES {
        for system in measured(results) {
            let row = Row { system: system.name, scenario: Scenario::RoundTrip, size };
            let Some(p50) = results.spread(row, "p50_us") else { continue };
            let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
            let _ = writeln!(
                text,
                "| {} | {name} | {} | {} | {:.0} | {:.0} | {:.1} |",
                system.title,
                shown(p50, |value| format!("{value:.0}")),
                ratio(results, row, "p50_us"),
                median("p99_us"),
                median("p999_us"),
                median("cpu_us"),
            );
        }
    }
}

fn throughput(text: &mut String, results: &Results, scenario: Scenario) {
    text.push_str("| system | size | per second | to zenoh, mTLS | MB/s | CPU, µs per message ");
    text.push_str("| to zenoh, mTLS | lost | out of order | peak MiB, pub / sub / beside |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
    for (size, name) in SIZES {
        for system in measured(results) {
            let row = Row { system: system.name, scenario, size };
            let Some(per_second) = results.spread(row, "per_second") else { continue };
            let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
            let mib = |figure| format!("{:.0}", median(figure) / 1024.0);
            let _ = writeln!(
                text,
                "| {} | {name} | {} | {} | {:.0} | {:.2} | {} | {} | {} | {} / {} / {} |",
                system.title,
                shown(per_second, count),
                ratio(results, row, "per_second"),
                median("mb_per_second"),
                median("cpu_us"),
                ratio(results, row, "cpu_us"),
                losses(results, row),
                results.total(row, "disordered"),
                mib("peak_kib_pub"),
                mib("peak_kib_sub"),
                mib("peak_kib_beside"),
            );
        }
    }
}

fn idle(text: &mut String, results: &Results) {
    text.push_str("| system | hub, MiB | subscriber, MiB | beside, MiB ");
    text.push_str("| hub, CPU | subscriber, CPU | beside, CPU |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for system in measured(results) {
        let row = Row { system: system.name, scenario: Scenario::Idle, size: 0 };
        let Some(hub) = results.spread(row, "kib_hub") else { continue };
        let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
        let mib = |value: f64| format!("{:.1}", value / 1024.0);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.3} | {:.3} | {:.3} |",
            system.title,
            shown(hub, mib),
            mib(median("kib_member")),
            mib(median("kib_beside")),
            median("cpu_percent_hub"),
            median("cpu_percent_member"),
            median("cpu_percent_beside"),
        );
    }
}

/// What was lost over all rounds, of what should have arrived.
fn losses(results: &Results, row: Row<'_>) -> String {
    let subscribers = if row.scenario == Scenario::FanOut { FAN_OUT } else { 1 };
    let due = results.total(row, "sent") * subscribers as f64;
    match results.total(row, "lost") {
        0.0 => "0".to_owned(),
        lost => format!("**{lost}** ({:.2} %)", lost / due.max(1.0) * 100.0),
    }
}

fn ratio(results: &Results, row: Row<'_>, figure: &str) -> String {
    figures::ratio(results, row, REFERENCE, figure)
}
