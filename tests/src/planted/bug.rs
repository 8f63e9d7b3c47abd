//! What is planted: a patch, and what it makes wrong.

use std::path::{Path, PathBuf};

use crate::invariants;

/// A bug that is kept as a patch.
#[derive(Clone, Debug)]
pub struct Bug {
    /// The name of its file.
    pub name: String,
    /// What it makes wrong, as the head of the patch says.
    pub wrong: String,
    /// The rule that is to find it, if that is not left to all of them.
    pub rule: Option<String>,
    /// The patch.
    pub patch: PathBuf,
}

/// What begins the line of a patch's head that names a rule.
const RULE: &str = "Rule: ";

impl Bug {
    /// All of them, by name.
    ///
    /// # Errors
    /// The patches cannot be read, or one does not say what it makes wrong.
    pub fn all() -> Result<Vec<Self>, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let mut bugs = Vec::new();
        for file in std::fs::read_dir(&folder).map_err(failed)? {
            let patch = file.map_err(failed)?.path();
            if patch.extension().is_some_and(|ending| ending == "patch") {
                bugs.push(Self::read(patch)?);
            }
        }
        bugs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(bugs)
    }

    /// Those with these names; all of them if there are none.
    ///
    /// # Errors
    /// One of the names is no bug's, or [`Bug::all`] fails.
    pub fn named(names: &[String]) -> Result<Vec<Self>, String> {
        let mut bugs = Self::all()?;
        let is_known = |name: &String| bugs.iter().any(|bug| bug.name == *name);
        if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
            return Err(format!("there is no tests/planted/{unknown}.patch"));
        }
        bugs.retain(|bug| names.is_empty() || names.contains(&bug.name));
        Ok(bugs)
    }

    fn read(patch: PathBuf) -> Result<Self, String> {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&patch).map_err(|error| format!("{name}: {error}"))?;
        let head = text.lines().take_while(|line| !line.starts_with("--- "));
        let (rules, wrong): (Vec<_>, Vec<_>) = head.partition(|line| line.starts_with(RULE));
        let rule = rules.first().and_then(|line| line.strip_prefix(RULE));
        let rule = rule.map(|rule| rule.trim().to_owned());
        let wrong = wrong.join(" ").trim().to_owned();
        if wrong.is_empty() {
            return Err(format!("{name}.patch does not say what it makes wrong"));
        }
        if let Some(unknown) = rule.as_deref().filter(|rule| invariants::named(rule).is_empty()) {
            return Err(format!("{name}.patch names the rule {unknown}, which is not there"));
        }
        Ok(Self { name, wrong, rule, patch })
    }
}
