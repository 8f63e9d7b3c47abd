//! What a program does that asks or answers, and its words on the command line.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Parser, ValueEnum};
use tokio::task::JoinSet;

use crate::acks::{Acks, Span};
use crate::report::Report;

/// How long a holder keeps what another waits for. etcd takes up who watches ten times a second, and who
/// waits for its lock watches: one that is not taken up yet hears of a release late.
pub const HOLD: Duration = Duration::from_millis(250);

/// What a program does with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deed {
    /// Answers, and has what is leased.
    Serve,
    /// Asks for something that leaves no trace, so many in flight.
    Query,
    /// Asks for something that is done at most once, so many in flight.
    Command,
    /// Acquires what nobody else wants, and releases it.
    Lease,
    /// Releases what another waits for.
    HandOver,
}

/// What `bench` tells a program that it starts.
#[derive(Clone, Debug, Parser)]
pub struct CallWords {
    /// What to do.
    #[arg(value_enum)]
    pub deed: Deed,
    /// Where whoever serves listens, or the server.
    #[arg(long)]
    pub address: SocketAddr,
    /// Where it keeps what it keeps.
    #[arg(long)]
    pub folder: PathBuf,
    /// Folder of `ca.pem`, `server.*` and `client.*`.
    #[arg(long)]
    pub tls: PathBuf,
    /// Questions that wait for an answer at once.
    #[arg(long, default_value_t = 1)]
    pub in_flight: usize,
    /// Bytes of a question and of its answer.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// How long is measured.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// How long it runs before that.
    #[arg(long, default_value_t = 0.5)]
    pub warm_up: f64,
}

impl CallWords {
    /// What is counted.
    #[must_use]
    pub const fn span(&self) -> Span {
        Span { size: self.size, seconds: self.seconds, warm_up: self.warm_up, store: None }
    }
}

/// Keeps so many calls in flight, each made anew when it is answered: what was counted.
///
/// # Errors
/// A call failed, or it did not last until anything counted.
pub async fn keep_in_flight<C, F>(words: &CallWords, call: C) -> Result<Report>
where
    C: Fn(Vec<u8>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let acks = Arc::new(Mutex::new(Acks::begin(words.span())));
    let mut tasks = JoinSet::new();
    for _ in 0..words.in_flight {
        let (acks, call) = (Arc::clone(&acks), call.clone());
        tasks.spawn(async move {
            loop {
                let question = lock(&acks).payload();
                let begun = Instant::now();
                call(question).await?;
                if !lock(&acks).count(begun, Instant::now(), 0)? {
                    return anyhow::Ok(());
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    lock(&acks).report()
}

fn lock(acks: &Mutex<Acks>) -> MutexGuard<'_, Acks> {
    acks.lock().unwrap_or_else(PoisonError::into_inner)
}
