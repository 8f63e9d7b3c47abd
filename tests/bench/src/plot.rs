//! The results as one picture: bars with the median, a line from the lowest to the highest.

use std::fmt::Write as _;

use crate::figures::count;
use crate::results::{Results, Row, Scenario, Spread};
use crate::systems::{OURS, System};
use crate::tables::measured;

const WIDTH: f64 = 460.0;
const TITLE: f64 = 34.0;
const LABEL: f64 = 164.0;
const VALUE: f64 = 62.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;
const GAP: f64 = 16.0;

/// Colours that tell ours from the others without red and green.
const OWN: &str = "#1f6feb";
const OTHER: &str = "#9aa4b2";
const INK: &str = "#24292f";

struct Panel {
    title: &'static str,
    scenario: Scenario,
    size: usize,
    figure: &'static str,
    write: fn(f64) -> String,
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "Round trip, 64 B: p50 in µs (less is better)",
        scenario: Scenario::RoundTrip,
        size: 64,
        figure: "p50_us",
        write: |value| format!("{value:.0}"),
    },
    Panel {
        title: "Messages per second, 64 B",
        scenario: Scenario::Throughput,
        size: 64,
        figure: "per_second",
        write: count,
    },
    Panel {
        title: "Messages per second, 1 KiB",
        scenario: Scenario::Throughput,
        size: 1024,
        figure: "per_second",
        write: count,
    },
    Panel {
        title: "Messages per second, 64 KiB",
        scenario: Scenario::Throughput,
        size: 65_536,
        figure: "per_second",
        write: count,
    },
];

/// The whole picture.
pub(crate) fn draw(results: &Results) -> String {
    let systems: Vec<&System> = measured(results).collect();
    let panel_height = TITLE + STEP * systems.len() as f64;
    let (width, height) = (2.0 * WIDTH + 3.0 * GAP, 2.0 * panel_height + 3.0 * GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <title>gearmesh beside its peers</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (index, panel) in PANELS.iter().enumerate() {
        let column = if index % 2 == 0 { 0.0 } else { 1.0 };
        let line = if index < 2 { 0.0 } else { 1.0 };
        let (x, y) = (GAP + column * (WIDTH + GAP), GAP + line * (panel_height + GAP));
        let _ = writeln!(svg, "<g transform=\"translate({x} {y})\">");
        draw_panel(&mut svg, results, panel, &systems);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn draw_panel(svg: &mut String, results: &Results, panel: &Panel, systems: &[&System]) {
    let _ = writeln!(svg, "<text y=\"16\" font-weight=\"600\">{}</text>", panel.title);
    let spread = |system: &System| {
        let row = Row { system: system.name, scenario: panel.scenario, size: panel.size };
        results.spread(row, panel.figure)
    };
    let highest = systems.iter().filter_map(|system| spread(system)).map(|spread| spread.high);
    let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - VALUE) / highest;
    for (index, system) in systems.iter().enumerate() {
        let top = TITLE + STEP * index as f64;
        let middle = top + BAR / 2.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LABEL - 8.0,
            middle + 4.0,
            system.title
        );
        if let Some(spread) = spread(system) {
            draw_bar(svg, spread, scale, top, system.name == OURS);
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LABEL + spread.high * scale + 6.0,
                middle + 4.0,
                (panel.write)(spread.median)
            );
        }
    }
}

fn draw_bar(svg: &mut String, spread: Spread, scale: f64, top: f64, own: bool) {
    let colour = if own { OWN } else { OTHER };
    let middle = top + BAR / 2.0;
    let _ = writeln!(
        svg,
        "<rect x=\"{LABEL}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
        spread.median * scale
    );
    let _ = writeln!(
        svg,
        "<path d=\"M{:.1} {middle:.1}H{:.1}\" stroke=\"{INK}\" stroke-width=\"1.5\"/>",
        LABEL + spread.low * scale,
        LABEL + spread.high * scale
    );
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::results::{Figures, Results, Sample, Scenario};

    #[test]
    fn a_system_without_figures_has_a_name_and_no_bar() {
        let mut results = Results::default();
        for (system, figures) in
            [("zenoh-mtls", Figures::from([("per_second", 2e6)])), ("iroh", Figures::default())]
        {
            results.samples.push(Sample {
                system: system.to_owned(),
                scenario: Scenario::Throughput,
                size: 64,
                round: 0,
                figures,
                failure: None,
            });
        }
        let svg = draw(&results);
        assert_eq!(svg.matches("iroh, stream").count(), 4);
        assert_eq!(svg.matches("height=\"16\"").count(), 1);
        assert!(svg.contains("2.00 M") && !svg.contains("NaN"));
    }
}
