//! How a file is written: its length, its head, its comments, its open ends.

use crate::imports::named;
use crate::sources::{Source, Violation};
use crate::tokens::{functions, reads};

/// A file past this has a second subject.
const FILE_LINES: usize = 600;
/// Tables of cases are longer than what they test.
const TEST_FILE_LINES: usize = 900;
/// A function past this cannot be seen at once.
const FUNCTION_LINES: usize = 70;

/// Functions that are longer still, with the length they may have: `(file, function, lines)`. A
/// number here only ever goes down, and a line without need goes away.
pub(crate) const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// A file that is too long.
pub(crate) fn too_long(source: &Source) -> Option<Violation> {
    let lines = source.text.lines().count();
    let limit = if source.is_test(lines + 1) { TEST_FILE_LINES } else { FILE_LINES };
    (lines > limit).then(|| Violation::at(&source.path, lines, format!("{lines} > {limit} lines")))
}

/// Functions that are too long, and lines of the list that are not needed any more.
pub(crate) fn long_functions(
    sources: &[Source],
    allowed: &[(&str, &str, usize)],
) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_product()) {
        for function in functions(&source.tokens) {
            let own = allowed
                .iter()
                .find(|(path, name, _)| *path == source.path && *name == function.name);
            let limit = own.map_or(FUNCTION_LINES, |(_, _, lines)| *lines);
            if function.lines > limit {
                let what = format!("`{}` has {} > {limit} lines", function.name, function.lines);
                found.push(Violation::at(&source.path, function.line, what));
            }
        }
    }
    found.extend(allowed.iter().filter_map(|entry| stale(sources, entry)));
    found
}

fn stale(sources: &[Source], entry: &(&str, &str, usize)) -> Option<Violation> {
    let (path, name, lines) = *entry;
    let file = sources.iter().find(|source| source.path == path);
    let longest = file
        .into_iter()
        .flat_map(|source| functions(&source.tokens))
        .filter(|function| function.name == name)
        .map(|function| function.lines)
        .max();
    let what = match longest {
        Some(now) if now > FUNCTION_LINES && now >= lines => return None,
        Some(now) if now > FUNCTION_LINES => format!("lower the limit of `{name}` to {now}"),
        Some(_) | None => format!("`{name}` needs no exception any more; remove its line"),
    };
    Some(Violation::at(path, 1, what))
}

/// A file that does not say first what it is about.
pub(crate) fn headless(source: &Source) -> Option<Violation> {
    let begun = source.text.starts_with("//! ");
    (!begun).then(|| Violation::at(&source.path, 1, "does not start with `//!`"))
}

/// Words that stand for work left undone, in any text of the repository.
pub(crate) fn open_ends(path: &str, text: &str) -> Vec<Violation> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let macros = [concat!("to", "do!"), concat!("unimple", "mented!")];
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut parts = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let word = parts.find(|part| words.contains(part));
        if let Some(word) = word.or_else(|| macros.into_iter().find(|name| line.contains(name))) {
            found.push(Violation::at(path, index + 1, format!("leaves `{word}`")));
        }
    }
    found
}

/// Comments that are code: with version control nothing needs to be kept that way.
pub(crate) fn disabled_code(source: &Source) -> Vec<Violation> {
    let plain = source.comments.iter().filter(|comment| !comment.documents);
    plain
        .filter(|comment| is_code(&comment.text))
        .map(|comment| Violation::at(&source.path, comment.line, "a comment that is code"))
        .collect()
}

fn is_code(text: &str) -> bool {
    const STARTS: &[&str] =
        &["let ", "use ", "return", "pub ", "mod ", "const ", "static ", "break", "continue"];
    // A sentence may end in `;` where it runs on in the next line; code has its marks besides.
    let call = text.match_indices('(').any(|(at, _)| {
        text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '!' | '>'))
    });
    let statement = call
        || text.contains("::")
        || text.contains(" = ")
        || text.contains("+= ")
        || STARTS.iter().any(|start| text.starts_with(start));
    text.ends_with('{')
        || matches!(text, "}" | "};" | "});" | "})")
        || text.ends_with(';') && statement
}

/// Tests that wait for time to pass instead of for what they expect. Measurements do wait for time
/// to pass.
pub(crate) fn naps(source: &Source) -> Vec<Violation> {
    if source.path == "tests/src/wait.rs" || source.path.starts_with("tests/bench/") {
        return Vec::new();
    }
    let asleep = named(source).into_iter().filter(|name| {
        let path: Vec<&str> = name.path.iter().map(String::as_str).collect();
        let sleeps = path.windows(2).any(|pair| match pair {
            ["thread" | "time", act] => act.starts_with("sleep") || act.starts_with("park_timeout"),
            ["wait", "pass"] => source.path.starts_with("tests/tests/"),
            _ => false,
        });
        source.is_test(name.line) && sleeps
    });
    let mut lines: Vec<usize> = asleep.map(|name| name.line).collect();
    lines.dedup();
    let what = "sleeps; wait for a condition with a deadline (tests/src/wait.rs)";
    lines.into_iter().map(|line| Violation::at(&source.path, line, what)).collect()
}

/// Places in a product that end the program instead of saying what went wrong.
pub(crate) fn panics(source: &Source) -> Vec<Violation> {
    const REACH: usize = 6;
    let mut found = Vec::new();
    if !source.is_product() {
        return found;
    }
    let lines: Vec<&str> = source.code.lines().collect();
    for (at, token) in source.tokens.iter().enumerate() {
        let lint = if reads(&source.tokens, at, &[".", "unwrap", "(", ")"]) {
            "unwrap_used"
        } else if reads(&source.tokens, at, &[".", "expect", "("]) {
            "expect_used"
        } else {
            continue;
        };
        let line = source.tokens.get(at + 1).map_or(token.line, |name| name.line);
        let above = lines[line.saturating_sub(REACH + 1)..line.min(lines.len())].join(" ");
        let excused = above.split("#[expect(").skip(1).any(|attribute| {
            let attribute = attribute.split(']').next().unwrap_or_default();
            attribute.contains(&format!("clippy::{lint}")) && attribute.contains("reason =")
        });
        if !excused && !source.is_test(line) {
            found.push(Violation::at(&source.path, line, format!("{lint} without a proof")));
        }
    }
    found
}
