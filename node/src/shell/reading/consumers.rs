//! The consumers of a node: their names, and how far each had come.
//!
//! How far a consumer has come is an entry of this node's own data log: written after the program
//! confirmed what it got, at most once a second, so that a crash repeats values and loses none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::{CursorRecord, DataEntry};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_ENTRIES_MAX};
use gearmesh_protocol::log::{LogId, LogKind, Tip};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, TopicFilter};
use tokio::sync::Notify;

use super::super::core_handle::CoreHandle;
use super::super::data::{DataStore, ReadError};
use super::super::durable::Durable;
use super::consumer::Consumer;
use super::progress::Progress;
use super::walk::Walk;

/// How often a consumer's progress is written down.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How long whoever wants a name waits for it: a program that was started again comes before its old
/// connection is known to be gone, and before what it confirmed is written down.
const CLAIM_WITHIN: Duration = Duration::from_secs(2);

/// The consumers of a node: at most one program reads by a name at a time.
#[derive(Clone)]
pub(in crate::shell) struct Consumers {
    core: CoreHandle,
    store: DataStore,
    durable: Durable,
    open: Arc<Mutex<BTreeMap<Name, Arc<Progress>>>>,
    /// Tells when a name is free again.
    freed: Arc<Notify>,
}

/// Why a consumer cannot go on.
#[derive(Debug, thiserror::Error)]
pub(in crate::shell) enum ConsumeError {
    /// No, for this reason.
    #[error("{0}")]
    Refused(Refusal),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Consumers {
    pub(in crate::shell) fn new(core: CoreHandle, store: DataStore, durable: Durable) -> Self {
        Self { core, store, durable, open: Arc::default(), freed: Arc::default() }
    }

    pub(super) const fn core(&self) -> &CoreHandle {
        &self.core
    }

    pub(super) const fn store(&self) -> &DataStore {
        &self.store
    }

    /// Goes on where the consumer of this name has come to.
    pub(in crate::shell) async fn open(
        &self,
        name: Name,
        filter: TopicFilter,
    ) -> Result<Consumer, ConsumeError> {
        let claimed = tokio::time::timeout(CLAIM_WITHIN, self.claim(&name)).await;
        let progress = claimed.map_err(|_| ConsumeError::Refused(Refusal::ConsumerBusy))?;
        let mut consumer = Consumer::new(self.clone(), name.clone(), filter, progress);
        consumer.go_on_after(self.cursors(&name).await?);
        let (consumers, progress) = (self.clone(), consumer.progress());
        tokio::spawn(async move {
            while let Some(progress) = progress.upgrade() {
                consumers.write_down(&name, &progress).await;
                drop(progress);
                tokio::time::sleep(COMMIT_EVERY).await;
            }
        });
        Ok(consumer)
    }

    /// Takes a name, when its last holder is done with it.
    async fn claim(&self, name: &Name) -> Arc<Progress> {
        loop {
            let freed = self.freed.notified();
            if let Entry::Vacant(free) = self.lock().entry(name.clone()) {
                return Arc::clone(free.insert(Arc::default()));
            }
            freed.await;
        }
    }

    /// Gives a name back once what was confirmed is written down: whoever takes it next goes on from
    /// there.
    pub(super) fn close(&self, name: &Name, progress: &Arc<Progress>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(self.lock().remove(name));
            return;
        };
        let (consumers, name, progress) = (self.clone(), name.clone(), Arc::clone(progress));
        runtime.spawn(async move {
            consumers.write_down(&name, &progress).await;
            consumers.lock().remove(&name);
            consumers.freed.notify_waiters();
        });
    }

    /// Confirms what the program that reads by this name got. Whether one does.
    pub(in crate::shell) fn confirm(&self, name: &Name, event: u64) -> bool {
        let progress = self.lock().get(name).cloned();
        progress.is_some_and(|progress| {
            progress.confirm(event);
            true
        })
    }

    /// How far a consumer had come, by this node's own data log.
    async fn cursors(&self, name: &Name) -> Result<BTreeMap<PublicKey, Vec<Tip>>, ReadError> {
        let mut own = Walk::after(self.store.clone(), self.core.view().me, Vec::new());
        let mut found = BTreeMap::new();
        while let Some(passed) = own.next().await? {
            for entry in passed.group.entries() {
                if let Ok(DataEntry::Cursor(cursor)) = codec::decode(entry, ENTRY_BYTES_MAX)
                    && cursor.consumer == *name
                {
                    found.insert(cursor.log.author, cursor.leaves.into_vec());
                }
            }
        }
        Ok(found)
    }

    /// Writes down what is confirmed. What cannot be written is due again.
    async fn write_down(&self, name: &Name, progress: &Progress) {
        let _alone = progress.writing.lock().await;
        let due = progress.take_due();
        let entry = |(author, leaves): (&PublicKey, &Vec<Tip>)| {
            let log = LogId { author: *author, kind: LogKind::Data };
            let leaves = Bounded::first_of(leaves.iter().copied());
            DataEntry::Cursor(CursorRecord { consumer: name.clone(), log, leaves })
        };
        let entries: Vec<DataEntry> = due.iter().map(entry).collect();
        for entries in entries.chunks(GROUP_ENTRIES_MAX) {
            if let Err(refusal) = self.durable.write(entries).await {
                tracing::warn!(%name, %refusal, "a consumer's progress could not be written down");
                return progress.give_back(due);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Progress>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
