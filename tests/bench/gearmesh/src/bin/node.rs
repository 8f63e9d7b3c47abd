//! A node that a program of the measured plant talks to over the local API.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use bench_common::ready;
use bench_gearmesh::start;
use clap::Parser;

#[derive(Parser)]
struct Words {
    /// The folder of all homes.
    #[arg(long)]
    folder: PathBuf,
    /// Which of them.
    #[arg(long)]
    index: usize,
    /// Where the hub listens.
    #[arg(long)]
    address: SocketAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words = Words::parse();
    let node = start(&words.folder, words.index, words.address).await?;
    let orders = ready()?;
    tokio::task::spawn_blocking(move || orders.wait_for_stop()).await?;
    node.stop().await;
    Ok(())
}
