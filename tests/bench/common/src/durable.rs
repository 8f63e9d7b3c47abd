//! The words on the command line of a program that stores.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

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
    /// How long is measured.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long it runs before that.
    #[must_use]
    pub fn before(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    /// The name of the process that stores, for `/proc`.
    #[must_use]
    pub fn store(&self) -> String {
        self.store.map_or_else(|| "self".to_owned(), |id| id.to_string())
    }
}
