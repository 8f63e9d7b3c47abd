//! The roles of a measurement over gearmesh, embedded: each program is a node itself.
//!
//! `publish_paced` waits for room on the link, so that the publisher loses nothing to its own
//! speed; a round trip uses `publish`, which never waits.

use anyhow::{Context as _, Result};
use bench_common::{Echo, LOAD, Meter, PING, PONG, Role, Words, ready};
use bench_gearmesh::{ask, bytes, publish_load, start};
use clap::Parser as _;
use gearmesh_node::{Delivery, Node, Publisher, SeriesDelivery, Subscription};
use gearmesh_protocol::sample::Sample;

/// Runs that a subscriber takes at once.
const AT_ONCE: usize = 64;

// One thread carries a link fastest, see docs/decisions/0002.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = Words::parse();
    let folder = words.folder.as_deref().context("a node needs --folder")?;
    let node = start(folder, words.index, words.address).await?;
    match words.role {
        Role::Pub => publish(&node, &words).await?,
        Role::Sub => subscribe(&node).await?,
        Role::Ping => ping(&node, &words).await?,
        Role::Pong => pong(&node).await?,
    }
    node.stop().await;
    Ok(())
}

fn publisher(node: &Node, name: &str) -> Result<Publisher> {
    Ok(node.publisher(&node.topic(name)?))
}

/// Follows a topic of all members.
fn follow(node: &Node, name: &str) -> Result<Subscription> {
    Ok(node.subscribe(format!("+/{name}").parse()?)?)
}

async fn publish(node: &Node, words: &Words) -> Result<()> {
    let publisher = publisher(node, LOAD)?;
    publish_load(words, async |sample| {
        publisher.publish_paced(&sample).await?;
        Ok(())
    })
    .await
}

async fn subscribe(node: &Node) -> Result<()> {
    let subscription = follow(node, LOAD)?;
    ready()?.end_at_stop();
    let mut meter = Meter::default();
    let mut pieces = Vec::with_capacity(AT_ONCE);
    loop {
        subscription.next_series(&mut pieces, AT_ONCE).await;
        for delivery in pieces.drain(..) {
            // What was lost is missing in the count.
            let SeriesDelivery::Series(series) = delivery else { continue };
            for sample in &series {
                if let Some(report) = meter.take(bytes(sample)?)? {
                    report.print();
                    return Ok(());
                }
            }
        }
    }
}

async fn next(subscription: &Subscription) -> Sample {
    loop {
        if let Delivery::Value(value) = subscription.next().await {
            return value.sample;
        }
    }
}

async fn ping(node: &Node, words: &Words) -> Result<()> {
    let publisher = publisher(node, PING)?;
    let answers = follow(node, PONG)?;
    ask(words, async |question| {
        publisher.publish(&question)?;
        Ok(next(&answers).await)
    })
    .await
}

async fn pong(node: &Node) -> Result<()> {
    let publisher = publisher(node, PONG)?;
    let questions = follow(node, PING)?;
    Echo::report_at_stop(ready()?);
    loop {
        let question = next(&questions).await;
        Echo::saw(bytes((&question).into())?)?;
        publisher.publish(&question)?;
    }
}
