//! The consumers of a node: their names, and how far each had come.
//!
//! How far a consumer has come is an entry of this node's own data log, at a node that has none a
//! small file: written after the program confirmed what it got, at most once a second, so that a
//! crash repeats values and loses none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::entry::{CursorRecord, DataEntry};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::GROUP_ENTRIES_MAX;
use gearmesh_protocol::log::{LogId, LogKind, Tip};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, TopicFilter};
use tokio::sync::Notify;

use super::super::core_handle::CoreHandle;
use super::super::data::ReadError;
use super::super::durable::Durable;
use super::super::home::HomeError;
use super::consumer::Consumer;
use super::cursors::Cursors;
use super::history::{History, Wanted};
use super::places::{cursors_in, wait_for_all};
use super::progress::Progress;
use super::source::{Source, Sources, has_log};

/// How often a consumer's progress is written down.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// How long whoever wants a name waits for it: a program that was started again comes before its old
/// connection is known to be gone, and before what it confirmed is written down.
const CLAIM_WITHIN: Duration = Duration::from_secs(2);

/// The consumers of a node: at most one program reads by a name at a time.
#[derive(Clone)]
pub(in crate::shell) struct Consumers {
    core: CoreHandle,
    sources: Sources,
    durable: Durable,
    cursors: Cursors,
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
    /// How far it had come cannot be read.
    #[error(transparent)]
    Cursors(#[from] HomeError),
}

impl Consumers {
    pub(in crate::shell) fn new(
        core: CoreHandle,
        sources: Sources,
        durable: Durable,
        cursors: Cursors,
    ) -> Self {
        Self { core, sources, durable, cursors, open: Arc::default(), freed: Arc::default() }
    }

    pub(super) const fn core(&self) -> &CoreHandle {
        &self.core
    }

    /// Where this node reads.
    pub(in crate::shell) const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The past since a moment, as this node may see it.
    pub(in crate::shell) async fn past(
        &self,
        filter: TopicFilter,
        since: UnixMillis,
    ) -> Result<History, Refusal> {
        let view = self.core.view();
        let own = view.own().ok_or(Refusal::NotAMember)?.clone();
        let roster = view.roster.clone().ok_or(Refusal::NotAMember)?;
        let source = self.sources.of(&view).await?;
        let wanted = Wanted { filter, since: Some(since), until: None };
        Ok(History::new(&source, roster, own, wanted))
    }

    /// Goes on where the consumer of this name has come to.
    pub(in crate::shell) async fn open(
        &self,
        name: Name,
        filter: TopicFilter,
    ) -> Result<Consumer, ConsumeError> {
        let source = self.sources.of(&self.core.view()).await.map_err(ConsumeError::Refused)?;
        let claimed = tokio::time::timeout(CLAIM_WITHIN, self.claim(&name)).await;
        let progress = claimed.map_err(|_| ConsumeError::Refused(Refusal::ConsumerBusy))?;
        let reading = (source.clone(), filter);
        let mut consumer = Consumer::new(self.clone(), name.clone(), reading, progress);
        consumer.go_on_after(self.cursors(&name, &source).await?);
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

    /// As [`Consumers::open`]; without a place of its own, or if it is to begin anew, the consumer begins
    /// with what comes from now on, and that is written down before it does.
    pub(in crate::shell) async fn open_from_here(
        &self,
        name: Name,
        filter: TopicFilter,
        goes_on: bool,
    ) -> Result<Consumer, ConsumeError> {
        let mut consumer = self.open(name.clone(), filter).await?;
        if !goes_on || consumer.is_new() {
            consumer.skip_to_the_end();
            if let Some(progress) = consumer.progress().upgrade() {
                self.write_down(&name, &progress).await;
            }
        }
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

    /// How far a consumer had come: by this node's own data log, or by a file if it has none.
    async fn cursors(
        &self,
        name: &Name,
        source: &Source,
    ) -> Result<BTreeMap<PublicKey, Vec<Tip>>, ConsumeError> {
        if matches!(source, Source::Members(_)) {
            let cursors = self.cursors.read(name).await?.into_iter();
            let place = |cursor: CursorRecord| (cursor.log.author, cursor.leaves.into_vec());
            return Ok(cursors.map(place).collect());
        }
        let view = self.core.view();
        let own = cursors_in(source, view.me, name).await?;
        let mut found = BTreeMap::new();
        for before in view.roster.iter().flat_map(|roster| roster.predecessors(&view.me)) {
            if own.is_empty() {
                wait_for_all(&self.core, source, before).await;
            }
            found.extend(cursors_in(source, before, name).await?);
        }
        found.extend(own);
        Ok(found)
    }

    /// Writes down what is confirmed. What cannot be written is due again.
    async fn write_down(&self, name: &Name, progress: &Progress) {
        let _alone = progress.writing.lock().await;
        let due = progress.take_due();
        let cursor = |(author, leaves): (&PublicKey, &Vec<Tip>)| {
            let log = LogId { author: *author, kind: LogKind::Data };
            let leaves = Bounded::first_of(leaves.iter().copied());
            CursorRecord { consumer: name.clone(), log, leaves }
        };
        if due.is_empty() {
            return;
        }
        if !has_log(&self.core.view()) {
            let written = self.cursors.update(name, due.iter().map(cursor).collect()).await;
            if let Err(error) = written {
                tracing::warn!(%name, %error, "a consumer's progress could not be written down");
                progress.give_back(due);
            }
            return;
        }
        let cursors = due.iter().map(cursor);
        let entries: Vec<DataEntry> = cursors.map(DataEntry::Cursor).collect();
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
