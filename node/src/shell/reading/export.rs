//! Logs as lines that can be checked without this node.

use std::collections::VecDeque;
use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::export::{EXPORT_FORMAT, ExportLine, ExportedEntry};
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::time::UnixMillis;

use super::super::data::ReadError;
use super::Reading;
use super::history::Wanted;
use super::log_reader::{Eyes, LogReader};
use super::source::Source;
use super::walk::Passed;
use crate::core::plant::ledger::Ledger;
use crate::core::plant::roster::{Member, Roster};

/// An export under way: one author after the other, each in the order in which it wrote.
pub(in crate::shell) struct Export {
    source: Source,
    roster: Arc<Roster>,
    own: Member,
    wanted: Wanted,
    authors: VecDeque<PublicKey>,
    log: Option<Log>,
    ready: VecDeque<ExportLine>,
    entries: u64,
    withheld: u64,
    is_over: bool,
}

/// The log that is being read.
struct Log {
    reader: LogReader,
    /// Whether a wanted value was found: from there on all headers are needed.
    has_begun: bool,
}

impl Export {
    pub(in crate::shell) fn new(
        source: Source,
        ledger: &Ledger,
        roster: Arc<Roster>,
        own: Member,
        wanted: Wanted,
        at: UnixMillis,
    ) -> Self {
        let (format, plant, by) = (EXPORT_FORMAT, roster.plant(), own.key());
        let begin = ExportLine::Export { format, plant, by, at };
        let pages = ledger.pages().into_iter().map(|page| codec::encode(&page));
        let pages = pages.map(|bytes| ExportLine::Ledger(HexBytes(bytes)));
        let (log, entries, withheld, is_over) = (None, 0, 0, false);
        Self {
            authors: source.authors().into(),
            source,
            ready: std::iter::once(begin).chain(pages).collect(),
            roster,
            own,
            wanted,
            log,
            entries,
            withheld,
            is_over,
        }
    }

    /// Reads one group, or turns to the next log, or comes to the end.
    async fn read_on(&mut self) -> Result<(), ReadError> {
        let Some(log) = &mut self.log else {
            match self.authors.pop_front() {
                Some(author) => {
                    let (source, filter) = (self.source.clone(), self.wanted.filter.clone());
                    let reader = LogReader::new(source, author, Vec::new(), filter);
                    self.log = Some(Log { reader, has_begun: false });
                }
                None => {
                    let (entries, withheld) = (self.entries, self.withheld);
                    self.ready.push_back(ExportLine::End { entries, withheld });
                    self.is_over = true;
                }
            }
            return Ok(());
        };
        let eyes = Eyes { roster: &self.roster, own: &self.own, filter: &self.wanted.filter };
        let Some(group) = log.reader.next(&eyes).await? else {
            self.log = None;
            return Ok(());
        };
        let passed = group.passed;
        if passed.gap > 0 {
            let (author, author_key) =
                (self.roster.name_of(&passed.header.log.author), passed.header.log.author);
            self.ready.push_back(ExportLine::Gap { author, author_key, count: passed.gap });
        }
        let entries = group.entries.into_iter().filter(|entry| self.wanted.is_in_time(entry));
        let entries: Vec<HistoryEntry> = entries.collect();
        log.has_begun |= !entries.is_empty();
        if log.has_begun {
            let header = codec::encode(passed.signed_header());
            self.ready.push_back(ExportLine::Group(HexBytes(header)));
        }
        self.withheld += group.withheld;
        self.entries += entries.len() as u64;
        self.ready.extend(entries.into_iter().filter_map(|entry| proven(&passed, entry)));
        Ok(())
    }
}

impl Reading for Export {
    type Piece = ExportLine;

    async fn next(&mut self) -> Result<Option<ExportLine>, ReadError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.is_over {
                return Ok(None);
            }
            self.read_on().await?;
        }
    }
}

/// A value with the proof that it is in its group.
fn proven(passed: &Passed, value: HistoryEntry) -> Option<ExportLine> {
    let index = u32::try_from(value.entry - passed.header.entries_before).ok()?;
    let (bytes, proof) = passed.prove(index)?;
    let (bytes, proof) = (HexBytes(bytes), HexBytes(codec::encode(&proof)));
    Some(ExportLine::Entry(Box::new(ExportedEntry { value, bytes, proof })))
}
