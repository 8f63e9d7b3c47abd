//! One program that reads by a name: each value at least once, in the order of its author's log,
//! across restarts of the program, of this node and of others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gearmesh_protocol::durable::{ConsumeEvent, HistoryEvent};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::{Name, TopicFilter};

use super::super::data::ReadError;
use super::consumers::{ConsumeError, Consumers};
use super::log_reader::{Eyes, LogReader};
use super::progress::Progress;
use super::source::Source;

/// How long after members showed nothing they are asked again, if they say nothing new before.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// One program that reads by a name. Dropping it gives the name back.
pub(in crate::shell) struct Consumer {
    consumers: Consumers,
    name: Name,
    source: Source,
    filter: TopicFilter,
    progress: Arc<Progress>,
    readers: BTreeMap<PublicKey, LogReader>,
    ready: VecDeque<ConsumeEvent>,
}

impl Consumer {
    pub(super) fn new(
        consumers: Consumers,
        name: Name,
        (source, filter): (Source, TopicFilter),
        progress: Arc<Progress>,
    ) -> Self {
        let (readers, ready) = (BTreeMap::new(), VecDeque::new());
        Self { consumers, name, source, filter, progress, readers, ready }
    }

    /// Goes on after these leaves of each log.
    pub(super) fn go_on_after(&mut self, cursors: BTreeMap<PublicKey, Vec<Tip>>) {
        let (source, filter) = (&self.source, &self.filter);
        let reader = |(author, leaves)| {
            (author, LogReader::new(source.clone(), author, leaves, filter.clone()))
        };
        self.readers = cursors.into_iter().map(reader).collect();
    }

    /// How far it has come, as long as somebody reads.
    pub(super) fn progress(&self) -> Weak<Progress> {
        Arc::downgrade(&self.progress)
    }

    /// The next event; waits until there is one.
    pub(in crate::shell) async fn next(&mut self) -> Result<ConsumeEvent, ConsumeError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.progress.wait_for_room().await;
                return Ok(event);
            }
            let source = self.source.clone();
            let changed = source.changed();
            match self.read_on().await {
                Ok(true) => {}
                Ok(false) => changed.await,
                // Members that show nothing now are away, or have no place: that passes.
                Err(ConsumeError::Read(ReadError::Refused { refusal })) => {
                    tracing::debug!(%refusal, "no member shows more for the moment");
                    drop(tokio::time::timeout(AGAIN_AFTER, changed).await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads one group of the first log that has one for this consumer. Whether there was one.
    async fn read_on(&mut self) -> Result<bool, ConsumeError> {
        let view = self.consumers.core().view();
        let (Some(roster), Some(own)) = (&view.roster, view.own()) else {
            return Err(ConsumeError::Refused(Refusal::NotAMember));
        };
        let (source, filter) = (&self.source, &self.filter);
        for author in source.authors() {
            let fresh = || LogReader::new(source.clone(), author, Vec::new(), filter.clone());
            self.readers.entry(author).or_insert_with(fresh);
        }
        let eyes = Eyes { roster, own, filter: &self.filter };
        let mut refused = None;
        for (author, reader) in &mut self.readers {
            loop {
                let group = match reader.next(&eyes).await {
                    Ok(Some(group)) => group,
                    Ok(None) => break,
                    Err(error @ ReadError::Refused { .. }) => {
                        // Other logs may lie at other members.
                        refused = Some(error);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                };
                let gap = (group.passed.gap > 0).then(|| HistoryEvent::Gap {
                    author: roster.name_of(author),
                    author_key: *author,
                    count: group.passed.gap,
                });
                let entries = group.entries.into_iter().map(HistoryEvent::Entry);
                let events: Vec<HistoryEvent> = gap.into_iter().chain(entries).collect();
                let leaves = reader.position().to_vec();
                let first = self.progress.gave(*author, events.len(), leaves);
                let numbered = (first..).zip(events);
                self.ready.extend(numbered.map(|(seq, event)| ConsumeEvent { seq, event }));
                if !self.ready.is_empty() {
                    return Ok(true);
                }
            }
        }
        refused.map_or(Ok(false), |error| Err(error.into()))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.consumers.close(&self.name, &self.progress);
    }
}
