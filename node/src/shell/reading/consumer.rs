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
use tokio::time::Instant;

use super::super::data::ReadError;
use super::consumers::{ConsumeError, Consumers};
use super::log_reader::{Eyes, LogReader, ReadGroup};
use super::progress::Progress;
use super::source::Source;

/// How long after members showed nothing of a log they are asked again, if they say nothing new of
/// it before; twice as long each further time, up to a bound.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// As long as that becomes.
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);

/// One program that reads by a name. Dropping it gives the name back.
pub(in crate::shell) struct Consumer {
    consumers: Consumers,
    name: Name,
    source: Source,
    filter: TopicFilter,
    progress: Arc<Progress>,
    logs: BTreeMap<PublicKey, Log>,
    /// Whose log was read last: the next one's turn comes after it.
    last: Option<PublicKey>,
    ready: VecDeque<ConsumeEvent>,
}

/// One of the logs that it reads.
struct Log {
    reader: LogReader,
    pause: Option<Pause>,
}

/// A log of which members showed nothing: they are away, or have no place. That passes.
struct Pause {
    until: Instant,
    length: Duration,
    /// Where it ended then, as members said.
    ends: Vec<Tip>,
}

impl Consumer {
    pub(super) fn new(
        consumers: Consumers,
        name: Name,
        (source, filter): (Source, TopicFilter),
        progress: Arc<Progress>,
    ) -> Self {
        let (logs, last, ready) = (BTreeMap::new(), None, VecDeque::new());
        Self { consumers, name, source, filter, progress, logs, last, ready }
    }

    /// Goes on after these leaves of each log.
    pub(super) fn go_on_after(&mut self, cursors: BTreeMap<PublicKey, Vec<Tip>>) {
        for (author, leaves) in cursors {
            self.logs.insert(author, self.log(author, leaves));
        }
    }

    /// Whether nothing is known of how far it had come.
    pub(super) fn is_new(&self) -> bool {
        self.logs.is_empty()
    }

    /// Goes on with what comes: what is there already counts as confirmed.
    pub(super) fn skip_to_the_end(&mut self) {
        for author in self.source.authors() {
            let ends = self.source.ends(&author);
            self.progress.skip(author, ends.clone());
            self.logs.insert(author, self.log(author, ends));
        }
    }

    fn log(&self, author: PublicKey, leaves: Vec<Tip>) -> Log {
        let (source, filter) = (self.source.clone(), self.filter.clone());
        Log { reader: LogReader::new(source, author, leaves, filter), pause: None }
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
            if !self.read_on().await? {
                let again =
                    self.logs.values().filter_map(|log| log.pause.as_ref()).map(|it| it.until);
                match again.min() {
                    Some(again) => drop(tokio::time::timeout_at(again, changed).await),
                    None => changed.await,
                }
            }
        }
    }

    /// Reads a group of each log in turn, until one has something for this consumer. Whether there was
    /// a group at all.
    async fn read_on(&mut self) -> Result<bool, ConsumeError> {
        let view = self.consumers.core().view();
        let (Some(roster), Some(own)) = (&view.roster, view.own()) else {
            return Err(ConsumeError::Refused(Refusal::NotAMember));
        };
        for author in self.source.authors() {
            if !self.logs.contains_key(&author) {
                self.logs.insert(author, self.log(author, Vec::new()));
            }
        }
        let filter = self.filter.clone();
        let eyes = Eyes { roster, own, filter: &filter };
        let mut has_read = false;
        for author in self.turns() {
            let Some(log) = self.logs.get_mut(&author) else { continue };
            let Some(group) = log.read_on(&self.source, &author, &eyes).await? else { continue };
            has_read = true;
            self.last = Some(author);
            let leaves = log.reader.position().to_vec();
            self.give(roster.name_of(&author), author, group, leaves);
            if !self.ready.is_empty() {
                break;
            }
        }
        Ok(has_read)
    }

    /// Whose logs are read, in this order: none is read twice before all were asked once.
    fn turns(&self) -> Vec<PublicKey> {
        let mut turns: Vec<PublicKey> = self.logs.keys().copied().collect();
        let after = |author: &PublicKey| self.last.is_none_or(|last| *author <= last);
        let first = turns.partition_point(after);
        if self.last.is_some() {
            turns.rotate_left(first);
        }
        turns
    }

    /// Makes events of a group, after which the reader of its log stands there.
    fn give(&mut self, name: String, author: PublicKey, group: ReadGroup, leaves: Vec<Tip>) {
        let gap = (group.passed.gap > 0).then_some(HistoryEvent::Gap {
            author: name,
            author_key: author,
            count: group.passed.gap,
        });
        let entries = group.entries.into_iter().map(HistoryEvent::Entry);
        let events: Vec<HistoryEvent> = gap.into_iter().chain(entries).collect();
        let first = self.progress.gave(author, events.len(), leaves);
        let numbered = (first..).zip(events);
        self.ready.extend(numbered.map(|(seq, event)| ConsumeEvent { seq, event }));
    }
}

impl Log {
    /// The next group; none while it is refused, and for a while after that.
    async fn read_on(
        &mut self,
        source: &Source,
        author: &PublicKey,
        eyes: &Eyes<'_>,
    ) -> Result<Option<ReadGroup>, ReadError> {
        let ends = source.ends(author);
        let rests = |it: &Pause| it.until > Instant::now() && it.ends == ends;
        if self.pause.as_ref().is_some_and(rests) {
            return Ok(None);
        }
        match self.reader.next(eyes).await {
            Ok(group) => {
                self.pause = None;
                Ok(group)
            }
            Err(ReadError::Refused { refusal }) => {
                tracing::debug!(%refusal, "no member shows more of a log for the moment");
                let before = self.pause.take().map(|pause| pause.length);
                let length = before.map_or(AGAIN_AFTER, |it| AGAIN_AFTER_MAX.min(2 * it));
                self.pause = Some(Pause { until: Instant::now() + length, length, ends });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.consumers.close(&self.name, &self.progress);
    }
}
