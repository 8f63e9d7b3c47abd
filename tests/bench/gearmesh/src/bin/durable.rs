//! What is stored over gearmesh, embedded: the program is a node itself.
//!
//! The one who gives reports when the member's copy is whole: it publishes an entry that is to be
//! on another disk, and that is acknowledged when all before it are there too.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bench_common::{
    Acks, DurableWords, Kind, LOAD, Message, Opened, Report, Taken, Task, memory, payload, ready,
};
use bench_gearmesh::{sample, start_at, waiting};
use clap::Parser as _;
use gearmesh_node::{AckLevel, Acknowledgement, DurablePublisher, Node};

/// How long nobody may come.
const LINK_MAX: Duration = Duration::from_secs(30);
/// How often an entry is published anew whose acknowledgement came without the member.
const WAITS_MAX: usize = 60;
/// How long a node that was opened is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(1);

// One thread carries a node fastest, see docs/decisions/0002.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = DurableWords::parse();
    if words.task == Task::Open {
        return open(&words).await;
    }
    let dials = words.task == Task::Take;
    let node = start_at(words.folder.clone(), words.address, !dials).await?;
    let publisher = Arc::new(node.durable_publisher(&node.topic(LOAD)?));
    match words.task {
        Task::Publish => publish(&publisher, &words).await?,
        Task::Fill => fill(&publisher, &words).await?,
        Task::Give => give(&node, &publisher, &words).await?,
        Task::Take => {
            waiting(ready()?, |orders| orders.wait_for_stop()).await?;
        }
        Task::Open => {}
    }
    node.stop().await;
    Ok(())
}

/// One durable value.
async fn put(
    publisher: &DurablePublisher,
    bytes: Vec<u8>,
    ack: AckLevel,
) -> Result<Acknowledgement> {
    Ok(publisher.publish(&sample(bytes)?, ack).await?)
}

/// Runs so many of these at once, until all have come to an end.
async fn all<T: Future<Output = Result<()>> + Send + 'static>(
    count: usize,
    mut one: impl FnMut() -> T,
) -> Result<()> {
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(one())).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn publish(publisher: &Arc<DurablePublisher>, words: &DurableWords) -> Result<()> {
    let (orders, go) = waiting(ready()?, |orders| orders.wait_for_go()).await?;
    if !go {
        return Ok(());
    }
    let acks = Arc::new(Mutex::new(Acks::begin(words.span())));
    all(words.in_flight, || {
        let (publisher, acks) = (Arc::clone(publisher), Arc::clone(&acks));
        async move {
            loop {
                let bytes = lock(&acks).payload();
                let begun = Instant::now();
                let told = put(&publisher, bytes, AckLevel::Local).await?;
                if !lock(&acks).count(begun, Instant::now(), told.number)? {
                    return Ok(());
                }
            }
        }
    })
    .await?;
    let report = lock(&acks).report()?;
    report.print();
    waiting(orders, |orders| orders.wait_for_stop()).await?;
    Ok(())
}

fn lock(acks: &Mutex<Acks>) -> MutexGuard<'_, Acks> {
    acks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stores entries. With more of them in flight than a group holds most groups are full; how full,
/// depends on how fast the disk is.
async fn fill(publisher: &Arc<DurablePublisher>, words: &DurableWords) -> Result<()> {
    let orders = ready()?;
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    all(words.in_flight, || {
        let (publisher, next) = (Arc::clone(publisher), Arc::clone(&next));
        let (size, entries) = (words.size, words.entries);
        async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= entries {
                    return Ok(());
                }
                let bytes = payload(Message { number, kind: Kind::Counted }, size);
                put(&publisher, bytes, AckLevel::Local).await?;
            }
        }
    })
    .await?;
    let seconds = begun.elapsed().as_secs_f64();
    Report::Taken(Taken { seconds, entries: words.entries, groups: 0 }).print();
    waiting(orders, |orders| orders.wait_for_stop()).await?;
    Ok(())
}

/// Waits for a member, and until it has everything.
async fn give(node: &Node, publisher: &DurablePublisher, words: &DurableWords) -> Result<()> {
    let orders = ready()?;
    ensure!(tokio::time::timeout(LINK_MAX, node.linked()).await == Ok(true), "nobody came");
    let linked = Instant::now();
    for _ in 0..WAITS_MAX {
        let bytes = payload(Message { number: 0, kind: Kind::End }, words.size);
        let told = put(publisher, bytes, AckLevel::Replicated(1)).await?;
        if told.is_reached {
            let seconds = linked.elapsed().as_secs_f64();
            let (entries, groups) = (told.entry, told.number);
            Report::Taken(Taken { seconds, entries, groups }).print();
            waiting(orders, |orders| orders.wait_for_stop()).await?;
            return Ok(());
        }
    }
    anyhow::bail!("the member does not get everything")
}

/// Opens what was filled.
async fn open(words: &DurableWords) -> Result<()> {
    let (orders, go) = waiting(ready()?, |orders| orders.wait_for_go()).await?;
    if !go {
        return Ok(());
    }
    let begun = Instant::now();
    let node = start_at(words.folder.clone(), words.address, true).await?;
    let seconds = begun.elapsed().as_secs_f64();
    tokio::time::sleep(REST).await;
    Report::Opened(Opened { seconds, memory: memory() }).print();
    waiting(orders, |orders| orders.wait_for_stop()).await?;
    node.stop().await;
    Ok(())
}
