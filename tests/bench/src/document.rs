//! The sections that runs write into `docs/benchmarks.md`, and the picture beside one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::plot;
use crate::results::{Results, Setting};
use crate::tables;

/// The marks around a section; the blank lines within belong to them.
fn marks(name: &str) -> (String, String) {
    let begin = format!("<!-- {name}: begin; written by tests/bench -->");
    (begin, format!("<!-- {name}: end -->"))
}

const PICTURE: &str = "benchmarks/links.svg";

/// Puts the results of links where the document has its marks.
pub(crate) fn write(results: &Results, docs: &Path) -> Result<()> {
    let section = format!(
        "{}\n![round trips and messages per second, beside peers]({PICTURE})\n\n{}",
        setting(results),
        tables::all(results)
    );
    write_section("links", &section, docs)?;
    let picture = docs.join(PICTURE);
    fs::create_dir_all(picture.parent().context("a picture without a folder")?)?;
    Ok(fs::write(picture, plot::draw(results))?)
}

/// Puts a section between its marks.
pub(crate) fn write_section(name: &str, section: &str, docs: &Path) -> Result<()> {
    let document = docs.join("benchmarks.md");
    let text = fs::read_to_string(&document)?;
    Ok(fs::write(&document, between_marks(&text, name, section)?)?)
}

fn between_marks(text: &str, name: &str, section: &str) -> Result<String> {
    let (begin, end) = marks(name);
    let (before, rest) = text.split_once(&begin).context("the document has lost a first mark")?;
    let (_, after) = rest.split_once(&end).context("the document has lost a last mark")?;
    Ok(format!("{before}{begin}\n\n{section}\n{end}{after}"))
}

/// Where, with what and how links were measured.
pub(crate) fn setting(results: &Results) -> String {
    let Setting { seconds, trips, .. } = results.setting;
    let how = format!("{seconds} s of load and {trips} round trips per run");
    setting_of(results, "loopback", &how)
}

/// The same, with words on where and how it was measured.
pub(crate) fn setting_of(results: &Results, place: &str, how: &str) -> String {
    let setting = &results.setting;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} cores ({}), Linux {}, {place}; {} rounds, the order of the systems reversed in every \
         other one; {how}. Load of the machine before: {:.2}.",
        setting.cores, setting.processor, setting.kernel, setting.rounds, setting.load_before,
    );
    let versions: Vec<String> =
        setting.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let _ = writeln!(text, "Versions: {}.", versions.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::{between_marks, marks};

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let (begin, end) = marks("links");
        let text = format!("# Title\n\n{begin}\nold\n{end}\n\n## Next\n");
        let written = between_marks(&text, "links", "new\n").unwrap();
        assert_eq!(written, format!("# Title\n\n{begin}\n\nnew\n\n{end}\n\n## Next\n"));
        assert_eq!(between_marks(&written, "links", "new\n").unwrap(), written);
        assert!(between_marks(&text, "durable", "new\n").is_err());
    }
}
