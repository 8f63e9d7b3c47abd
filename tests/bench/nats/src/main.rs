//! The roles of a measurement over NATS, core messages through one server.
//!
//! `publish` waits while the client's queue is full. A subscription holds more messages than its
//! default, because the client drops what finds no room; the server drops a slow client. Both
//! would be seen as losses.

use anyhow::{Context as _, Result};
use async_nats::{Client, Subscriber};
use bench_common::{Echo, Load, Meter, Role, Trips, Words, ready};
use bench_nats::connect;
use clap::Parser as _;
use futures::StreamExt as _;

const LOAD: &str = "bench.load";
const PING: &str = "bench.ping";
const PONG: &str = "bench.pong";

#[tokio::main]
async fn main() -> Result<()> {
    let words = Words::parse();
    let client = connect(words.address, words.tls.as_deref()).await?;
    match words.role {
        Role::Pub => publish(&client, &words).await,
        Role::Sub => subscribe(&client).await,
        Role::Ping => ping(&client, &words).await,
        Role::Pong => pong(&client).await,
    }
}

/// Subscribes, and knows that the server has it.
async fn follow(client: &Client, subject: &'static str) -> Result<Subscriber> {
    let subscriber = client.subscribe(subject).await?;
    client.flush().await?;
    Ok(subscriber)
}

async fn publish(client: &Client, words: &Words) -> Result<()> {
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut load = Load::begin(words);
    for bytes in &mut load {
        client.publish(LOAD, bytes.into()).await?;
    }
    client.publish(LOAD, load.end().into()).await?;
    client.flush().await?;
    while !orders.stopped() {
        client.publish(LOAD, load.end().into()).await?;
        client.flush().await?;
    }
    load.report().print();
    Ok(())
}

async fn subscribe(client: &Client) -> Result<()> {
    let mut subscriber = follow(client, LOAD).await?;
    ready()?.end_at_stop();
    let mut meter = Meter::default();
    while let Some(message) = subscriber.next().await {
        if let Some(report) = meter.take(&message.payload)? {
            report.print();
            return Ok(());
        }
    }
    anyhow::bail!("the subscription ended")
}

async fn ping(client: &Client, words: &Words) -> Result<()> {
    let mut answers = follow(client, PONG).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let mut trips = Trips::new(words);
    while let Some(question) = trips.ask() {
        client.publish(PING, question.into()).await?;
        let answer = answers.next().await.context("the subscription ended")?;
        trips.answer(&answer.payload)?;
    }
    trips.report().print();
    orders.wait_for_stop();
    Ok(())
}

async fn pong(client: &Client) -> Result<()> {
    let mut questions = follow(client, PING).await?;
    Echo::report_at_stop(ready()?);
    while let Some(question) = questions.next().await {
        Echo::saw(&question.payload)?;
        client.publish(PONG, question.payload).await?;
    }
    anyhow::bail!("the subscription ended")
}
