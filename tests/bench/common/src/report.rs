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
    /// Of a publisher of durable entries.
    Acknowledged(Acknowledged),
    /// Of whoever knows that a copy is whole.
    Taken(Taken),
    /// Of whoever opened or read what was stored.
    Opened(Opened),
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

/// What was made durable.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Entries.
    pub acks: u64,
    /// Between the first and the last of them.
    pub seconds: f64,
    /// The median, from the publish to its acknowledgement.
    pub p50_us: f64,
    /// One in 100 took longer.
    pub p99_us: f64,
    /// How many times something was made durable; zero if the publisher does not know.
    pub commits: u64,
    /// Bytes of the entries' payloads.
    pub payload: u64,
    /// Bytes that the process that stores gave to `write`.
    pub given: u64,
    /// Bytes of pages that it made due for the disk.
    pub to_disk: u64,
    /// CPU time of the publisher, and of the process that stores.
    pub cpu_us: f64,
    /// Of the publisher, at the end.
    pub memory: Memory,
    /// Of the process that stores, if that is another one.
    pub memory_of_store: Memory,
}

/// A copy that is whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Taken {
    /// From being connected.
    pub seconds: f64,
    /// Entries that it has, as far as whoever reports knows.
    pub entries: u64,
    /// Groups that hold them; zero if there are none.
    pub groups: u64,
}

/// What was stored before, at hand again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Opened {
    /// How long that took.
    pub seconds: f64,
    /// A while later.
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
