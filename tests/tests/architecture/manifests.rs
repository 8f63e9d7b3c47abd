//! The manifests: one place for versions and lints, inherited by every crate.
//!
//! A line reader for the TOML this repository writes, not for all of TOML: what it does not
//! understand it reports, so that a manifest cannot hide a version from it.

use crate::sources::Violation;

/// One line `key = value` under its `[section]`.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    line: usize,
    section: String,
    key: String,
    value: String,
}

fn entries(text: &str) -> Vec<Entry> {
    let mut section = String::new();
    let mut found = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if let Some(name) = line.strip_prefix('[').filter(|_| !raw.starts_with(' ')) {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let value = value.split(" #").next().unwrap_or(value).trim().to_owned();
            let key = key.trim().to_owned();
            found.push(Entry { line: index + 1, section: section.clone(), key, value });
        }
    }
    found
}

/// The names under `[workspace.dependencies]`.
pub(crate) fn workspace_dependencies(text: &str) -> Vec<String> {
    let own = entries(text).into_iter().filter(|e| e.section == "workspace.dependencies");
    own.map(|entry| entry.key.split('.').next().unwrap_or_default().to_owned()).collect()
}

/// What a crate's manifest states itself although the workspace states it.
pub(crate) fn not_inherited(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let entries = entries(text);
    let lints = entries.iter().any(|entry| {
        (entry.section == "lints" && entry.key == "workspace" && entry.value == "true")
            || (entry.section.is_empty() && entry.key == "lints.workspace" && entry.value == "true")
    });
    if !lints {
        found.push(Violation::at(path, 1, "has no `[lints] workspace = true`"));
    }
    for entry in &entries {
        let table = entry.section.rsplit_once("dependencies").map(|(_, name)| name);
        let states = match table {
            Some("") => !inherits(entry),
            Some(_) => !(entry.value == "true" || entry.key != "workspace" && has(&entries, entry)),
            None => false,
        };
        if states {
            let what = format!("`{}` does not take its version from the workspace", entry.key);
            found.push(Violation::at(path, entry.line, what));
        }
    }
    found
}

fn inherits(entry: &Entry) -> bool {
    let inside = entry.value.trim_matches(['{', '}']);
    entry.key.ends_with(".workspace") && entry.value == "true"
        || inside.split(',').any(|part| part.replace(' ', "") == "workspace=true")
}

/// Whether the table that `entry` stands in inherits its version.
fn has(entries: &[Entry], entry: &Entry) -> bool {
    entries.iter().any(|other| {
        other.section == entry.section && other.key == "workspace" && other.value == "true"
    })
}

/// postcard's default features bring `heapless` and its unsound stand-ins for atomics.
pub(crate) fn postcard_with_defaults(path: &str, text: &str) -> Vec<Violation> {
    let own = entries(text).into_iter().filter(|e| {
        e.section == "workspace.dependencies" && e.key.split('.').next() == Some("postcard")
    });
    own.filter(|entry| !entry.value.replace(' ', "").contains("default-features=false"))
        .map(|entry| Violation::at(path, entry.line, "postcard with default features"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{not_inherited, postcard_with_defaults, workspace_dependencies};

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn wrong(dependencies: &str) -> usize {
        not_inherited("x/Cargo.toml", &format!("{dependencies}\n{LINTS}")).len()
    }

    #[test]
    fn versions_come_from_the_workspace() {
        assert_eq!(wrong("[dependencies]\nserde.workspace = true"), 0);
        assert_eq!(wrong("[dependencies]\ntokio = { workspace = true, features = [\"io\"] }"), 0);
        assert_eq!(wrong("[dependencies.tokio]\nworkspace = true\nfeatures = []"), 0);
        assert_eq!(wrong("[package]\nversion = \"1\""), 0);
        assert_eq!(wrong("[dependencies]\nserde = \"1\""), 1);
        assert_eq!(wrong("[dev-dependencies]\nserde = { version = \"1\" } # workspace = true"), 1);
        assert_eq!(wrong("[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\""), 1);
        assert_eq!(wrong("[dependencies.tokio]\nversion = \"1\""), 1);
    }

    #[test]
    fn lints_come_from_the_workspace() {
        assert_eq!(not_inherited("x/Cargo.toml", "[lints.rust]\nunsafe_code = \"allow\"").len(), 1);
        assert_eq!(not_inherited("x/Cargo.toml", LINTS).len(), 0);
    }

    #[test]
    fn postcard_is_taken_without_defaults() {
        let root =
            |value: &str| format!("[workspace.dependencies]\npostcard = {value}\nserde = \"1\"");
        let good = root("{ version = \"1.1\", default-features = false, features = [\"alloc\"] }");
        assert_eq!(postcard_with_defaults("Cargo.toml", &good).len(), 0);
        assert_eq!(postcard_with_defaults("Cargo.toml", &root("\"1.1\"")).len(), 1);
        assert_eq!(workspace_dependencies(&good), ["postcard", "serde"]);
    }
}
