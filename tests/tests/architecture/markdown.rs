//! The documents: one title each, links that lead somewhere, and tables whose rows are whole.

use std::path::{Component, Path, PathBuf};

use crate::sources::Violation;

/// The lines that are prose, with their numbers; code blocks are shown, not read.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fence: Option<&str> = None;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        match fence {
            Some(mark) if start.starts_with(mark) => fence = None,
            Some(_) => {}
            None => match ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark)) {
                Some(mark) => fence = Some(mark),
                None => found.push((index + 1, line)),
            },
        }
    }
    found
}

/// A document with no title, or with several.
pub(crate) fn titles(path: &str, text: &str) -> Option<Violation> {
    let lines = prose(text);
    let titles: Vec<usize> =
        lines.iter().filter(|(_, line)| line.starts_with("# ")).map(|(line, _)| *line).collect();
    let line = titles.get(1).copied().unwrap_or(1);
    (titles.len() != 1).then(|| Violation::at(path, line, format!("{} `#` titles", titles.len())))
}

/// Rows of a table that have more or fewer columns than its first one.
pub(crate) fn ragged_rows(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut table: Option<(usize, usize)> = None;
    for (number, line) in prose(text) {
        if !line.trim_start().starts_with('|') {
            table = None;
            continue;
        }
        let columns = columns(line);
        // A block of code between two lines ends a table as a line of text does.
        let wanted = match table {
            Some((last, wanted)) if last + 1 == number => wanted,
            _ => columns,
        };
        table = Some((number, wanted));
        if columns != wanted {
            let said = format!("{columns} columns in a table of {wanted}");
            found.push(Violation::at(path, number, said));
        }
    }
    found
}

/// How many cells a row has. `\|` stands for a bar within one, between backquotes too.
fn columns(line: &str) -> usize {
    let line = line.trim().replace("\\|", "");
    let line = line.strip_prefix('|').unwrap_or(&line);
    line.strip_suffix('|').unwrap_or(line).split('|').count()
}

/// Relative links to files that do not exist.
pub(crate) fn dead_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<Violation> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for target in targets(line) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !file.is_empty() && !elsewhere && !within(folder, file).is_some_and(|p| exists(&p)) {
                found.push(Violation::at(path, number, format!("`{target}` leads nowhere")));
            }
        }
    }
    found
}

/// What a line links to: `[text](target)`, `![text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if let Some((name, target)) = line.split_once("]: ")
        && name.starts_with('[')
        && !name.starts_with("[^")
    {
        found.extend(target.split_whitespace().next());
    }
    // Between backquotes a link is an example of one.
    for text in line.split('`').step_by(2) {
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            let target = rest.split(')').next().unwrap_or(rest);
            found.extend(target.split_whitespace().next());
        }
    }
    found.into_iter().map(|target| target.trim_matches(['<', '>'])).collect()
}

/// The path of a link, if it stays inside the repository.
fn within(folder: &Path, file: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::{dead_links, ragged_rows, titles};

    #[test]
    fn a_document_has_one_title() {
        assert!(titles("a.md", "# One\n\n## Part\n\n```sh\n# a comment\n```\n").is_none());
        assert!(titles("a.md", "# One\n\n# Two\n").is_some());
        assert!(titles("a.md", "## Part\n").is_some());
    }

    #[test]
    fn the_rows_of_a_table_have_one_width() {
        let ragged = |text: &str| ragged_rows("a.md", text).len();
        assert_eq!(ragged("| a | b |\n|---|---|\n| `x\\|y` | |\n\n| c |\n|---|\n| 1 |\n"), 0);
        assert_eq!(ragged("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n| 1 |\n"), 2);
        assert_eq!(ragged("| a | b |\n|---|\n"), 1);
        assert_eq!(ragged("| a |\n|---|\n```\n| x | y |\n```\n"), 0, "no code");
    }

    #[test]
    fn links_lead_to_files() {
        let dead = |text: &str| {
            dead_links("docs/a.md", text, |p| ["docs/b.md", "README.md"].iter().any(|k| p == *k))
                .len()
        };
        assert_eq!(dead("[b](b.md) ![c](./b.md#part) [top](../README.md) [here](#part)"), 0);
        assert_eq!(dead("[x](https://example.org/a.md) [y](mailto:a@b) `[z](gone.md)`"), 0);
        assert_eq!(dead("[b]: b.md \"title\"\n[^1]: a note"), 0);
        assert_eq!(dead("[gone](gone.md)") + dead("[gone]: gone.md"), 2);
        assert_eq!(dead("[out](../../README.md)") + dead("[root](/README.md)"), 2);
        assert_eq!(dead("a [`b`](gone.md) c"), 1);
        assert_eq!(dead("```\n[gone](gone.md)\n```"), 0);
    }
}
