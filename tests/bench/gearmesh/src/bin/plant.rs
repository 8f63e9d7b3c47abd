//! Founds the measured plant with the `gearmesh` beside this program, as a technician would: the
//! first home founds, the others join with codes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench_common::within;
use bench_gearmesh::{home, name};
use clap::Parser;

/// How long a node may take until it answers.
const ANSWER_MAX: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Words {
    /// The folder of all homes.
    #[arg(long)]
    folder: PathBuf,
    /// How many members, the founding one included.
    #[arg(long)]
    members: usize,
}

/// A running node. Dropping it kills it; its journal bears that.
struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let Words { folder, members } = Words::parse();
    gearmesh(&folder, 0, &["init", "Bench plant", "--node-name", &name(0)])?;
    let _founder = up(&folder, 0)?;
    for index in 1..members {
        let said = gearmesh(&folder, 0, &["add", &name(index), "--no-wait", "--expires", "1h"])?;
        let code = said.split_whitespace().find(|word| word.starts_with("gm1:"));
        let _joining = up(&folder, index)?;
        gearmesh(&folder, index, &["join", code.context("no code")?])?;
    }
    Ok(())
}

fn command(folder: &Path, index: usize) -> Result<Command> {
    let this = std::env::current_exe()?;
    let mut command = Command::new(this.with_file_name("gearmesh"));
    command.env_remove("GEARMESH_HOME").env_remove("GEARMESH_KEYRING").stdin(Stdio::null());
    command.arg("--home").arg(home(folder, index));
    command.arg("--keyring").arg(folder.join("keyring"));
    Ok(command)
}

/// Types a command at a node: what it says.
fn gearmesh(folder: &Path, index: usize, arguments: &[&str]) -> Result<String> {
    let said = command(folder, index)?.args(arguments).output().context("no gearmesh")?;
    let error = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{}: {}", arguments.join(" "), error.trim());
    Ok(String::from_utf8(said.stdout)?)
}

/// Starts a node, and waits until it answers.
fn up(folder: &Path, index: usize) -> Result<Up> {
    let mut command = command(folder, index)?;
    command.args(["up", "--listen", "127.0.0.1:0", "--no-mdns"]);
    let node = Up(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let answer = within(ANSWER_MAX, || gearmesh(folder, index, &["status", "--json"]).ok());
    answer.with_context(|| format!("{} does not answer", name(index)))?;
    Ok(node)
}
