//! A program beside a gateway: publishes values that its partners are to get, each on a topic of its
//! own, since of one topic a reader that lags is given the newest alone. After 4,000 it begins anew: a
//! stream has names for a few more.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use bench_common::{Published, Report, memory, ready, usage};
use clap::Parser;
use gearmesh_client::Client;
use gearmesh_protocol::sample::{Sample, Value};
use gearmesh_protocol::time::UnixMillis;

/// Topics on which it publishes in turn.
const TOPICS: u64 = 4_000;

#[derive(Parser)]
struct Words {
    /// The gateway's home.
    #[arg(long)]
    home: PathBuf,
    /// How many values.
    #[arg(long)]
    count: u64,
    /// Bytes of each.
    #[arg(long)]
    size: usize,
    /// How many in a second; none: as many as the gateway takes.
    #[arg(long)]
    rate: Option<u32>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = Words::parse();
    let client = Client::at(words.home);
    let stream = client.paced_publisher().await?;
    let orders = ready()?;
    if !orders.wait_for_go() {
        return Ok(());
    }
    orders.end_at_stop();
    let (begun, before) = (Instant::now(), usage());
    for sent in 0..words.count {
        let publisher = stream.topic(&format!("out/{}", sent % TOPICS))?;
        let sample = Sample::good(Value::from(vec![7_u8; words.size]), UnixMillis(sent));
        publisher.publish_paced(&sample).await?;
        if let Some(rate) = words.rate {
            let due = Duration::from_secs(sent + 1) / rate;
            tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
        }
    }
    stream.flush().await?;
    let (sent, seconds) = (words.count, begun.elapsed().as_secs_f64());
    let cpu_us = usage().since(before);
    Report::Published(Published { sent, seconds, cpu_us, memory: memory() }).print();
    std::future::pending().await
}
