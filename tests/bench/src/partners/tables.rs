//! What was measured of sharing, as Markdown.

use std::fmt::Write as _;

use super::systems::{NATS, OURS, RUNS, SYSTEMS};
use crate::document::setting_of;
use crate::figures::{self, count, missing, section, shown};
use crate::results::{Results, Row, Scenario};

/// Everything, with what it means.
pub(super) fn all(results: &Results) -> String {
    let how = "values of 64 B; 4,000 for each partner of gearmesh, and as many as go in 1.5 s \
               through the others";
    let mut text = setting_of(results, "loopback", how);
    section(&mut text, "Shared", "through one gateway, server or broker; all partners together");
    shared(&mut text, results);
    text.push_str(
        "\nCPU and bytes are those of the gateway, server or broker that gives, for each value and partner; bytes \
         are those that it sent, TLS included and TCP's headers not. What gearmesh shares is signed, in a log of each \
         partner on the disk of both sides, and counted by both; a partner lets 10,000 values in at once and 1,000 a \
         second after that, whatever the other side sends. What NATS and Mosquitto pass on is in memory alone. *Arrived* \
         is what came of what was published: gearmesh's own queue keeps the newest of each topic, and what it passes on \
         comes in any case.\n",
    );
    section(&mut text, "The end", "from `gearmesh end` to the last value that the partner got; ms");
    row(
        &mut text,
        results,
        Scenario::Ended,
        &[("the command came back", "end_ms"), ("last value", "last_ms")],
    );
    section(
        &mut text,
        "Catching up",
        "a partner that was away, from the first value that it counts until it has all",
    );
    row(
        &mut text,
        results,
        Scenario::Away,
        &[("values per second", "per_second"), ("from its start until it has all, ms", "all_ms")],
    );
    text.push_str("\nA leaf node and a bridge at QoS 0 get nothing of what was published while they were away.\n");
    missing(&mut text, results);
    text.trim_end().to_owned() + "\n"
}

fn shared(text: &mut String, results: &Results) {
    text.push_str("| system | partners | values/s | to NATS | CPU, µs | bytes | arrived |\n");
    text.push_str("|---|---|---|---|---|---|---|\n");
    for (_, size) in RUNS.into_iter().filter(|(it, _)| *it == Scenario::Shared) {
        for system in SYSTEMS {
            let row = Row { system: system.name, scenario: Scenario::Shared, size };
            let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
            let Some(rate) = results.spread(row, "per_second") else { continue };
            let _ = writeln!(
                text,
                "| {} | {size} | {} | {} | {:.1} | {:.0} | {:.1} % |",
                system.title,
                shown(rate, count),
                figures::ratio(results, row, NATS, "per_second"),
                median("cpu_us"),
                median("bytes"),
                100.0 * median("shared"),
            );
        }
    }
}

fn row(text: &mut String, results: &Results, scenario: Scenario, figures: &[(&str, &str)]) {
    let heads: Vec<&str> = figures.iter().map(|(head, _)| *head).collect();
    let _ =
        writeln!(text, "| system | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    let row = Row { system: OURS, scenario, size: 1 };
    let cells: Vec<String> = figures
        .iter()
        .filter_map(|(_, figure)| results.spread(row, figure))
        .map(|spread| shown(spread, |value| format!("{value:.0}")))
        .collect();
    if !cells.is_empty() {
        let _ = writeln!(text, "| gearmesh, agreements | {} |", cells.join(" | "));
    }
}
