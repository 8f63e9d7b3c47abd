//! A stranger on the network: `stranger IP:PORT CONNECTIONS SECONDS`.
//!
//! It keeps so many connections to a node busy for so long, counted from when all have tried once.
//! A third of them say nothing after the TCP connect, a third send garbage, and a third finish the
//! TLS handshake under a key of their own and say nothing after it. Whoever is turned away comes
//! back a second later. It prints one line when all have tried once, and its counts at the end.
#![expect(clippy::print_stdout, reason = "its output is read by the suite that started it")]

use std::error::Error;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::core::muxing::StreamMuxerExt as _;
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport as _};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, tcp, tls, yamux};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How long one that was turned away stays away.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a busy connection is kept before it is given up and opened anew.
const KEPT: Duration = Duration::from_secs(6);

/// Until all connections have tried once.
const TRIED_MAX: Duration = Duration::from_secs(60);

/// Between two portions of garbage on one connection.
const PORTION: Duration = Duration::from_millis(50);

/// What came of all connections.
#[derive(Default)]
struct Counts {
    connected: AtomicU64,
    garbage_bytes: AtomicU64,
    handshakes: AtomicU64,
}

#[derive(Clone, Copy)]
enum Manner {
    Silent,
    Garbage,
    Handshake,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, connections, seconds] = &words[..] else {
        return Err("stranger IP:PORT CONNECTIONS SECONDS".into());
    };
    let (target, connections) = (target.parse()?, connections.parse()?);
    let span = Duration::from_secs(seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attack(target, connections, span))
}

async fn attack(
    target: SocketAddr,
    connections: usize,
    span: Duration,
) -> Result<(), Box<dyn Error>> {
    let counts = Arc::new(Counts::default());
    // One place more than connections: the last one is for whoever says that all have tried.
    let tried = Arc::new(Barrier::new(connections + 1));
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let manner = [Manner::Silent, Manner::Garbage, Manner::Handshake][number % 3];
        tasks.spawn(come_again(target, manner, Arc::clone(&counts), Arc::clone(&tried)));
    }
    // On a busy machine, with the lowest priority, this may take longer than the attack itself.
    timeout(TRIED_MAX, tried.wait()).await?;
    println!("all {connections} have tried");
    // The end of the span is how an attack is meant to end.
    timeout(span, pending::<()>()).await.unwrap_or_default();
    tasks.abort_all();
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (connected, handshakes) = (read(&counts.connected), read(&counts.handshakes));
    let garbage = read(&counts.garbage_bytes);
    println!("{connected} connects, {handshakes} handshakes, {garbage} bytes of garbage");
    Ok(())
}

async fn come_again(target: SocketAddr, manner: Manner, counts: Arc<Counts>, tried: Arc<Barrier>) {
    let (first, mut connected) = mpsc::channel(1);
    let visits = async {
        let mut beat = interval(PAUSE);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let visit = async {
                match manner {
                    Manner::Silent => silent(target, &counts, &first).await,
                    Manner::Garbage => garbage(target, &counts, &first).await,
                    Manner::Handshake => handshake(target, &counts, &first).await,
                }
            };
            // A visit that fails or lasts too long is followed by the next.
            drop(timeout(KEPT, visit).await);
            first.try_send(()).unwrap_or_default();
        }
    };
    let report = async {
        connected.recv().await;
        tried.wait().await;
        pending::<()>().await;
    };
    tokio::join!(visits, report);
}

/// Connects and waits for the node to hang up.
async fn silent(
    target: SocketAddr,
    counts: &Counts,
    first: &mpsc::Sender<()>,
) -> std::io::Result<()> {
    let mut stream = connect(target, counts, first).await?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.map(drop)
}

/// Sends what is no protocol at all until the node hangs up.
async fn garbage(
    target: SocketAddr,
    counts: &Counts,
    first: &mpsc::Sender<()>,
) -> std::io::Result<()> {
    let mut stream = connect(target, counts, first).await?;
    let mut beat = interval(PORTION);
    let mut bytes = [0_u8; 512];
    for seed in 0_u64.. {
        beat.tick().await;
        for (at, byte) in bytes.iter_mut().enumerate() {
            let mixed = (seed * 512 + at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            *byte = mixed.to_be_bytes()[0];
        }
        stream.write_all(&bytes).await?;
        counts.garbage_bytes.fetch_add(512, Ordering::Relaxed);
    }
    Ok(())
}

async fn connect(
    target: SocketAddr,
    counts: &Counts,
    first: &mpsc::Sender<()>,
) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    counts.connected.fetch_add(1, Ordering::Relaxed);
    first.try_send(()).unwrap_or_default();
    Ok(stream)
}

/// Does the handshake of the transport as a node would, under a fresh key, and says nothing more.
async fn handshake(
    target: SocketAddr,
    counts: &Counts,
    first: &mpsc::Sender<()>,
) -> std::io::Result<()> {
    let tls = tls::Config::new(&Keypair::generate_ed25519()).map_err(std::io::Error::other)?;
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(tls)
        .multiplex(yamux::Config::default())
        .boxed();
    let address = Multiaddr::from(target.ip()).with(Protocol::Tcp(target.port()));
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dialled = transport.dial(address, options).map_err(std::io::Error::other)?;
    let (_, mut muxer) = dialled.await?;
    counts.connected.fetch_add(1, Ordering::Relaxed);
    counts.handshakes.fetch_add(1, Ordering::Relaxed);
    first.try_send(()).unwrap_or_default();
    loop {
        poll_fn(|cx| muxer.poll_unpin(cx)).await?;
    }
}
