//! How figures are written into tables.

use std::fmt::Write as _;

use crate::results::{Results, Row, Spread};
use crate::targets::Verdict;

/// The head of a section, and what stands in its table.
pub(crate) fn section(text: &mut String, title: &str, what: &str) {
    let _ = writeln!(text, "\n### {title}\n\nMedian (lowest to highest of the rounds), {what}.\n");
}

/// What became of the targets.
pub(crate) fn verdicts(text: &mut String, head: &str, verdicts: &[Verdict]) {
    let _ = writeln!(text, "| {head} | target | measured | |\n|---|---|---|---|");
    for verdict in verdicts {
        let met = match verdict.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let _ =
            writeln!(text, "| {} | {} | {} | {met} |", verdict.what, verdict.aim, verdict.measured);
    }
}

/// What was not measured, and why.
pub(crate) fn missing(text: &mut String, results: &Results) {
    text.push('\n');
    for (name, why) in &results.left_out {
        let _ = writeln!(text, "Not measured: {name} ({why}).");
    }
    for failure in results.failures() {
        let _ = writeln!(text, "Failed: {failure}.");
    }
}

pub(crate) fn shown(spread: Spread, write: impl Fn(f64) -> String) -> String {
    format!("{} ({} to {})", write(spread.median), write(spread.low), write(spread.high))
}

/// Times the figure of another system; nothing if one of them was not measured.
pub(crate) fn ratio(results: &Results, row: Row<'_>, reference: &str, figure: &str) -> String {
    let reference = results.spread(Row { system: reference, ..row }, figure);
    let own = results.spread(row, figure);
    let ratio = own.zip(reference).map(|(own, reference)| own.median / reference.median);
    ratio.map_or(String::new(), |ratio| format!("{ratio:.2}x"))
}

/// A count with three figures: `3.28 M`, `18.1 k`.
pub(crate) fn count(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = if scaled >= 100.0 { 0 } else { 1 + usize::from(scaled < 10.0) };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_have_three_figures() {
        assert_eq!(count(3_284_000.0), "3.28 M");
        assert_eq!(count(18_090.0), "18.1 k");
        assert_eq!(count(515_000.0), "515 k");
        assert_eq!(count(7.0), "7.00");
    }
}
