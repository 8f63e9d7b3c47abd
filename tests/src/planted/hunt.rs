//! Looking for a planted bug: scenarios with more and more seeds, until one fails.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Bug;
use super::build::Build;
use super::tree::Tree;
use crate::world::run::Scenario;
use crate::world::scenarios;

/// Seeds of each scenario, round after round: most bugs are found by few, whichever scenario it is.
pub const ROUNDS: [u64; 3] = [10, 100, 1000];

/// How a bug was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// In which scenario.
    pub scenario: &'static str,
    /// With which seed.
    pub seed: u64,
    /// By which invariant, or how else.
    pub by: String,
    /// How long the scenarios ran until then.
    pub after: Duration,
}

/// A copy of the workspace to plant bugs in.
pub struct Hunt {
    tree: Tree,
    build: Build,
}

impl Hunt {
    /// Copies the workspace, and takes over what is built of other crates.
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub fn begin() -> Result<Self, String> {
        let build = Build::beside_this()?;
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = tests.parent().ok_or("the tests lie in no workspace")?;
        Ok(Self { tree: Tree::of(workspace, build.tree())?, build })
    }

    /// Plants a bug and looks for it. Nothing if no scenario fails.
    ///
    /// # Errors
    /// It cannot be planted, built or run.
    #[expect(clippy::disallowed_methods, reason = "how long it took is real time")]
    pub fn hunt(&self, bug: &Bug) -> Result<Option<Found>, String> {
        self.tree.restore()?;
        self.tree.plant(bug)?;
        let suite = self.build.suite(self.tree.folder())?;
        let begun = Instant::now();
        for seeds in ROUNDS {
            for scenario in scenarios::ALL {
                if let Some((seed, by)) = run(&suite, bug, scenario.name, seeds)? {
                    blameless(&scenario, seed)?;
                    let (scenario, after) = (scenario.name, begun.elapsed());
                    return Ok(Some(Found { scenario, seed, by, after }));
                }
            }
        }
        Ok(None)
    }
}

/// Makes sure that a seed does not fail without the bug, in the code that this program is built of.
fn blameless(scenario: &Scenario, seed: u64) -> Result<(), String> {
    match scenario.run(seed).wrong {
        None => Ok(()),
        Some(wrong) => Err(format!("{}, seed {seed}, fails anyhow: {wrong}", scenario.name)),
    }
}

/// The seed that failed, and why.
fn run(
    suite: &Path,
    bug: &Bug,
    scenario: &str,
    seeds: u64,
) -> Result<Option<(u64, String)>, String> {
    let mut command = Command::new(suite);
    command.env_remove("GEARMESH_RULE");
    command.envs(bug.rule.iter().map(|rule| ("GEARMESH_RULE", rule)));
    command.args([scenario, "--exact"]).env("GEARMESH_SEEDS", seeds.to_string());
    command.env_remove("GEARMESH_SEED").env_remove("GEARMESH_TWICE");
    let output = command.output().map_err(|error| format!("{}: {error}", suite.display()))?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(|line| failure(scenario, line));
    found.map(Some).ok_or_else(|| format!("{scenario} failed without naming a seed:\n{said}"))
}

/// Reads `SCENARIO, seed 7, after 3s: at 2s, node 1: INVARIANT: what is wrong`.
fn failure(scenario: &str, line: &str) -> Option<(u64, String)> {
    let rest = line.strip_prefix(scenario)?.strip_prefix(", seed ")?;
    let (seed, rest) = rest.split_once(", after ")?;
    let (_, wrong) = rest.split_once(": ")?;
    let parts = wrong.split(": ");
    let is_name = |part: &&str| part.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    let by = parts.clone().find(|part| is_name(part) && part.contains('_')).unwrap_or(wrong);
    Some((seed.parse().ok()?, by.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::failure;

    #[test]
    fn the_line_of_a_failure_is_read() {
        let line = "a_run, seed 7, after 3.5s: at 2.1s, node 1: what_is: gone";
        assert_eq!(failure("a_run", line), Some((7, "what_is".to_owned())));
        let line = "a_run, seed 8, after 3.5s: what_is: still gone: here";
        assert_eq!(failure("a_run", line), Some((8, "what_is".to_owned())));
        let line = "a_run, seed 9, after 3.5s: the world stands still";
        assert_eq!(failure("a_run", line), Some((9, "the world stands still".to_owned())));
        assert_eq!(failure("a_run", "running 1 test"), None);
    }
}
