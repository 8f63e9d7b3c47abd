//! Real nodes: processes of `gearmesh up` with homes in a temporary folder.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{MemberStatus, Presence, Status};
use tempfile::TempDir;

use crate::api::Api;
use crate::cli::{self, Said, gearmesh};
use crate::wait::until;

/// A plant for one test. Its processes end with it.
pub struct Plant {
    folder: TempDir,
    /// Words before the program, such as `ip netns exec NAME`, for each node by name.
    prefixes: Vec<(String, Vec<String>)>,
    /// What all its nodes write to their logs; the program's own choice if empty.
    log_filter: String,
}

/// One running node. Dropping it kills it.
pub struct Daemon {
    home: PathBuf,
    process: Child,
}

impl Plant {
    /// An empty folder, and nothing founded yet.
    ///
    /// # Panics
    /// No folder can be made.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            prefixes: Vec::new(),
            log_filter: String::new(),
        }
    }

    /// A plant founded by a node called `gateway-1`, which does not run yet.
    #[must_use]
    pub fn founded() -> Self {
        let plant = Self::empty();
        let words = ["init", "Test plant", "--node-name", "gateway-1"];
        let _ = plant.gearmesh("gateway-1", &words).ok();
        plant
    }

    /// A plant of `gateway-1`, which keeps the port that stands second here, and `press-1`; both run
    /// and are linked.
    #[must_use]
    pub fn of_two() -> (Self, u16, Daemon, Daemon) {
        let plant = Self::founded();
        let port = free_port();
        let gateway = plant.up_at("gateway-1", port);
        plant.join("press-1");
        let press = plant.up("press-1");
        plant.wait_for("gateway-1", "press-1", Presence::Online);
        plant.wait_for("press-1", "gateway-1", Presence::Online);
        (plant, port, gateway, press)
    }

    /// Lets the commands and nodes of `name` run behind these words (`ip netns exec …`).
    pub fn run_behind(&mut self, name: &str, words: &[&str]) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        self.prefixes.retain(|(node, _)| node != name);
        self.prefixes.push((name.to_owned(), words));
    }

    /// Leaves its folder where it is when it ends. Where that is.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }

    /// Lets all its commands and nodes log what this filter says.
    pub fn log_as(&mut self, filter: &str) {
        filter.clone_into(&mut self.log_filter);
    }

    /// The home of a node.
    #[must_use]
    pub fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The admin keyring.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.folder.path().join("keyring")
    }

    /// Types a command at a node.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn gearmesh(&self, name: &str, arguments: &[&str]) -> Said {
        self.command_at(name, arguments).output().expect("gearmesh runs").into()
    }

    /// Types a command at a node, and something into it.
    ///
    /// # Panics
    /// It cannot be started, or does not listen.
    pub fn gearmesh_reading(&self, name: &str, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command_at(name, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("gearmesh starts");
        let mut stdin = process.stdin.take().expect("its input");
        stdin.write_all(input.as_bytes()).expect("it reads");
        drop(stdin);
        process.wait_with_output().expect("gearmesh ends").into()
    }

    /// Types a command at a node, and does not wait for it. Its standard output is in
    /// [`Plant::said`], and dropping it kills it.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn begin(&self, name: &str, arguments: &[&str]) -> Daemon {
        let said = File::create(self.said_path(name)).expect("a file");
        let mut command = self.command_at(name, arguments);
        let process = command.stdout(said).stderr(Stdio::null()).spawn().expect("gearmesh starts");
        Daemon { home: self.home(name), process }
    }

    /// What the command said so far that was begun last at a node.
    #[must_use]
    pub fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.said_path(name)).unwrap_or_default()
    }

    /// Starts a node on loopback, without multicast, and waits until it answers.
    #[must_use]
    pub fn up(&self, name: &str) -> Daemon {
        self.up_with(name, &["--listen", "127.0.0.1:0", "--no-mdns"])
    }

    /// Starts a node on a port of loopback that it keeps over restarts, and waits until it answers.
    #[must_use]
    pub fn up_at(&self, name: &str, port: u16) -> Daemon {
        self.up_with(name, &["--listen", &format!("127.0.0.1:{port}"), "--no-mdns"])
    }

    /// Starts a node with these arguments, and waits until it answers.
    #[must_use]
    pub fn up_with(&self, name: &str, arguments: &[&str]) -> Daemon {
        let daemon = self.spawn(name, arguments);
        until(&format!("{name} answers"), || {
            let said = self.gearmesh(name, &["status", "--json"]);
            let status: Option<Status> = serde_json::from_str(&said.out).ok();
            status.filter(|status| !status.listen.is_empty())
        });
        daemon
    }

    /// Starts a node with these arguments, and does not wait.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn spawn(&self, name: &str, arguments: &[&str]) -> Daemon {
        let log = File::create(self.log_path(name)).expect("a log file");
        let process = self
            .command(name)
            .arg("--home")
            .arg(self.home(name))
            .arg("up")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("gearmesh starts");
        Daemon { home: self.home(name), process }
    }

    /// What a node said since its last start.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_path(name)).unwrap_or_default()
    }

    /// Makes a code for a machine, at the founding node.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn code(&self, name: &str, more: &[&str]) -> String {
        let words = [&["add", name, "--no-wait"], more].concat();
        let said = self.gearmesh("gateway-1", &words).ok();
        let code = said.split_whitespace().find(|word| word.starts_with("gm1:"));
        code.expect("a code").to_owned()
    }

    /// Makes a code and joins with it.
    pub fn join(&self, name: &str) {
        let code = self.code(name, &[]);
        let _ = self.gearmesh(name, &["join", &code]).ok();
    }

    /// What a node says of itself.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn status(&self, name: &str) -> Status {
        let said = self.gearmesh(name, &["status", "--json"]).ok();
        serde_json::from_str(&said).expect("a status")
    }

    /// The members as a node sees them.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<MemberStatus> {
        let said = self.gearmesh(name, &["members", "--json"]).ok();
        serde_json::from_str(&said).expect("members")
    }

    /// How one member stands, as a node sees it.
    #[must_use]
    pub fn presence(&self, at: &str, of: &str) -> Option<Presence> {
        self.members(at).into_iter().find(|member| member.name == of).map(|member| member.presence)
    }

    /// The records of a key's trust log as sentences, oldest first, as a node knows them.
    #[must_use]
    pub fn records(&self, at: &str, key: &PublicKey) -> Vec<String> {
        let log = Api::of(&self.home(at)).trust_log(key);
        log.records.into_iter().map(|record| record.text).collect()
    }

    /// How often the founding node has admitted a name.
    #[must_use]
    pub fn admissions_of(&self, name: &str) -> usize {
        let records = self.records("gateway-1", &self.status("gateway-1").key);
        records.iter().filter(|record| **record == format!("admits {name}")).count()
    }

    /// Waits until a node sees a member in a state.
    pub fn wait_for(&self, at: &str, of: &str, wanted: Presence) {
        let what = format!("{of} is {wanted} at {at}");
        until(&what, || (self.presence(at, of) == Some(wanted)).then_some(()));
    }

    fn log_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    fn said_path(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.said"))
    }

    /// A command at a node, not typed yet.
    #[must_use]
    pub fn command_at(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(name);
        command.arg("--home").arg(self.home(name)).arg("--keyring").arg(self.keyring());
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn command(&self, name: &str) -> Command {
        let prefix = self.prefixes.iter().find(|(node, _)| node == name).map(|(_, words)| words);
        let mut command = match prefix.map(Vec::as_slice) {
            Some([first, rest @ ..]) => {
                let mut command = Command::new(first);
                command.args(rest).arg(cli::program());
                command
            }
            _ => Command::new(cli::program()),
        };
        command.env_remove("GEARMESH_HOME").env_remove("GEARMESH_KEYRING");
        match self.log_filter.is_empty() {
            true => command.env_remove("GEARMESH_LOG"),
            false => command.env("GEARMESH_LOG", &self.log_filter),
        };
        command
    }
}

impl Daemon {
    /// Its home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it without warning.
    ///
    /// # Panics
    /// It cannot be killed.
    pub fn kill(mut self) {
        self.process.kill().expect("a kill");
        self.process.wait().expect("it ended");
    }

    /// Asks it to stop, and waits until it has. Its exit code.
    ///
    /// # Panics
    /// It cannot be asked.
    pub fn stop(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill -TERM");
        let ended = until("the node stops", || self.process.try_wait().ok().flatten());
        ended.code()
    }

    /// Waits until it ends by itself. Its exit code.
    pub fn wait(mut self) -> Option<i32> {
        until("the node ends", || self.process.try_wait().ok().flatten()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of loopback that nobody uses: below those that systems hand out by themselves, so that
/// it is still free when a node comes back to it.
///
/// # Panics
/// All are taken.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const PORTS: u16 = 16_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(PORTS)).expect("below the count");
    let next = |_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..PORTS).map(next).find(is_free).expect("a free port")
}

/// Types a command that belongs to no node.
pub fn type_in(arguments: &[&str]) -> Said {
    gearmesh(arguments)
}
