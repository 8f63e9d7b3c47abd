//! What runs beside the programs: a server or a broker, with a configuration of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bench_common::{Memory, memory_of, usage_of, within};

use crate::child::{Player, tail};
use crate::programs::{Places, etcd, mosquitto};

/// How long a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end.
const STOP_MAX: Duration = Duration::from_secs(20);

/// An address on loopback where nobody listens.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A server of somebody else. Dropping it kills it.
#[derive(Debug)]
struct Server {
    process: Child,
}

/// Everything that runs beside the programs, as one: what it costs is added up.
#[derive(Debug, Default)]
pub(crate) struct Company {
    server: Option<Server>,
    nodes: Vec<Player>,
}

impl Company {
    /// `nats-server`, core messages only.
    pub(crate) fn nats(places: &Places, at: SocketAddr, tls: &Path, folder: &Path) -> Result<Self> {
        Self::nats_with(places, at, &nats_tls(tls), folder)
    }

    /// `nats-server` with JetStream in a folder: synced after every write, or as it comes. Without
    /// certificates nothing is encrypted.
    pub(crate) fn jetstream(
        places: &Places,
        at: SocketAddr,
        store: (&Path, bool),
        tls: Option<&Path>,
        folder: &Path,
    ) -> Result<Self> {
        let (store, is_synced) = (store.0.display(), store.1);
        let sync = if is_synced { "  sync_interval: always\n" } else { "" };
        let text = format!("jetstream {{\n  store_dir: \"{store}\"\n{sync}}}\n");
        let text = text + &tls.map(nats_tls).unwrap_or_default();
        Self::nats_with(places, at, &text, folder)
    }

    /// `nats-server` that takes leaf nodes at a door.
    pub(crate) fn nats_hub(
        places: &Places,
        at: SocketAddr,
        door: SocketAddr,
        tls: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let own = nats_tls(tls);
        let text = format!("server_name: hub\n{own}leafnodes {{\n  listen: \"{door}\"\n{own}}}\n");
        Self::nats_with(places, at, &text, folder)
    }

    /// `nats-server` that is a leaf node of another.
    pub(crate) fn nats_leaf(
        places: &Places,
        at: SocketAddr,
        door: SocketAddr,
        tls: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let own = nats_tls(tls);
        let file = |name: &str| tls.join(name).display().to_string();
        let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client.key"));
        let remote = format!(
            "{{ url: \"tls://{door}\", tls {{ ca_file: \"{ca}\", cert_file: \"{cert}\", \
             key_file: \"{key}\" }} }}"
        );
        let text = format!(
            "server_name: \"leaf-{}\"\n{own}leafnodes {{ remotes: [ {remote} ] }}\n",
            at.port()
        );
        Self::nats_with(places, at, &text, folder)
    }

    fn nats_with(places: &Places, at: SocketAddr, text: &str, folder: &Path) -> Result<Self> {
        let settings = folder.join("nats.conf");
        fs::write(&settings, format!("listen: \"{at}\"\n{text}"))?;
        let mut command = Command::new(places.nats());
        command.arg("--config").arg(settings);
        Self::serve(command, at, folder)
    }

    /// `mosquitto`, nothing on disk. It drops nothing that waits for a client: `0` is no limit.
    pub(crate) fn mosquitto(at: SocketAddr, tls: &Path, folder: &Path) -> Result<Self> {
        Self::mosquitto_with(at, "", tls, folder)
    }

    /// The same, with a bridge by which a topic of another broker comes in, under this name.
    pub(crate) fn mosquitto_bridge(
        at: SocketAddr,
        (other, topic, name): (SocketAddr, &str, String),
        tls: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let file = |name: &str| tls.join(name).display().to_string();
        let bridge = format!(
            "connection {name}\naddress {other}\ntopic {topic} in 0\nnotifications false\n\
             try_private false\nbridge_cafile {}\nbridge_certfile {}\nbridge_keyfile {}\n",
            file("ca.pem"),
            file("client.pem"),
            file("client.key")
        );
        Self::mosquitto_with(at, &bridge, tls, folder)
    }

    fn mosquitto_with(at: SocketAddr, more: &str, tls: &Path, folder: &Path) -> Result<Self> {
        let file = |name: &str| tls.join(name).display().to_string();
        let text = format!(
            "listener {} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n\
             max_queued_messages 0\nset_tcp_nodelay true\nlog_type error\nlog_dest stderr\n\
             cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\n{more}",
            at.port(),
            file("ca.pem"),
            file("server.pem"),
            file("server.key")
        );
        let settings = folder.join("mosquitto.conf");
        fs::write(&settings, text)?;
        let mut command = Command::new(mosquitto()?);
        command.arg("-c").arg(settings);
        Self::serve(command, at, folder)
    }

    /// `etcd`, one server by itself, with what it stores in the folder.
    pub(crate) fn etcd(at: SocketAddr, tls: &Path, folder: &Path) -> Result<Self> {
        let (own, peers) = (format!("https://{at}"), format!("http://{}", free_address()?));
        let mut command = Command::new(etcd()?);
        command.args(["--name", "bench", "--log-level", "error", "--client-cert-auth"]);
        command.arg("--data-dir").arg(folder.join("etcd"));
        command.args(["--listen-client-urls", &own, "--advertise-client-urls", &own]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("bench={peers}")]);
        let files = [
            ("--cert-file", "server.pem"),
            ("--key-file", "server.key"),
            ("--trusted-ca-file", "ca.pem"),
        ];
        for (word, file) in files {
            command.arg(word).arg(tls.join(file));
        }
        Self::serve(command, at, folder)
    }

    /// Nodes that the programs talk to.
    pub(crate) fn nodes(nodes: Vec<Player>) -> Self {
        Self { server: None, nodes }
    }

    fn serve(mut command: Command, at: SocketAddr, folder: &Path) -> Result<Self> {
        let log: PathBuf = folder.join("server.log");
        let out = File::create(&log)?;
        let process = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        let mut server = Server { process };
        let serves = within(START_MAX, || {
            let ended = !matches!(server.process.try_wait(), Ok(None));
            if ended { Some(false) } else { TcpStream::connect(at).is_ok().then_some(true) }
        });
        if serves != Some(true) {
            bail!("{} does not serve: {}", command.get_program().display(), tail(&log));
        }
        Ok(Self { server: Some(server), nodes: Vec::new() })
    }

    /// Ends the server as its users do, so that it keeps what it has.
    pub(crate) fn stop(self) -> Result<()> {
        let Some(mut server) = self.server else { return Ok(()) };
        let id = server.process.id().to_string();
        ensure!(Command::new("kill").arg(&id).status()?.success(), "nobody to end");
        let ended = within(STOP_MAX, || server.process.try_wait().ok().flatten());
        ended.map(drop).context("the server does not end")
    }

    /// The server's process, if there is one.
    pub(crate) fn server(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.process.id())
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        let server = self.server.iter().map(|server| server.process.id());
        server.chain(self.nodes.iter().map(Player::id))
    }

    /// CPU time of all of it so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.ids().filter_map(|id| usage_of(id).ok()).sum()
    }

    /// Memory of all of it; `None` if there is nothing.
    pub(crate) fn memory(&self) -> Option<Memory> {
        let all: Vec<Memory> =
            self.ids().filter_map(|id| memory_of(&id.to_string()).ok()).collect();
        (!all.is_empty()).then(|| Memory {
            resident: all.iter().map(|one| one.resident).sum(),
            peak: all.iter().map(|one| one.peak).sum(),
        })
    }
}

fn nats_tls(tls: &Path) -> String {
    let file = |name: &str| tls.join(name).display().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    format!(
        "tls {{\n  cert_file: \"{cert}\"\n  key_file: \"{key}\"\n  ca_file: \"{ca}\"\n  \
         verify: true\n}}\n"
    )
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
