//! What the node counts. Every bound that is reached shows here.

use std::sync::atomic::{AtomicU64, Ordering};

use gearmesh_protocol::local;

macro_rules! counters {
    ($($name:ident),* $(,)?) => {
        /// Counters that all parts of the shell share.
        #[derive(Debug, Default)]
        pub(super) struct Counters { $(pub(super) $name: Counter,)* }

        impl Counters {
            /// All of them at this moment.
            pub(super) fn snapshot(&self) -> local::Counters {
                local::Counters { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters!(
    published,
    durable,
    received,
    dropped_link,
    dropped_subscriber,
    dropped_grant,
    dropped_pages,
    lost_remote,
    control_bytes,
    data_bytes,
    refused_admissions,
    refused_links,
    refused_connections,
    visits,
    refused_visits,
    malformed_frames,
    called,
    commands,
    queries,
    refused_commands,
    command_bytes,
    late_work,
);

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub(super) fn add_one(&self) {
        self.add(1);
    }

    /// Some more.
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets it to a figure that somebody else counts.
    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
