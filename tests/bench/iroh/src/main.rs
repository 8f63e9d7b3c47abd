//! The roles of a measurement over iroh: one QUIC stream to each subscriber, without relays and
//! without discovery. iroh has no publish of its own on streams, so a message is a length and its
//! bytes, written in one go.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bench_common::{Echo, Load, Meter, Role, Trips, Words, ready};
use clap::Parser as _;
use iroh::endpoint::{Connection, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode, SecretKey};
use tokio::sync::mpsc;

const PROTOCOL: &[u8] = b"gearmesh-bench/1";

/// The hub's key, so that the others know whom to expect. It guards nothing.
const HUB: [u8; 32] = [1; 32];

/// Connections of one hub.
const CONNECTIONS_MAX: usize = 64;

/// How long the hub waits for connections to be there before it counts them.
const CONNECT_MAX: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let words = Words::parse();
    match words.role {
        Role::Pub => publish(&words).await,
        Role::Sub => subscribe(&words).await,
        Role::Ping => ping(&words).await,
        Role::Pong => pong(&words).await,
    }
}

async fn endpoint(words: &Words) -> Result<Endpoint> {
    let hub = words.role.is_hub();
    let key = if hub { SecretKey::from_bytes(&HUB) } else { SecretKey::generate() };
    let address = if hub { words.address.to_string() } else { "127.0.0.1:0".to_owned() };
    let builder = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(key)
        .alpns(vec![PROTOCOL.to_vec()])
        .clear_ip_transports()
        .bind_addr(address.as_str())?;
    Ok(builder.bind().await?)
}

/// Accepts until the program ends.
async fn accept(words: &Words) -> Result<mpsc::Receiver<Connection>> {
    let endpoint = endpoint(words).await?;
    let (sender, connections) = mpsc::channel(CONNECTIONS_MAX);
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            if let Ok(connection) = incoming.await
                && sender.send(connection).await.is_err()
            {
                return;
            }
        }
    });
    Ok(connections)
}

async fn connect(words: &Words) -> Result<(Endpoint, Connection)> {
    let endpoint = endpoint(words).await?;
    let hub = EndpointAddr::new(SecretKey::from_bytes(&HUB).public()).with_ip_addr(words.address);
    let connection = endpoint.connect(hub, PROTOCOL).await?;
    Ok((endpoint, connection))
}

fn frame(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(4 + bytes.len());
    frame.extend_from_slice(&u32::try_from(bytes.len())?.to_le_bytes());
    frame.extend_from_slice(bytes);
    Ok(frame)
}

async fn received(stream: &mut RecvStream) -> Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let mut bytes = vec![0; usize::try_from(u32::from_le_bytes(length))?];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn send_all(streams: &mut [SendStream], bytes: &[u8]) -> Result<()> {
    let frame = frame(bytes)?;
    for stream in streams {
        stream.write_all(&frame).await?;
    }
    Ok(())
}

async fn publish(words: &Words) -> Result<()> {
    let mut connections = accept(words).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut streams = Vec::new();
    // Connections must outlive their streams.
    let mut open = Vec::new();
    while let Ok(connection) = connections.try_recv() {
        streams.push(connection.open_uni().await?);
        open.push(connection);
    }
    let mut load = Load::begin(words);
    for bytes in &mut load {
        send_all(&mut streams, &bytes).await?;
    }
    send_all(&mut streams, &load.end()).await?;
    // Streams lose nothing, so the end is told once.
    while !orders.stopped() {}
    load.report().print();
    Ok(())
}

async fn subscribe(words: &Words) -> Result<()> {
    let (_endpoint, connection) = connect(words).await?;
    ready()?.end_at_stop();
    let mut stream = connection.accept_uni().await?;
    let mut meter = Meter::default();
    loop {
        if let Some(report) = meter.take(&received(&mut stream).await?)? {
            report.print();
            return Ok(());
        }
    }
}

async fn ping(words: &Words) -> Result<()> {
    let mut connections = accept(words).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let connection = tokio::time::timeout(CONNECT_MAX, connections.recv()).await?;
    let connection = connection.context("nobody connected")?;
    let (mut sending, mut receiving) = connection.open_bi().await?;
    let mut trips = Trips::new(words);
    while let Some(question) = trips.ask() {
        sending.write_all(&frame(&question)?).await?;
        trips.answer(&received(&mut receiving).await?)?;
    }
    trips.report().print();
    orders.wait_for_stop();
    Ok(())
}

async fn pong(words: &Words) -> Result<()> {
    let (_endpoint, connection) = connect(words).await?;
    Echo::report_at_stop(ready()?);
    let (mut sending, mut receiving) = connection.accept_bi().await?;
    loop {
        let question = received(&mut receiving).await?;
        Echo::saw(&question)?;
        sending.write_all(&frame(&question)?).await?;
    }
}
