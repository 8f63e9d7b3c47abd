//! Another implementation of libp2p, js-libp2p, at the partner port: it speaks TLS, yamux, identify
//! and gossipsub as we do, and without an agreement it gets nothing.
#![expect(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use gearmesh_protocol::partner_session::{GOSSIP_PROTOCOL, SESSION_PROTOCOL};
use gearmesh_tests::daemon::{Plant, free_port};
use gearmesh_tests::skip::skip;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::SwarmEvent;
use libp2p::{SwarmBuilder, tcp, tls, yamux};
use serde::Deserialize;
use tokio::sync::oneshot;

/// What the other implementation says of itself.
#[derive(Debug, Deserialize)]
struct Came {
    handshakes: u32,
    spoken: Vec<String>,
    identified: Vec<String>,
    subscribers: u32,
    messages: u32,
}

/// A topic as random as those of agreements.
const TOPIC: &str = "0f0e0d0c0b0a09080706050403020100";

/// What gossipsub is called where nobody calls it otherwise.
const MESHSUB: &str = "/meshsub/1.1.0";

/// What npm leaves where it has put everything that the lock file names.
const FETCHED: &str = "node_modules/.package-lock.json";

/// The program with its libraries, which npm fetches once; or why it cannot be had.
fn program() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let lock = |folder: &Path| std::fs::read(folder.join("package-lock.json")).ok();
    let is_fetched = folder.join(FETCHED).exists() && lock(&folder) == lock(&source);
    for file in ["package.json", "package-lock.json", "peer.mjs", "polyfill.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).map_err(|error| error.to_string())?;
    }
    if is_fetched {
        return Ok(folder.join("peer.mjs"));
    }
    let mut npm = Command::new("timeout");
    npm.args(["180", "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    let said = npm.current_dir(&folder).stdin(Stdio::null()).output();
    let said = said.map_err(|error| format!("npm: {error}"))?;
    match said.status.success() {
        true => Ok(folder.join("peer.mjs")),
        false => Err(format!("npm: {}", String::from_utf8_lossy(&said.stderr))),
    }
}

fn came(program: &Path, address: &str, protocols: &[&str]) -> Came {
    let mut node = Command::new("node");
    node.arg(program).args([address, TOPIC]).args(protocols);
    let said = node.stdin(Stdio::null()).output().expect("node runs");
    let line = String::from_utf8_lossy(&said.stdout).into_owned();
    let errors = String::from_utf8_lossy(&said.stderr);
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}{errors}"))
}

/// A peer of our own implementation that lets everybody in, and tells where it listens.
async fn open_peer(told: oneshot::Sender<String>) {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .build()
        .expect("a configuration");
    let behaviour: gossipsub::Behaviour =
        gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("gossip");
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), tls::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|_| behaviour)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.behaviour_mut().subscribe(&IdentTopic::new(TOPIC)).expect("a subscription");
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("a port");
    let mut told = Some(told);
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await
            && let Some(told) = told.take()
        {
            drop(told.send(address.to_string()));
        }
    }
}

#[test]
fn another_implementation_without_an_agreement_gets_nothing() {
    let program = match program() {
        Ok(program) => program,
        Err(reason) => return skip("partner_foreign", &format!("js-libp2p is not here: {reason}")),
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    let (told, at) = oneshot::channel();
    let peer = runtime.spawn(open_peer(told));
    let open = came(&program, &runtime.block_on(at).expect("an address"), &[MESHSUB]);
    peer.abort();
    // It can do what it is to be refused: whoever lets it in, it talks to.
    assert!(open.handshakes == 1 && open.spoken == [MESHSUB], "{open:?}");

    let (mut plant, port) = (Plant::founded(), free_port());
    plant.log_as("info");
    let partners = format!("127.0.0.1:{port}");
    let words = ["--listen", "127.0.0.1:0", "--partners", &partners, "--no-mdns", "--no-host"];
    let _node = plant.up_with("gateway-1", &words);
    let closed = came(
        &program,
        &format!("/ip4/127.0.0.1/tcp/{port}"),
        &[SESSION_PROTOCOL, GOSSIP_PROTOCOL, MESHSUB],
    );
    assert!(closed.spoken.is_empty(), "{closed:?}");
    assert!(closed.identified.is_empty(), "{closed:?}");
    assert_eq!((closed.messages, closed.subscribers), (0, 0), "{closed:?}");
    let log = plant.log("gateway-1");
    assert!(log.contains("a gateway is not admitted"), "{log}");
}
