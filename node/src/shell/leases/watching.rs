//! Who hears what becomes of leases. Only how one stands now is kept for whoever is slow.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gearmesh_protocol::ids::LeaseId;
use tokio::sync::watch;

use crate::core::plant::leases::LeaseEffect;
use crate::core::plant::leases::holder::Told;

/// Programs that watch one lease.
const WATCHERS_MAX: usize = 16;

/// How a lease stands, for one program; nothing yet at first.
pub(super) struct Watched {
    number: u64,
    pub(super) told: watch::Receiver<Option<Told>>,
}

/// All programs that watch leases.
#[derive(Default)]
pub(in crate::shell) struct LeaseWatchers {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    numbers: u64,
    watching: BTreeMap<LeaseId, Vec<Watcher>>,
}

/// A program, by its number, and the way to it.
type Watcher = (u64, watch::Sender<Option<Told>>);

impl LeaseWatchers {
    /// One more program watches a lease, if not too many do.
    pub(super) fn watch(&self, id: LeaseId) -> Option<Watched> {
        let mut table = self.lock();
        table.numbers += 1;
        let number = table.numbers;
        let watching = table.watching.entry(id).or_default();
        if watching.len() >= WATCHERS_MAX {
            return None;
        }
        let (sender, told) = watch::channel(None);
        watching.push((number, sender));
        Some(Watched { number, told })
    }

    /// A program does not watch any more. Whether it was the last of a lease that is not over.
    pub(super) fn forget(&self, id: LeaseId, watched: &Watched) -> bool {
        let mut table = self.lock();
        let Some(watching) = table.watching.get_mut(&id) else { return false };
        watching.retain(|(number, _)| *number != watched.number);
        let is_last = watching.is_empty();
        if is_last {
            table.watching.remove(&id);
        }
        is_last
    }

    /// Something happened to a lease.
    pub(in crate::shell) fn tell(&self, LeaseEffect { id, told }: LeaseEffect) {
        let mut table = self.lock();
        for (_, sender) in table.watching.get(&id).into_iter().flatten() {
            sender.send_replace(Some(told));
        }
        if matches!(told, Told::Ended(_) | Told::Refused(_)) {
            table.watching.remove(&id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
