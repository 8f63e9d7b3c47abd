//! The top of the repository, and the folders that each crate may have.

use std::fs;
use std::path::Path;

use crate::sources::Violation;

const REQUIRED: &[&str] = &["Cargo.toml", "README.md"];

const KNOWN: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "SECURITY.md",
    "clippy.toml",
    "docs",
    "node",
    "protocol",
    "rustfmt.toml",
    "tests",
    "tools",
];

/// What no one commits: version control and what cargo builds.
const IGNORED: &[&str] = &[".git", "target"];

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What stands at the top and should not, or should and does not.
pub(crate) fn top_level(names: &[String]) -> Vec<Violation> {
    let is = |list: &[&str], name: &String| list.contains(&name.as_str());
    let strange = names
        .iter()
        .filter(|name| !is(KNOWN, name) && !is(REQUIRED, name) && !is(IGNORED, name))
        .map(|name| Violation::at(name, 1, "has no place at the top of the repository"));
    let missing = REQUIRED
        .iter()
        .filter(|name| !names.iter().any(|known| known == *name))
        .map(|name| Violation::at(name, 1, "is missing"));
    strange.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::top_level;

    fn wrong(names: &[&str]) -> usize {
        top_level(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).len()
    }

    #[test]
    fn the_top_is_a_closed_list() {
        assert_eq!(wrong(&["Cargo.toml", "README.md", "docs", "target", ".git"]), 0);
        assert_eq!(wrong(&["Cargo.toml", "README.md", "scripts"]), 1);
        assert_eq!(wrong(&["Cargo.toml"]), 1);
    }
}
