//! The roles of a measurement over MQTT 3.1.1 at QoS 0, through one broker.
//!
//! QoS 0 asks for no acknowledgement, so what slows a publisher down is the TCP connection: the
//! client's queue fills while its socket takes nothing.

use std::fs;
use std::time::Duration;

use anyhow::{Result, anyhow};
use bench_common::{Echo, LOAD, Load, Meter, PING, PONG, Role, Trips, Words, ready};
use clap::Parser as _;
use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, NetworkOptions, Packet, Publish, QoS, Transport,
};

/// Messages that may wait in the client.
const WAITING_MAX: usize = 1_000;
/// Bytes of a packet; the default is smaller than the largest payload.
const PACKET_MAX: usize = 1 << 20;
const KEEP_ALIVE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<()> {
    let words = Words::parse();
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("cryptography was chosen twice"))?;
    let (client, events) = client(&words)?;
    match words.role {
        Role::Pub => publish(client, events, &words).await,
        Role::Sub => subscribe(&client, events).await,
        Role::Ping => ping(&client, events, &words).await,
        Role::Pong => pong(&client, events).await,
    }
}

fn client(words: &Words) -> Result<(AsyncClient, EventLoop)> {
    let name = format!("{:?}-{}", words.role, words.index);
    let mut options = MqttOptions::new(name, words.host(), words.address.port());
    options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(PACKET_MAX, PACKET_MAX);
    if let Some(folder) = &words.tls {
        let read = |name: &str| fs::read(folder.join(name));
        let own = (read("client.pem")?, read("client.key")?);
        options.set_transport(Transport::tls(read("ca.pem")?, Some(own), None));
    }
    let (client, mut events) = AsyncClient::new(options, WAITING_MAX);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    Ok((client, events))
}

/// Subscribes, and knows that the broker has it.
async fn follow(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> Result<()> {
    client.subscribe(topic, QoS::AtMostOnce).await?;
    while !matches!(events.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
    Ok(())
}

async fn received(events: &mut EventLoop) -> Result<Publish> {
    loop {
        if let Event::Incoming(Packet::Publish(message)) = events.poll().await? {
            return Ok(message);
        }
    }
}

async fn publish(client: AsyncClient, mut events: EventLoop, words: &Words) -> Result<()> {
    while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    let connection = tokio::spawn(async move {
        loop {
            if let Err(error) = events.poll().await {
                return error;
            }
        }
    });
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let send = async |bytes: Vec<u8>| client.publish(LOAD, QoS::AtMostOnce, false, bytes).await;
    let mut load = Load::begin(words);
    for bytes in &mut load {
        send(bytes).await?;
    }
    send(load.end()).await?;
    while !orders.stopped() {
        send(load.end()).await?;
        if connection.is_finished() {
            return Err(connection.await?.into());
        }
    }
    load.report().print();
    Ok(())
}

async fn subscribe(client: &AsyncClient, mut events: EventLoop) -> Result<()> {
    follow(client, &mut events, LOAD).await?;
    ready()?.end_at_stop();
    let mut meter = Meter::default();
    loop {
        if let Some(report) = meter.take(&received(&mut events).await?.payload)? {
            report.print();
            return Ok(());
        }
    }
}

async fn ping(client: &AsyncClient, mut events: EventLoop, words: &Words) -> Result<()> {
    follow(client, &mut events, PONG).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut trips = Trips::new(words);
    while let Some(question) = trips.ask() {
        client.publish(PING, QoS::AtMostOnce, false, question).await?;
        trips.answer(&received(&mut events).await?.payload)?;
    }
    trips.report().print();
    orders.wait_for_stop();
    Ok(())
}

async fn pong(client: &AsyncClient, mut events: EventLoop) -> Result<()> {
    follow(client, &mut events, PING).await?;
    Echo::report_at_stop(ready()?);
    loop {
        let question = received(&mut events).await?;
        Echo::saw(&question.payload)?;
        client.publish_bytes(PONG, QoS::AtMostOnce, false, question.payload).await?;
    }
}
