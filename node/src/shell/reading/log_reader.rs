//! Reading one data log with the eyes of a member.

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::ReadError;
use super::source::Source;
use super::surroundings::Surroundings;
use super::walk::{Passed, Walk};
use crate::core::plant::data::{Trail, judge};
use crate::core::plant::roster::{Member, Roster};

/// What a reader looks at the log with.
pub(in crate::shell) struct Eyes<'a> {
    pub(in crate::shell) roster: &'a Roster,
    /// Who reads: it gets what its grants let it see.
    pub(in crate::shell) own: &'a Member,
    pub(in crate::shell) filter: &'a TopicFilter,
}

/// What one group holds for a reader.
pub(in crate::shell) struct ReadGroup {
    /// The group.
    pub(super) passed: Passed,
    /// Values that match and are believed.
    pub(in crate::shell) entries: Vec<HistoryEntry>,
    /// How many match and are not.
    pub(in crate::shell) withheld: u64,
}

/// A reader of one log.
pub(in crate::shell) struct LogReader {
    walk: Walk,
    surroundings: Surroundings,
}

impl LogReader {
    /// A reader of what matches a filter that goes on after these leaves.
    pub(in crate::shell) fn new(
        source: Source,
        author: PublicKey,
        after: Vec<Tip>,
        filter: TopicFilter,
    ) -> Self {
        let walk = Walk::along(source, author, Trail::after(after), vec![filter]);
        Self { walk, surroundings: Surroundings::default() }
    }

    /// Whose log it is.
    pub(in crate::shell) const fn author(&self) -> &PublicKey {
        self.walk.author()
    }

    /// The leaves of what was read so far.
    pub(in crate::shell) fn position(&self) -> &[Tip] {
        self.walk.position()
    }

    /// The next group; none if there is none at the moment.
    pub(in crate::shell) async fn next(
        &mut self,
        eyes: &Eyes<'_>,
    ) -> Result<Option<ReadGroup>, ReadError> {
        let passed = self.surroundings.next(&mut self.walk, eyes.roster).await?;
        Ok(passed.map(|passed| self.read(passed, eyes)))
    }

    /// What stands in a group, for this reader.
    fn read(&self, passed: Passed, eyes: &Eyes<'_>) -> ReadGroup {
        let Passed { id, header, place, .. } = &passed;
        let outline = self.surroundings.outline().zip(*place);
        let is_within = |leaves: &[GroupId]| {
            outline.is_none_or(|(outline, place)| outline.is_within(place, leaves))
        };
        let judged = judge(eyes.roster, header, is_within);
        let fork = outline.is_some_and(|(outline, place)| outline.is_beside(place));
        let (mut entries, mut withheld) = (Vec::new(), 0);
        let author = eyes.roster.name_of(&header.log.author);
        for (index, bytes) in passed.entries() {
            let entry = header.entries_before.saturating_add(index.into());
            let decoded = codec::decode(bytes, ENTRY_BYTES_MAX);
            let Ok(DataEntry::Sample { topic, sample }) = decoded else { continue };
            if !eyes.filter.matches(&topic) || !eyes.own.may_see(&topic) {
                continue;
            }
            let Some(after_cut) = judged.allows(&topic) else {
                withheld += 1;
                continue;
            };
            let (author, author_key) = (author.clone(), header.log.author);
            let (topic, group) = (topic.into(), *id);
            entries.push(HistoryEntry {
                topic,
                author,
                author_key,
                sample,
                group,
                entry,
                after_cut,
                fork,
            });
        }
        ReadGroup { passed, entries, withheld }
    }
}
