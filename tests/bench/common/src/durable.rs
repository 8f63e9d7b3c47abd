//! The words on the command line of a program that stores.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::acks::Span;

/// What a program does with what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Makes entries durable, so many in flight, and takes the time of each.
    Publish,
    /// Stores entries for the tasks below.
    Fill,
    /// Has what was filled, and gives it to whoever lacks it.
    Give,
    /// Lacks it, and gets it.
    Take,
    /// Opens what was filled.
    Open,
}

/// What `bench` tells a program that it starts.
#[derive(Clone, Debug, Parser)]
pub struct DurableWords {
    /// What to do.
    #[arg(value_enum)]
    pub task: Task,
    /// Where it is stored.
    #[arg(long)]
    pub folder: PathBuf,
    /// Where the giver or the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// Bytes of a payload.
    #[arg(long)]
    pub size: usize,
    /// Entries whose acknowledgement is waited for at once.
    #[arg(long, default_value_t = 1)]
    pub in_flight: usize,
    /// Entries to store or to get.
    #[arg(long, default_value_t = 0)]
    pub entries: u64,
    /// How long is measured.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// How long it runs before that.
    #[arg(long, default_value_t = 0.5)]
    pub warm_up: f64,
    /// The process that stores, if it is not this one.
    #[arg(long)]
    pub store: Option<u32>,
    /// Folder of `ca.pem`, `server.*` and `client.*`; without it nothing is encrypted.
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// Whether files are written over that have their length and their blocks already.
    #[arg(long)]
    pub recycled: bool,
}

impl DurableWords {
    /// What is counted.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span { size: self.size, seconds: self.seconds, warm_up: self.warm_up, store: self.store }
    }
}
