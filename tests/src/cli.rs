//! Running the `gearmesh` command as a person would type it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// What a command printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The output of a command that succeeded.
    ///
    /// # Panics
    /// It did not succeed.
    #[must_use]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The refusal of a command: its standard error.
    ///
    /// # Panics
    /// It succeeded, or panicked.
    #[must_use]
    pub fn refused(self) -> String {
        assert_ne!(self.code, Some(0), "{}", self.out);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self.err
    }

    /// The refusal of a command: what is wrong in a line with its code, and below it the line
    /// that mends it.
    ///
    /// # Panics
    /// It succeeded, or does not say these words, or has no code, or says nothing that mends it.
    #[must_use]
    pub fn refused_saying(self, words: &str) -> String {
        let err = self.refused();
        assert!(err.contains(words), "{words:?} is not in: {err}");
        assert!(err.contains(" [code "), "it has no code: {err}");
        let mut lines = err.lines().skip_while(|line| !line.starts_with("gearmesh: "));
        let mend = lines.nth(1).filter(|line| line.starts_with("  "));
        assert!(mend.is_some_and(|mend| !mend.trim().is_empty()), "nothing mends it: {err}");
        err
    }

    /// The refusal of a command, for the reason with this code.
    ///
    /// # Panics
    /// It ended otherwise.
    #[must_use]
    pub fn refused_with(self, code: u16) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        self.refused_saying(&format!("[code {code}]"))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The `gearmesh` program of this build, built if it is not there yet.
///
/// # Panics
/// It cannot be built.
#[must_use]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = target_folder();
        let mut build = Command::new(env!("CARGO"));
        // The whole workspace, so that features unify as in the tests and nothing is built twice.
        build.args(["build", "--quiet", "--workspace", "--bins"]);
        if target.ends_with("release") {
            build.arg("--release");
        }
        forget_cargo(&mut build);
        let built = build.status().expect("cargo runs");
        assert!(built.success(), "gearmesh was not built");
        target.join("gearmesh")
    })
}

/// Keeps from a cargo that a program starts what the cargo around that program said about it: to
/// build scripts that would look like a change of theirs, and half the crates would be built anew.
pub fn forget_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// Runs `gearmesh` with these arguments to its end.
///
/// # Panics
/// It cannot be started.
pub fn gearmesh(arguments: &[impl AsRef<OsStr>]) -> Said {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null()).env_remove("GEARMESH_HOME");
    command.output().expect("gearmesh runs").into()
}

/// The folder of this build's programs.
fn target_folder() -> PathBuf {
    let here = std::env::current_exe().expect("a test has a path");
    let folder = here.parent().expect("in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().expect("above") } else { folder };
    folder.to_owned()
}
