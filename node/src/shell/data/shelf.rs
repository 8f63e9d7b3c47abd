//! Where all logs end, for whoever only looks and does not want to wait: for the storage thread, or
//! for members that keep what is not kept here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::open::Opened;

/// The ends of what is durable, here or at members.
#[derive(Debug, Default)]
pub(in crate::shell) struct Shelf {
    ends: Mutex<BTreeMap<PublicKey, Vec<Tip>>>,
    changed: Notify,
}

impl Shelf {
    pub(in crate::shell) fn holding(opened: &Opened) -> Self {
        let logs = opened.logs.iter();
        let ends = logs.map(|(author, state)| (*author, state.extent.ends.clone())).collect();
        Self { ends: Mutex::new(ends), changed: Notify::new() }
    }

    pub(in crate::shell) fn ends(&self, author: &PublicKey) -> Vec<Tip> {
        self.lock().get(author).cloned().unwrap_or_default()
    }

    pub(in crate::shell) fn authors(&self) -> Vec<PublicKey> {
        self.lock().keys().copied().collect()
    }

    /// Logs grew: whoever waits looks again.
    pub(in crate::shell) fn put(&self, grown: impl IntoIterator<Item = (PublicKey, Vec<Tip>)>) {
        self.lock().extend(grown);
        self.changed.notify_waiters();
    }

    /// Is ready when a log has grown since the call.
    pub(in crate::shell) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PublicKey, Vec<Tip>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
