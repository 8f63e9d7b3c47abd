//! The copy of the workspace in which a bug is planted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::Bug;

/// What the simulator is built from.
const TAKEN: [&str; 6] = ["Cargo.toml", "Cargo.lock", "protocol", "node", "tools", "tests"];

/// What lies there and has nothing to do with it: other workspaces, inputs, and programs that would
/// be linked anew for every bug.
const LEFT_OUT: [&str; 6] = [
    "tests/bench",
    "tests/fuzz",
    "tests/corpus",
    "tests/src/bin",
    "tests/src/runner",
    "tests/src/main.rs",
];

/// What is not installed here without which nothing can be planted.
#[must_use]
pub fn missing() -> Option<&'static str> {
    let is_there = Command::new("patch").arg("--version").output().is_ok();
    (!is_there).then_some("the program `patch` is not installed")
}

/// A copy of the workspace as it was when the hunt began, so that it may be worked on meanwhile.
pub(super) struct Tree {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Tree {
    /// Reads the workspace, for a copy in `folder`.
    pub(super) fn of(workspace: &Path, folder: PathBuf) -> Result<Self, String> {
        let mut files = BTreeMap::new();
        for name in TAKEN {
            read(workspace, Path::new(name), &mut files)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        let manifest = files.get_mut(Path::new("tests/Cargo.toml"));
        let manifest = manifest.ok_or("tests/Cargo.toml is not there")?;
        *manifest = without_programs(manifest);
        Ok(Self { folder, files })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the copy what the workspace is. What does not differ is not touched: it would be
    /// compiled again.
    pub(super) fn restore(&self) -> Result<(), String> {
        let failed = |error: io::Error| format!("{}: {error}", self.folder.display());
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut there = BTreeMap::new();
        read(&self.folder, Path::new(""), &mut there).map_err(failed)?;
        for stale in there.keys().filter(|path| !self.files.contains_key(*path)) {
            fs::remove_file(self.folder.join(stale)).map_err(failed)?;
        }
        for (path, bytes) in
            self.files.iter().filter(|(path, bytes)| there.get(*path) != Some(bytes))
        {
            let path = self.folder.join(path);
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            fs::write(&path, bytes).map_err(failed)?;
        }
        Ok(())
    }

    /// Plants a bug in a copy that was restored.
    pub(super) fn plant(&self, bug: &Bug) -> Result<(), String> {
        let mut patch = Command::new("patch");
        patch.args([
            "-p1",
            "--batch",
            "--forward",
            "--no-backup-if-mismatch",
            "--reject-file=-",
            "-i",
        ]);
        let output = patch.arg(&bug.patch).current_dir(&self.folder).output();
        let output = output.map_err(|error| format!("patch: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let name = &bug.name;
        Err(format!("tests/planted/{name}.patch does not apply any more, make it anew:\n{said}"))
    }
}

fn read(root: &Path, at: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    if LEFT_OUT.iter().any(|left_out| at == Path::new(left_out)) {
        return Ok(());
    }
    let path = root.join(at);
    if !path.is_dir() {
        files.insert(at.to_owned(), fs::read(path)?);
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name != "target" {
            read(root, &at.join(name), files)?;
        }
    }
    Ok(())
}

/// The manifest of the tests, for a package without programs.
fn without_programs(manifest: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(manifest);
    let kept = text.lines().filter(|line| !line.starts_with("default-run"));
    kept.map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}
