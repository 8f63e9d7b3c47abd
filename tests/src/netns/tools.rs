//! Running `ip` and `nft`.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// What a program printed, or why it failed.
pub(super) fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let typed = || format!("{program} {}", arguments.join(" "));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", typed()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input says why on its standard error.
        _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| format!("{}: {error}", typed()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", typed(), said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
