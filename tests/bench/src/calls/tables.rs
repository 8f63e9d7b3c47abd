//! What was measured of asking, as Markdown.

use std::fmt::Write as _;

use super::systems::{ETCD, OURS, RUNS, SYSTEMS, ZENOH};
use super::targets::TARGETS;
use crate::document::setting_of;
use crate::figures::{self, count, missing, section, shown};
use crate::results::{Results, Row, Scenario};
use crate::targets::verdicts;

/// Everything, with what it means.
pub(super) fn all(results: &Results) -> String {
    let how = format!("64 B there and back, {} s after a warm-up", results.setting.seconds);
    let mut text = setting_of(results, "loopback", &how);
    text.push('\n');
    figures::verdicts(&mut text, "what is asked", &verdicts(TARGETS, OURS, results));
    section(&mut text, "Queries", "from the question to its answer; µs");
    rows(&mut text, results, Scenario::Query, ("per_second", "to zenoh", ZENOH));
    section(&mut text, "What is done at most once", "until the outcome is known; µs");
    rows(&mut text, results, Scenario::Command, ("per_second", "to etcd", ETCD));
    text.push_str(
        "\nA command of gearmesh is signed, checked against its caller's grants, executed by a program at the \
         machine, and on two disks: twice at the machine (that it was begun, and what became of it), for which it \
         waits, and twice at its caller, for which it does not. A transaction of etcd puts a key that is not there into one server's store; nothing is executed.\n",
    );
    section(&mut text, "A lease acquired and released", "nobody else wants it; µs");
    rows(&mut text, results, Scenario::Lease, ("per_second", "to etcd", ETCD));
    section(&mut text, "A lease handed over", "from the release to the grant of who waits; µs");
    rows(&mut text, results, Scenario::HandOver, ("p50_us", "to etcd", ETCD));
    text.push_str(
        "\nBoth who take turns are in one program: two wishes of one node, two sessions of one etcd client. Who holds it \
         keeps it for 250 ms, so that etcd has taken up who waits; so how many there are in a second says nothing.\n",
    );
    missing(&mut text, results);
    text.trim_end().to_owned() + "\n"
}

/// The rows of a scenario. They are held against one system by one figure.
fn rows(
    text: &mut String,
    results: &Results,
    scenario: Scenario,
    (by, head, to): (&str, &str, &str),
) {
    let _ = writeln!(text, "| system | in flight | p50 | p99 | per second | {head} |");
    text.push_str("|---|---|---|---|---|---|\n");
    for (_, in_flight) in RUNS.into_iter().filter(|(it, _)| *it == scenario) {
        for system in SYSTEMS {
            let row = Row { system: system.name, scenario, size: in_flight };
            let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
            let Some(p50) = results.spread(row, "p50_us") else { continue };
            let per_second = match scenario {
                Scenario::HandOver => String::new(),
                _ => count(median("per_second")),
            };
            let _ = writeln!(
                text,
                "| {} | {in_flight} | {} | {:.0} | {per_second} | {} |",
                system.title,
                shown(p50, |value| format!("{value:.0}")),
                median("p99_us"),
                figures::ratio(results, row, to, by),
            );
        }
    }
}
