//! Building the simulator in the copy. What comes from the registry is taken over from the build
//! that runs, as far as it is there: such crates do not know where they are built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::cli;

/// Builds in a target folder of its own, which is kept.
pub(super) struct Build {
    target: PathBuf,
}

impl Build {
    /// Into `planted` beside what the running program was built into.
    pub(super) fn beside_this() -> Result<Self, String> {
        let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
        // target/debug/NAME or target/debug/deps/NAME
        let is_profile = |folder: &&Path| folder.join("deps").is_dir();
        let profile = program.ancestors().find(is_profile);
        let target = profile.and_then(Path::parent);
        let target = target.ok_or("this program does not lie in a target folder")?;
        let build = Self { target: target.join("planted/target") };
        let taken_over = build.take_over(&target.join("debug"));
        taken_over.map_err(|error| format!("{}: {error}", build.target.display()))?;
        Ok(build)
    }

    /// Where the copy lies.
    pub(super) fn tree(&self) -> PathBuf {
        self.target.with_file_name("tree")
    }

    fn take_over(&self, from: &Path) -> io::Result<()> {
        for part in ["deps", "build", ".fingerprint"] {
            let from = from.join(part);
            if !from.is_dir() {
                continue;
            }
            let to = self.target.join("debug").join(part);
            fs::create_dir_all(&to)?;
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                if is_of_registry(&entry.path()) {
                    link(&entry.path(), &to.join(entry.file_name()))?;
                }
            }
        }
        Ok(())
    }

    /// Builds the suite. The program.
    pub(super) fn suite(&self, tree: &Path) -> Result<PathBuf, String> {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // With all members, as in the test run, crates have the same features and need not be
        // compiled again.
        command.args(["build", "--workspace", "--test", "sim_plant", "--locked"]);
        command.args(["--message-format", "json-render-diagnostics", "--target-dir"]);
        command.arg(&self.target).current_dir(tree);
        cli::forget_cargo(&mut command);
        let output = command.output().map_err(|error| format!("cargo: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("it does not compile:\n{said}"));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let program = |line: &str| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let is_suite = message["target"]["name"] == "sim_plant";
            message["executable"].as_str().filter(|_| is_suite).map(PathBuf::from)
        };
        text.lines().find_map(program).ok_or_else(|| "cargo names no program sim_plant".to_owned())
    }
}

/// Whether this was made of a crate that is no member of the workspace, and is no program of one.
fn is_of_registry(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_member = name.starts_with("gearmesh") || name.starts_with("libgearmesh");
    !is_member && (path.is_dir() || name.starts_with("lib"))
}

/// Links a file, or all files of a folder, where there is nothing yet. Times stay as they are, and
/// cargo goes by them.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            link(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}
