//! What a program has measured, as one line of JSON.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::process::Memory;

/// The one line that a program ends with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of a publisher.
    Published(Published),
    /// Of a subscriber.
    Received(Received),
    /// Of the one who asks, and of the one who answers.
    RoundTrips(RoundTrips),
}

/// What a publisher did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Published {
    /// Messages.
    pub sent: u64,
    /// How long it took to hand them over.
    pub seconds: f64,
    /// CPU time from the first message to the end of the measurement.
    pub cpu_us: f64,
    /// At the end.
    pub memory: Memory,
}

/// What a subscriber got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Received {
    /// Messages.
    pub received: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that were sent and did not arrive.
    pub lost: u64,
    /// Messages that came after a later one.
    pub disordered: u64,
    /// From the first to the last of them.
    pub seconds: f64,
    /// CPU time from the first message to the end.
    pub cpu_us: f64,
    /// At the end.
    pub memory: Memory,
}

/// Round trips, without those before the ones that count. The one who answers has no times.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoundTrips {
    /// How many.
    pub trips: u64,
    /// The median.
    pub p50_us: f64,
    /// One in 100 took longer.
    pub p99_us: f64,
    /// One in 1,000 took longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// CPU time of all of them.
    pub cpu_us: f64,
    /// At the end.
    pub memory: Memory,
}

impl Report {
    /// Prints the line. A reader that is gone wants no report.
    pub fn print(&self) {
        let mut out = std::io::stdout().lock();
        let _ = serde_json::to_writer(&mut out, self);
        let _ = writeln!(out);
        let _ = out.flush();
    }
}
