//! What is stored over JetStream: one stream of one replica, in files.
//!
//! A publish is sent and its acknowledgement awaited, so many at once; a replay is an ordered
//! consumer, which needs no acknowledgements and pulls ahead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self};
use bench_common::{
    Acks, DurableWords, Kind, Message, Orders, Report, Taken, Task, payload, ready,
};
use bench_nats::connect;
use clap::Parser as _;
use futures::StreamExt as _;

/// The stream, and its subject.
const STREAM: &str = "BENCH";
const SUBJECT: &str = "bench.load";

#[tokio::main]
async fn main() -> Result<()> {
    let words = DurableWords::parse();
    let client = connect(words.address, words.tls.as_deref()).await?;
    let context = jetstream::new(client);
    match words.task {
        Task::Publish => publish(&context, words).await,
        Task::Fill => fill(&context, words).await,
        Task::Take => take(&context, &words).await,
        Task::Give | Task::Open => bail!("that is the server's"),
    }
}

async fn create(context: &jetstream::Context) -> Result<()> {
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        storage: StorageType::File,
        num_replicas: 1,
        ..Config::default()
    };
    context.create_stream(config).await?;
    Ok(())
}

/// One message, and its acknowledgement.
async fn put(context: &jetstream::Context, bytes: Vec<u8>) -> Result<()> {
    context.publish(SUBJECT, bytes.into()).await?.await?;
    Ok(())
}

async fn publish(context: &jetstream::Context, words: DurableWords) -> Result<()> {
    create(context).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let acks = Arc::new(Mutex::new(Acks::begin(words.span())));
    let lock = |acks: &Mutex<Acks>, act: &mut dyn FnMut(&mut Acks) -> Result<bool>| {
        act(&mut acks.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let tasks = (0..words.in_flight).map(|_| {
        let (context, acks) = (context.clone(), Arc::clone(&acks));
        tokio::spawn(async move {
            loop {
                let mut bytes = Vec::new();
                lock(&acks, &mut |acks| {
                    bytes = acks.payload();
                    Ok(true)
                })?;
                let begun = Instant::now();
                put(&context, bytes).await?;
                if !lock(&acks, &mut |acks| acks.count(begun, Instant::now(), 0))? {
                    return anyhow::Ok(());
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    let report = acks.lock().map_err(|_| anyhow!("a publisher panicked"))?.report()?;
    report.print();
    orders.wait_for_stop();
    Ok(())
}

async fn fill(context: &jetstream::Context, words: DurableWords) -> Result<()> {
    create(context).await?;
    let orders = ready()?;
    let begun = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let tasks = (0..words.in_flight).map(|_| {
        let (context, next) = (context.clone(), Arc::clone(&next));
        let (size, entries) = (words.size, words.entries);
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= entries {
                    return anyhow::Ok(());
                }
                let message = Message { number, kind: Kind::Counted };
                put(&context, payload(message, size)).await?;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    taken(begun, words.entries, &orders);
    Ok(())
}

/// Gets everything that was filled, in order.
async fn take(context: &jetstream::Context, words: &DurableWords) -> Result<()> {
    let stream = context.get_stream(STREAM).await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    let begun = Instant::now();
    let consumer = stream.create_consumer(OrderedConfig::default()).await?;
    let mut messages = consumer.messages().await?;
    for number in 0..words.entries {
        let message = messages.next().await.context("the consumer ended")??;
        let size = message.payload.len();
        ensure!(size == words.size, "message {number} has {size} bytes");
    }
    taken(begun, words.entries, &orders);
    Ok(())
}

fn taken(begun: Instant, entries: u64, orders: &Orders) {
    Report::Taken(Taken { seconds: begun.elapsed().as_secs_f64(), entries, groups: 0 }).print();
    orders.wait_for_stop();
}
