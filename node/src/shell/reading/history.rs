//! All logs together, in the order of time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gearmesh_protocol::durable::{HistoryEntry, HistoryEvent};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::ReadError;
use super::Reading;
use super::log_reader::{Eyes, LogReader};
use super::source::Source;
use crate::core::plant::roster::{Member, Roster};

/// What somebody wants to see of the past.
pub(in crate::shell) struct Wanted {
    pub(in crate::shell) filter: TopicFilter,
    /// From then on.
    pub(in crate::shell) since: Option<UnixMillis>,
    /// Before then.
    pub(in crate::shell) until: Option<UnixMillis>,
}

impl Wanted {
    pub(super) fn is_in_time(&self, entry: &HistoryEntry) -> bool {
        let at = entry.sample.source_time;
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// The past, as this node holds it at one moment.
pub(in crate::shell) struct History {
    roster: Arc<Roster>,
    own: Member,
    wanted: Wanted,
    logs: BTreeMap<PublicKey, Ahead>,
    entries: u64,
    withheld: u64,
    is_over: bool,
}

/// What was read ahead of one log.
struct Ahead {
    reader: LogReader,
    ready: VecDeque<HistoryEvent>,
    is_over: bool,
}

impl History {
    pub(in crate::shell) fn new(
        source: &Source,
        roster: Arc<Roster>,
        own: Member,
        wanted: Wanted,
    ) -> Self {
        let ahead = |author: PublicKey| {
            let filter = wanted.filter.clone();
            let reader = LogReader::new(source.clone(), author, Vec::new(), filter);
            (author, Ahead { reader, ready: VecDeque::new(), is_over: false })
        };
        let logs = source.authors().into_iter().map(ahead).collect();
        Self { roster, own, wanted, logs, entries: 0, withheld: 0, is_over: false }
    }

    /// Reads on in every log of which nothing is ready.
    async fn read_ahead(&mut self) -> Result<(), ReadError> {
        let (roster, filter) = (&self.roster, &self.wanted.filter);
        let eyes = Eyes { roster, own: &self.own, filter };
        for (author, ahead) in &mut self.logs {
            while ahead.ready.is_empty() && !ahead.is_over {
                let Some(group) = ahead.reader.next(&eyes).await? else {
                    ahead.is_over = true;
                    break;
                };
                if group.passed.gap > 0 {
                    let (author, count) = (roster.name_of(author), group.passed.gap);
                    let author_key = *ahead.reader.author();
                    ahead.ready.push_back(HistoryEvent::Gap { author, author_key, count });
                }
                self.withheld += group.withheld;
                let fit = group.entries.into_iter().filter(|entry| self.wanted.is_in_time(entry));
                ahead.ready.extend(fit.map(HistoryEvent::Entry));
            }
        }
        Ok(())
    }
}

impl Reading for History {
    type Piece = HistoryEvent;

    async fn next(&mut self) -> Result<Option<HistoryEvent>, ReadError> {
        if self.is_over {
            return Ok(None);
        }
        self.read_ahead().await?;
        let next = self.logs.iter().filter_map(|(author, ahead)| {
            let order = ahead.ready.front().map(time_of)?;
            Some((order, *author))
        });
        let Some((_, author)) = next.min() else {
            self.is_over = true;
            let (entries, withheld) = (self.entries, self.withheld);
            return Ok(Some(HistoryEvent::End { entries, withheld }));
        };
        let event = self.logs.get_mut(&author).and_then(|ahead| ahead.ready.pop_front());
        if matches!(event, Some(HistoryEvent::Entry(_))) {
            self.entries += 1;
        }
        Ok(event)
    }
}

/// When an event is due: gaps before anything else of their log.
const fn time_of(event: &HistoryEvent) -> UnixMillis {
    match event {
        HistoryEvent::Entry(entry) => entry.sample.source_time,
        HistoryEvent::Gap { .. } | HistoryEvent::End { .. } => UnixMillis(0),
    }
}
