//! The roles of a measurement over gearmesh from program to program: each talks to a node of its
//! own over the streams of the local API.

use anyhow::{Context as _, Result};
use bench_common::{Echo, LOAD, Meter, PING, PONG, Role, Words, ready};
use bench_gearmesh::{ask, bytes, home, publish_load};
use clap::Parser as _;
use gearmesh_client::{Client, Delivery, Following, SeriesDelivery};
use gearmesh_protocol::sample::Sample;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = Words::parse();
    let folder = words.folder.as_deref().context("a node needs --folder")?;
    let client = Client::at(home(folder, words.index));
    match words.role {
        Role::Pub => publish(&client, &words).await,
        Role::Sub => subscribe(&client).await,
        Role::Ping => ping(&client, &words).await,
        Role::Pong => pong(&client).await,
    }
}

/// Follows a topic of all members.
async fn follow(client: &Client, name: &str) -> Result<Following> {
    Ok(client.follow(&format!("+/{name}").parse()?).await?)
}

async fn publish(client: &Client, words: &Words) -> Result<()> {
    let stream = client.paced_publisher().await?;
    let publisher = stream.topic(LOAD)?;
    publish_load(words, async |sample| Ok(publisher.publish_paced(&sample).await?)).await
}

async fn subscribe(client: &Client) -> Result<()> {
    let mut following = follow(client, LOAD).await?;
    ready()?.end_at_stop();
    let mut meter = Meter::default();
    loop {
        // What was lost is missing in the count.
        let SeriesDelivery::Series(series) = following.next_series().await? else { continue };
        for sample in series.iter() {
            if let Some(report) = meter.take(bytes(sample)?)? {
                report.print();
                return Ok(());
            }
        }
    }
}

async fn next(following: &mut Following) -> Result<Sample> {
    loop {
        if let Delivery::Value(value) = following.next().await? {
            return Ok(value.sample);
        }
    }
}

async fn ping(client: &Client, words: &Words) -> Result<()> {
    let stream = client.publisher().await?;
    let publisher = stream.topic(PING)?;
    let mut answers = follow(client, PONG).await?;
    ask(words, async |question| {
        publisher.publish(&question)?;
        next(&mut answers).await
    })
    .await
}

async fn pong(client: &Client) -> Result<()> {
    let stream = client.publisher().await?;
    let publisher = stream.topic(PONG)?;
    let mut questions = follow(client, PING).await?;
    Echo::report_at_stop(ready()?);
    loop {
        let question = next(&mut questions).await?;
        Echo::saw(bytes((&question).into())?)?;
        publisher.publish(&question)?;
    }
}
