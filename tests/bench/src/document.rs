//! The section that a run writes into `docs/benchmarks.md`, and the picture beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::plot;
use crate::results::Results;
use crate::tables;

const BEGIN: &str = "<!-- links: begin; written by tests/bench -->";
const END: &str = "<!-- links: end -->";
const PICTURE: &str = "benchmarks/links.svg";

/// Puts the results where the document has its marks.
pub(crate) fn write(results: &Results, docs: &Path) -> Result<()> {
    let document = docs.join("benchmarks.md");
    let text = fs::read_to_string(&document)?;
    let section = format!(
        "{}\n![round trips and messages per second, beside peers]({PICTURE})\n\n{}",
        setting(results),
        tables::all(results)
    );
    fs::write(&document, between_marks(&text, &section)?)?;
    let picture = docs.join(PICTURE);
    fs::create_dir_all(picture.parent().context("a picture without a folder")?)?;
    Ok(fs::write(picture, plot::draw(results))?)
}

fn between_marks(text: &str, section: &str) -> Result<String> {
    let (before, rest) = text.split_once(BEGIN).context("the document has lost its first mark")?;
    let (_, after) = rest.split_once(END).context("the document has lost its last mark")?;
    Ok(format!("{before}{BEGIN}\n\n{section}\n{END}{after}"))
}

/// Where, with what and how it was measured.
pub(crate) fn setting(results: &Results) -> String {
    let setting = &results.setting;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} cores ({}), Linux {}, loopback; {} rounds, the order of the systems reversed in every \
         other one; {} s of load and {} round trips per run. Load of the machine before: {:.2}.",
        setting.cores,
        setting.processor,
        setting.kernel,
        setting.rounds,
        setting.seconds,
        setting.trips,
        setting.load_before,
    );
    let versions: Vec<String> =
        setting.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(text, "Versions: {}.", versions.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, between_marks};

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("# Title\n\n{BEGIN}\nold\n{END}\n\n## Next\n");
        let written = between_marks(&text, "new\n").unwrap();
        assert_eq!(written, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\n## Next\n"));
        assert_eq!(between_marks(&written, "new\n").unwrap(), written);
        assert!(between_marks("# Title\n", "new").is_err());
    }
}
