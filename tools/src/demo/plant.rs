//! The demo's plant: the homes of its nodes in a temporary folder, and their processes.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gearmesh_node::listen::Endpoint;
use gearmesh_protocol::local::Status;
use tokio::process::{Child, Command};

use super::failed;
use super::machine::CONVEYOR;
use super::process::Processes;
use crate::cli::Context;
use crate::client::Client;
use crate::exit::Failure;
use crate::keyring;

/// The founding node.
pub(super) const GATEWAY: &str = "gateway-1";

/// The machines, in the order in which they join.
pub(super) const MACHINES: [&str; 3] = ["press-1", "robot-1", "packer-1"];

/// The other company's gateway.
pub(super) const CUSTOMER: &str = "acme-1";

/// Where the recording appears that a machine plays.
pub(super) const RECORDING: &str = "recording";

/// How the folders of demos begin.
const FOLDER: &str = "gearmesh-demo-";

/// The file in it that a living demo holds locked.
const OWNER: &str = "owner";

/// How long a process may take to answer after its start.
const START_MAX: Duration = Duration::from_secs(20);

/// For how long the conveyor is leased at most: that is also how long it stands after the press's node
/// was started.
const CONVEYOR_LONGEST: &str = "longest=2s";

/// How long a state may take to come about.
pub(super) const AWAIT_MAX: Duration = Duration::from_secs(20);

/// Between two looks at something that is awaited.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A folder with the homes of all nodes, and their processes.
pub(super) struct DemoPlant {
    folder: PathBuf,
    program: PathBuf,
    /// Where the gateways of the two companies meet: that of the plant, and the customer's.
    meeting: (u16, u16),
    /// Its nodes, and the programs of the machines.
    pub(super) processes: Processes,
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
        let processes = Processes::of(&program);
        let meeting = (free_port()?, free_port()?);
        Ok(Self { folder, program, meeting, processes, player: None, _owner: owner })
    }

    /// The home of a node.
    pub(super) fn home(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The keyring of a node's company.
    pub(super) fn keyring(&self, name: &str) -> PathBuf {
        self.folder.join(if name == CUSTOMER { "customer.keyring" } else { "keyring" })
    }

    /// The context of a command for a node.
    pub(super) fn context(&self, name: &str) -> Context {
        Context {
            home: self.home(name),
            keyring: self.keyring(name),
            json: false,
            unsigned: None,
            visit: None,
            plant: None,
            opened: std::cell::OnceCell::new(),
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

    /// Where what a process says to people is written.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// Where a machine keeps its own record.
    pub(super) fn record(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.record"))
    }

    /// Starts a node, and waits until it answers. When it is started again it listens where it did, so that
    /// the others find it even if all were killed.
    pub(super) async fn start(&mut self, name: &str) -> Result<Client, Failure> {
        let home = self.home(name);
        let meeting = self.meeting;
        let words = |listen: &str| node_words(name, &home.to_string_lossy(), listen, meeting);
        let started = self.processes.start(name, words("127.0.0.1:0"), self.log(name));
        started.map_err(Failure::system)?;
        let started = async {
            loop {
                if home.exists()
                    && let Ok(client) = Client::of(&home)
                    && let Ok(status) = client.get::<Status>("/v1/status").await
                    && let Some(listens) = status.listen.iter().find_map(|text| socket(text))
                {
                    return (client, listens);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let (client, listens) = tokio::time::timeout(START_MAX, started).await.map_err(|_| {
            let said = std::fs::read_to_string(self.log(name)).unwrap_or_default();
            failed(format!("{name} does not answer: {}", said.trim()))
        })?;
        self.processes.again_with(name, words(&listens.to_string()));
        Ok(client)
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
        self.processes.stop_all().await;
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A port of loopback that is free at the moment.
fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Failure::system)?;
    Ok(listener.local_addr().map_err(Failure::system)?.port())
}

/// How a node is started. The conveyor is wired to the press; gateways meet each other.
fn node_words(name: &str, home: &str, listen: &str, meeting: (u16, u16)) -> Vec<String> {
    let words = ["--home", home, "up", "--listen", listen, "--no-mdns", "--until-stdin-ends"];
    let mut words: Vec<String> = words.map(str::to_owned).to_vec();
    let meets = match name {
        GATEWAY => Some(meeting.0),
        CUSTOMER => Some(meeting.1),
        _ => None,
    };
    words.extend(
        meets.into_iter().flat_map(|port| ["--partners".to_owned(), format!("127.0.0.1:{port}")]),
    );
    if name == MACHINES[0] {
        words.extend(["--resource".to_owned(), format!("{CONVEYOR},{CONVEYOR_LONGEST}")]);
    }
    words
}

/// The address in what a node says of where it listens.
fn socket(listen: &str) -> Option<SocketAddr> {
    listen.parse::<Endpoint>().ok()?.socket()
}
