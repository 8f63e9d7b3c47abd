//! What was measured of storing, as Markdown.

use std::fmt::Write as _;

use super::systems::{ALWAYS, COPY, LOOPS, OURS, READ, RUNS, SYSTEMS};
use super::targets::TARGETS;
use crate::document::setting_of;
use crate::figures::{self, count, missing, section, shown};
use crate::results::{Results, Row, Scenario};
use crate::systems::System;
use crate::targets::verdicts;

/// Everything, with what it means.
pub(super) fn all(results: &Results) -> String {
    let setting = &results.setting;
    let how = format!("entries of 256 B, {} s of load after a warm-up", setting.seconds);
    let mut text = setting_of(results, &setting.disk, &how);
    text.push('\n');
    figures::verdicts(&mut text, "what is stored", &verdicts(TARGETS, OURS, results));
    section(&mut text, "Acknowledged when on the disk", "256 B of payload; µs");
    publishes(&mut text, results);
    text.push_str(
        "\nWritten: what the process that stores gave to `write`, and pages due for the disk, per \
         byte of payload. A page counts anew after each sync, so that small commits rewrite their \
         last one; the system counts the whole folio that a page is in, and prepared room lies in large \
         ones, of which the disk gets the changed blocks only. The JetStream server also writes its answers, so its first figure is too high. \
         Nobody is linked with the gearmesh node, and JetStream is used without TLS.\n",
    );
    section(&mut text, "Catching up", "from being connected until the copy is whole");
    copies(&mut text, results);
    text.push_str(
        "\nA copy of gearmesh and a plain one are whole when they are on the other disk; what \
         JetStream replays to its ordered consumer, over mTLS, is not stored there.\n",
    );
    section(&mut text, "Starting", "all files in the page cache; ms");
    starts(&mut text, results);
    missing(&mut text, results);
    text.trim_end().to_owned() + "\n"
}

/// The rows of a scenario that were measured.
fn rows<'a>(
    results: &'a Results,
    wanted: Scenario,
    figure: &'a str,
) -> impl Iterator<Item = (&'static System, Row<'static>, crate::results::Spread)> + 'a {
    let runs = RUNS.into_iter().filter(move |(scenario, _)| *scenario == wanted);
    runs.flat_map(move |(scenario, size)| {
        SYSTEMS.iter().filter_map(move |system| {
            let row = Row { system: system.name, scenario, size };
            Some((system, row, results.spread(row, figure)?))
        })
    })
}

fn publishes(text: &mut String, results: &Results) {
    text.push_str("| system | in flight | acks per second | to the growing file ");
    text.push_str("| to JetStream, always | p50 | p99 | entries per commit | written | pages ");
    text.push_str("| CPU per ack | peak MiB, publisher / server |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (system, row, per_second) in rows(results, Scenario::Publish, "per_second") {
        let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
        let mib = |figure| format!("{:.0}", median(figure) / 1024.0);
        let commit = match median("per_commit") {
            0.0 => String::new(),
            entries => format!("{entries:.1}"),
        };
        let ratio = |reference| figures::ratio(results, row, reference, "per_second");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {:.0} | {:.0} | {commit} | {:.2} | {:.2} | {:.2} | {} / {} |",
            system.title,
            row.size,
            shown(per_second, count),
            ratio(LOOPS[0]),
            ratio(ALWAYS),
            median("p50_us"),
            median("p99_us"),
            median("given"),
            median("to_disk"),
            median("cpu_us"),
            mib("peak_kib"),
            mib("peak_kib_store"),
        );
    }
}

fn copies(text: &mut String, results: &Results) {
    text.push_str("| system | entries | in a group | s | entries per second | MB/s of payload ");
    text.push_str("| to a plain copy | peak MiB, from / to |\n|---|---|---|---|---|---|---|---|\n");
    for (system, row, seconds) in rows(results, Scenario::CatchUp, "seconds") {
        let median = |figure| results.spread(row, figure).map_or(0.0, |spread| spread.median);
        let per_group = match median("per_group") {
            0.0 => String::new(),
            entries => format!("{entries:.1}"),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {per_group} | {} | {} | {:.0} | {} | {:.0} / {:.0} |",
            system.title,
            count(median("entries")),
            shown(seconds, |value| format!("{value:.2}")),
            count(median("per_second")),
            median("mb_per_second"),
            figures::ratio(results, row, COPY, "per_second"),
            median("peak_kib_from") / 1024.0,
            median("peak_kib_to") / 1024.0,
        );
    }
}

fn starts(text: &mut String, results: &Results) {
    text.push_str("| system | entries | until ready | to reading | resident MiB |\n");
    text.push_str("|---|---|---|---|---|\n");
    for (system, row, ms) in rows(results, Scenario::Open, "ms") {
        let resident = results.spread(row, "kib").map_or(0.0, |spread| spread.median / 1024.0);
        let entries = results.spread(row, "entries").map_or(0.0, |spread| spread.median);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {resident:.1} |",
            system.title,
            count(entries),
            shown(ms, |value| format!("{value:.0}")),
            figures::ratio(results, row, READ, "ms"),
        );
    }
}
