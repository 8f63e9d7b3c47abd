//! Named durable subscriptions: each value at least once, in the order of its author's log, across
//! restarts of the program, of this node and of others.
//!
//! How far a consumer has come is an entry of this node's own data log: written after the program
//! confirmed what it got, at most once a second, so that a crash repeats values and loses none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::durable::{ConsumeEvent, HistoryEvent};
use gearmesh_protocol::entry::{CursorRecord, DataEntry};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_BYTES_MAX, GROUP_ENTRIES_MAX};
use gearmesh_protocol::log::{Group, LogId, LogKind, Tip};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, TopicFilter};

use super::super::core_handle::CoreHandle;
use super::super::data::{DataStore, ReadError};
use super::super::durable::Durable;
use super::log_reader::{Eyes, LogReader, PAGE_BYTES, name_of};

/// How often a consumer's progress is written down.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// Events that a program may have got and not confirmed; it gets no more before it does.
pub(in crate::shell) const UNCONFIRMED_MAX: u64 = 16 * 1024;

/// The consumers of a node: at most one program reads by a name at a time.
#[derive(Clone)]
pub(in crate::shell) struct Consumers {
    core: CoreHandle,
    store: DataStore,
    durable: Durable,
    open: Arc<Mutex<BTreeMap<Name, Arc<Progress>>>>,
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

/// What was given out, and how much of it was confirmed.
#[derive(Debug, Default)]
struct Progress {
    state: Mutex<Marks>,
    confirmed: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Marks {
    /// The last event given out, and the last confirmed.
    given: u64,
    confirmed: u64,
    /// Where readers stood after a group, in their order.
    marks: VecDeque<Mark>,
    /// What is confirmed and not written down yet.
    due: BTreeMap<PublicKey, Vec<Tip>>,
    /// What held nothing for the program. It is written down with something that is due, never by
    /// itself: what is written down is a group of a log too.
    passed: BTreeMap<PublicKey, Vec<Tip>>,
}

/// Where the reader of a log stood when an event had been given out.
#[derive(Debug)]
struct Mark {
    event: u64,
    author: PublicKey,
    leaves: Vec<Tip>,
    /// Whether the event came from there.
    has_events: bool,
}

impl Marks {
    fn take_due(&mut self) -> BTreeMap<PublicKey, Vec<Tip>> {
        let mut due = std::mem::take(&mut self.due);
        if !due.is_empty() {
            due.extend(std::mem::take(&mut self.passed));
        }
        due
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program confirms all events up to one. Numbers that were not given out count for nothing.
    fn confirm(&self, event: u64) {
        let mut state = self.lock();
        state.confirmed = state.confirmed.max(event.min(state.given));
        while state.marks.front().is_some_and(|mark| mark.event <= state.confirmed) {
            let Some(mark) = state.marks.pop_front() else { break };
            if mark.has_events {
                state.passed.remove(&mark.author);
                state.due.insert(mark.author, mark.leaves);
            } else {
                state.passed.insert(mark.author, mark.leaves);
            }
        }
        drop(state);
        self.confirmed.notify_waiters();
    }
}

impl Consumers {
    pub(in crate::shell) fn new(core: CoreHandle, store: DataStore, durable: Durable) -> Self {
        Self { core, store, durable, open: Arc::default() }
    }

    /// Goes on where the consumer of this name has come to.
    pub(in crate::shell) async fn open(
        &self,
        name: Name,
        filter: TopicFilter,
    ) -> Result<Consumer, ConsumeError> {
        let progress = Arc::new(Progress::default());
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.contains_key(&name) {
                return Err(ConsumeError::Refused(Refusal::ConsumerBusy));
            }
            open.insert(name.clone(), Arc::clone(&progress));
        }
        // From here on its drop takes the name away again.
        let mut consumer = Consumer {
            consumers: self.clone(),
            name,
            filter,
            progress,
            readers: BTreeMap::new(),
            ready: VecDeque::new(),
        };
        let cursors = self.cursors(&consumer.name).await?;
        let reader =
            |(author, leaves)| (author, LogReader::new(self.store.clone(), author, leaves));
        consumer.readers = cursors.into_iter().map(reader).collect();
        let (consumers, name) = (self.clone(), consumer.name.clone());
        let progress = Arc::downgrade(&consumer.progress);
        tokio::spawn(async move {
            while let Some(progress) = progress.upgrade() {
                consumers.write_down(&name, &progress).await;
                drop(progress);
                tokio::time::sleep(COMMIT_EVERY).await;
            }
        });
        Ok(consumer)
    }

    /// Confirms what the program that reads by this name got. Whether one does.
    pub(in crate::shell) fn confirm(&self, name: &Name, event: u64) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = open.get(name).cloned();
        drop(open);
        progress.is_some_and(|progress| {
            progress.confirm(event);
            true
        })
    }

    /// How far a consumer had come, by this node's own data log.
    async fn cursors(&self, name: &Name) -> Result<BTreeMap<PublicKey, Vec<Tip>>, ReadError> {
        let me = self.core.view().me;
        let (mut found, mut after) = (BTreeMap::new(), Vec::new());
        loop {
            let page = self.store.read(me, after.clone(), PAGE_BYTES).await?;
            for bytes in &page.groups {
                let Ok(group) = codec::decode::<Group>(bytes, GROUP_BYTES_MAX) else { continue };
                let Ok((id, header)) = group.peek() else { continue };
                for entry in group.entries() {
                    if let Ok(DataEntry::Cursor(cursor)) = codec::decode(entry, ENTRY_BYTES_MAX)
                        && cursor.consumer == *name
                    {
                        found.insert(cursor.log.author, cursor.leaves.into_vec());
                    }
                }
                after.retain(|tip: &Tip| !header.parents.contains(&tip.group));
                let entries = header.entries_before + u64::from(header.entries);
                after.push(Tip { group: id, number: header.number, entries });
            }
            if page.is_last || page.groups.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Writes down what is confirmed. What cannot be written is due again.
    async fn write_down(&self, name: &Name, progress: &Progress) {
        let due = progress.lock().take_due();
        if due.is_empty() {
            return;
        }
        let entry = |(author, leaves): (&PublicKey, &Vec<Tip>)| {
            let log = LogId { author: *author, kind: LogKind::Data };
            let leaves = Bounded::first_of(leaves.iter().copied());
            DataEntry::Cursor(CursorRecord { consumer: name.clone(), log, leaves })
        };
        let entries: Vec<DataEntry> = due.iter().map(entry).collect();
        for entries in entries.chunks(GROUP_ENTRIES_MAX) {
            if let Err(refusal) = self.durable.write(entries).await {
                tracing::warn!(%name, %refusal, "a consumer's progress could not be written down");
                let mut state = progress.lock();
                for (author, leaves) in due {
                    state.due.entry(author).or_insert(leaves);
                }
                return;
            }
        }
    }
}

/// One program that reads by a name. Dropping it gives the name back.
pub(in crate::shell) struct Consumer {
    consumers: Consumers,
    name: Name,
    filter: TopicFilter,
    progress: Arc<Progress>,
    readers: BTreeMap<PublicKey, LogReader>,
    ready: VecDeque<ConsumeEvent>,
}

impl Consumer {
    /// The next event; waits until there is one.
    pub(in crate::shell) async fn next(&mut self) -> Result<ConsumeEvent, ConsumeError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.wait_for_room().await;
                return Ok(event);
            }
            let store = self.consumers.store.clone();
            let changed = store.changed();
            if !self.read_on().await? {
                changed.await;
            }
        }
    }

    /// A program that confirms nothing gets no more.
    async fn wait_for_room(&self) {
        loop {
            let confirmed = self.progress.confirmed.notified();
            {
                let state = self.progress.lock();
                if state.given - state.confirmed < UNCONFIRMED_MAX {
                    return;
                }
            }
            confirmed.await;
        }
    }

    /// Reads one group of the first log that has one for this consumer. Whether there was one.
    async fn read_on(&mut self) -> Result<bool, ConsumeError> {
        let view = self.consumers.core.view();
        let (Some(roster), Some(own)) = (&view.roster, view.own()) else {
            return Err(ConsumeError::Refused(Refusal::NotAMember));
        };
        for author in self.consumers.store.authors() {
            let store = &self.consumers.store;
            let fresh = || LogReader::new(store.clone(), author, Vec::new());
            self.readers.entry(author).or_insert_with(fresh);
        }
        let eyes = Eyes { roster, own, filter: &self.filter };
        for (author, reader) in &mut self.readers {
            while let Some(group) = reader.next(&eyes).await? {
                let gap = (group.gap > 0).then(|| HistoryEvent::Gap {
                    author: name_of(roster, author),
                    author_key: *author,
                    count: group.gap,
                });
                let events =
                    gap.into_iter().chain(group.entries.into_iter().map(HistoryEvent::Entry));
                let mut state = self.progress.lock();
                let before = state.given;
                for event in events {
                    state.given += 1;
                    self.ready.push_back(ConsumeEvent { seq: state.given, event });
                }
                let (given, leaves) = (state.given, reader.position().to_vec());
                // What brought nothing is confirmed with what came before it.
                let has_events = given > before;
                let mark = Mark { event: given, author: *author, leaves, has_events };
                state.marks.push_back(mark);
                drop(state);
                if has_events {
                    return Ok(true);
                }
                self.progress.confirm(0);
            }
        }
        Ok(false)
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let mut open = self.consumers.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.name);
        drop(open);
        let (consumers, name) = (self.consumers.clone(), self.name.clone());
        let progress = Arc::clone(&self.progress);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { consumers.write_down(&name, &progress).await });
        }
    }
}
