//! The tree as the rules see it: every source file once, and how a broken rule is reported.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::scrub::{Comment, scrub};
use crate::tokens::{Token, test_parts, tokens};

/// The crates of the workspace, by folder.
pub(crate) const CRATES: [&str; 5] = ["protocol", "node", "node/client", "tools", "tests"];

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the top of the repository, with `/`.
    pub(crate) path: String,
    /// As it was written.
    pub(crate) text: String,
    /// Without comments and literals.
    pub(crate) code: String,
    /// The line comments.
    pub(crate) comments: Vec<Comment>,
    /// The words of the code.
    pub(crate) tokens: Vec<Token>,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl Source {
    /// Reads a text as if it were the file at `path`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let scrubbed = scrub(text);
        let tokens = tokens(&scrubbed.code);
        let mut test_lines = test_parts(&tokens).lines;
        if path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/") {
            test_lines.push(1..=usize::MAX);
        }
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code: scrubbed.code,
            comments: scrubbed.comments,
            tokens,
            test_lines,
        }
    }

    /// Whether that line is compiled for tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Whether the file is part of what is shipped.
    pub(crate) fn is_product(&self) -> bool {
        let products = ["protocol/src/", "node/src/", "node/client/src/", "tools/src/"];
        products.iter().any(|top| self.path.starts_with(top))
    }

    /// Whether the file is that module: `place.rs`, or anything under `place/`; a trailing `*`
    /// stands for the rest of a name.
    pub(crate) fn is_in(&self, place: &str) -> bool {
        if let Some(start) = place.strip_suffix('*') {
            return self.path.starts_with(start);
        }
        self.path == place
            || self
                .path
                .strip_prefix(place)
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// The folder of the crate that the file belongs to.
    fn crate_folder(&self) -> &str {
        self.path
            .split_once("/src/")
            .map_or_else(|| self.path.split('/').next().unwrap_or_default(), |(folder, _)| folder)
    }

    /// The module the file is, from its crate's root on: `crate`, `core`, `plant`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.split_once("/src/").map_or("", |(_, inside)| inside);
        let mut module = vec!["crate".to_owned()];
        module.extend(inside.trim_end_matches(".rs").split('/').map(str::to_owned));
        if module.last().is_some_and(|name| matches!(name.as_str(), "mod" | "lib" | "main" | "")) {
            module.pop();
        }
        module
    }
}

/// One place where a rule does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    place: String,
    what: String,
}

impl Violation {
    /// At a line of a file.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), what: what.into() }
    }
}

/// Fails with every violation, the rule and its reason.
#[track_caller]
pub(crate) fn demand(rule: &str, why: &str, violations: &[Violation]) {
    let list: String = violations.iter().map(|v| format!("  {}: {}\n", v.place, v.what)).collect();
    assert!(violations.is_empty(), "\nrule: {rule}\nwhy:  {why}\n{list}");
}

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The text of a file, named from the top of the repository.
#[track_caller]
#[expect(clippy::panic, reason = "a tree that cannot be read has passed no rule")]
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder with that ending, named from the top of the repository, in order.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let ignored = matches!(entry.file_name().to_str(), Some("target" | ".git") | None);
            if path.is_dir() && !ignored {
                open.push(path);
            } else if let Ok(inside) = path.strip_prefix(root())
                && let Some(name) = inside.to_str()
                && name.ends_with(ending)
            {
                found.push(name.replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of the workspace, read once.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        // One crate's folder lies in another's.
        let names: BTreeSet<String> =
            CRATES.iter().flat_map(|folder| files(folder, ".rs")).collect();
        let names = names.into_iter();
        let mut all: Vec<Source> = names.map(|name| Source::new(&name, &read(&name))).collect();
        mark_test_files(&mut all);
        all
    })
}

/// A file whose `mod` line is under `#[cfg(test)]` is test code from its first line.
fn mark_test_files(all: &mut [Source]) {
    let mut test_files = Vec::new();
    for source in all.iter() {
        for name in test_parts(&source.tokens).modules {
            let mut module = source.module();
            module.push(name);
            test_files.push((source.crate_folder().to_owned(), module));
        }
    }
    for source in all.iter_mut() {
        let (folder, module) = (source.crate_folder().to_owned(), source.module());
        if test_files.iter().any(|(top, test)| *top == folder && module.starts_with(test)) {
            source.test_lines.push(1..=usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, mark_test_files};

    #[test]
    fn a_file_is_its_module() {
        let module = |path: &str| Source::new(path, "").module().join("::");
        assert_eq!(module("node/src/lib.rs"), "crate");
        assert_eq!(module("node/src/core/mod.rs"), "crate::core");
        assert_eq!(module("node/src/core/plant/redeem.rs"), "crate::core::plant::redeem");
    }

    #[test]
    fn a_place_is_a_file_or_its_folder() {
        let source = Source::new("node/src/core/plant/roster.rs", "");
        assert!(source.is_in("node/src/core/plant") && source.is_in("node/src/core/plant/roster"));
        assert!(!source.is_in("node/src/core/pl") && source.is_in("node/src/core/pl*"));
    }

    #[test]
    fn test_code_is_known_by_name_by_mark_and_by_its_parent() {
        assert!(Source::new("node/src/core/tests.rs", "").is_test(1));
        let inline = Source::new("node/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {}\n");
        assert!(!inline.is_test(1) && inline.is_test(3));
        let mut all = [
            Source::new("node/src/core/mod.rs", "#[cfg(test)]\nmod samples;\nmod plant;"),
            Source::new("node/src/core/samples.rs", ""),
            Source::new("node/src/core/plant.rs", ""),
            Source::new("protocol/src/core/samples.rs", ""),
        ];
        mark_test_files(&mut all);
        let seen: Vec<bool> = all.iter().map(|source| source.is_test(9)).collect();
        assert_eq!(seen, [false, true, false, false]);
    }
}
