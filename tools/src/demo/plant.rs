//! The demo's nodes: real processes in a temporary folder.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gearmesh_protocol::local::Status;
use tokio::process::{Child, Command};

use super::failed;
use crate::cli::Context;
use crate::client::Client;
use crate::exit::Failure;
use crate::keyring;

/// The founding node.
pub(super) const GATEWAY: &str = "gateway-1";

/// The machines, in the order in which they join.
pub(super) const MACHINES: [&str; 3] = ["press-1", "robot-1", "packer-1"];

/// Where the recording appears that a machine plays.
pub(super) const RECORDING: &str = "recording";

/// How the folders of demos begin.
const FOLDER: &str = "gearmesh-demo-";

/// The file in it that a living demo holds locked.
const OWNER: &str = "owner";

/// How long a process may take to answer after its start.
const START_MAX: Duration = Duration::from_secs(20);

/// How long a process may take to stop before it is ended.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Between two looks at something that is awaited.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A folder with the homes of all nodes, and their processes.
pub(super) struct DemoPlant {
    folder: PathBuf,
    program: PathBuf,
    nodes: Vec<Child>,
    player: Option<Child>,
    /// Locked as long as this demo lives, however it ends.
    _owner: File,
}

/// Removes what demos left behind that were killed: their locks went with them, and their nodes
/// stopped when they did.
fn remove_abandoned(above: &Path) {
    for entry in std::fs::read_dir(above).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(FOLDER);
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_ours || !is_folder {
            continue;
        }
        // A demo that begins at this moment has no lock yet, and one of another user cannot be
        // opened: both stay.
        let owner = File::options().write(true).open(entry.path().join(OWNER));
        if owner.is_ok_and(|owner| owner.try_lock().is_ok()) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

impl DemoPlant {
    /// A fresh folder in the system's place for temporary files.
    pub(super) fn create() -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::system)?;
        let above = std::env::temp_dir();
        remove_abandoned(&above);
        let name: String = keyring::random()?[..4].iter().map(|b| format!("{b:02x}")).collect();
        let folder = above.join(format!("{FOLDER}{name}"));
        let failed = |error: std::io::Error| {
            Failure::system(format!("cannot create {}: {error}", folder.display()))
        };
        std::fs::DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let owner = File::create(folder.join(OWNER)).map_err(failed)?;
        owner.lock().map_err(failed)?;
        Ok(Self { folder, program, nodes: Vec::new(), player: None, _owner: owner })
    }

    /// The home of a node.
    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The context of a command for a node.
    pub(super) fn context(&self, name: &str) -> Context {
        Context {
            home: self.home(name),
            keyring: self.folder.join("keyring"),
            json: false,
            unsigned: None,
            home_is_named: true,
        }
    }

    /// This program, as it would be typed.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a command of this program to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::null())
            // Whoever stops the demo stops the command that it waits for.
            .kill_on_drop(true)
            .output()
            .await
            .map_err(Failure::system)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let error = String::from_utf8_lossy(&output.stderr);
        Err(failed(format!("`{}` failed: {}", arguments.join(" "), error.trim())))
    }

    /// Starts a node, and waits until it answers.
    pub(super) async fn start(&mut self, name: &str) -> Result<Client, Failure> {
        let home = self.home(name);
        let log = self.folder.join(format!("{name}.log"));
        let log = File::create(&log).map_err(Failure::system)?;
        let node = Command::new(&self.program)
            .args(["--home", &home.to_string_lossy(), "up", "--listen", "127.0.0.1:0"])
            .args(["--no-mdns", "--until-stdin-ends"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::system)?;
        self.nodes.push(node);
        let started = async {
            loop {
                if home.exists()
                    && let Ok(client) = Client::of(&home)
                    && let Ok(status) = client.get::<Status>("/v1/status").await
                    && !status.listen.is_empty()
                {
                    return client;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(START_MAX, started).await.map_err(|_| {
            let log = self.folder.join(format!("{name}.log"));
            let said = std::fs::read_to_string(log).unwrap_or_default();
            failed(format!("{name} does not answer: {}", said.trim()))
        })
    }

    /// Lets a node play a recording over and over, until the demo ends.
    pub(super) fn replay(&mut self, name: &str, recording: &Path) -> Result<(), Failure> {
        let home = self.home(name);
        let player = Command::new(&self.program)
            .args(["--home", &home.to_string_lossy(), "replay"])
            .arg(recording)
            .args(["--as", RECORDING, "--speed", "10x", "--again"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.player = Some(player.map_err(Failure::system)?);
        Ok(())
    }

    /// The client of a running node.
    pub(super) fn client(&self, name: &str) -> Result<Client, Failure> {
        Client::of(&self.home(name))
    }

    /// Stops all nodes and removes the folder.
    pub(super) async fn stop(mut self) {
        if let Some(player) = &mut self.player {
            drop(player.kill().await);
        }
        for node in &mut self.nodes {
            // The end of its standard input tells a node to stop.
            drop(node.stdin.take());
        }
        for node in &mut self.nodes {
            if tokio::time::timeout(STOP_MAX, node.wait()).await.is_err() {
                drop(node.kill().await);
            }
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
