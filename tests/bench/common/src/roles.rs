//! The words on the command line of a measured program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// What a program does in a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Publishes as fast as the transport takes it.
    Pub,
    /// Receives, counts and checks the order.
    Sub,
    /// Sends, waits for the answer, and takes the time.
    Ping,
    /// Sends back what it gets.
    Pong,
}

impl Role {
    /// Whether the others connect to it, where a transport has no server.
    #[must_use]
    pub const fn is_hub(self) -> bool {
        matches!(self, Self::Pub | Self::Ping)
    }
}

/// What `bench` tells a program that it starts.
#[derive(Clone, Debug, Parser)]
pub struct Words {
    /// What to do.
    #[arg(value_enum)]
    pub role: Role,
    /// Where the hub or the server listens.
    #[arg(long)]
    pub address: SocketAddr,
    /// Bytes of a payload.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// How long a publisher publishes.
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// Round trips that count.
    #[arg(long, default_value_t = 10_000)]
    pub trips: usize,
    /// Round trips before them.
    #[arg(long, default_value_t = 1_000)]
    pub warm_up: usize,
    /// Folder of `ca.pem`, `server.*` and `client.*`; without it nothing is encrypted.
    #[arg(long)]
    pub tls: Option<PathBuf>,
    /// Which of the started programs this is; the hub is 0.
    #[arg(long, default_value_t = 0)]
    pub index: usize,
    /// A folder that lasts for the whole measurement.
    #[arg(long)]
    pub folder: Option<PathBuf>,
}

impl Words {
    /// How long a publisher publishes.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The host to connect to, as the certificates name it.
    #[must_use]
    pub const fn host(&self) -> &'static str {
        if self.tls.is_some() { "localhost" } else { "127.0.0.1" }
    }
}
