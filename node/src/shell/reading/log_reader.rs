//! Reading one data log with the eyes of a member.

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::{DataStore, ReadError};
use super::ancestry::Ancestry;
use super::walk::{Passed, Walk};
use crate::core::plant::data::judge;
use crate::core::plant::roster::{Member, Roster};

/// What a reader looks at the log with.
pub(in crate::shell) struct Eyes<'a> {
    pub(in crate::shell) roster: &'a Roster,
    /// Who reads: it gets what its grants let it see.
    pub(in crate::shell) own: &'a Member,
    pub(in crate::shell) filter: &'a TopicFilter,
}

/// What one group holds for a reader.
#[derive(Debug, Default)]
pub(in crate::shell) struct ReadGroup {
    /// Entries in front of it that are missing here, whatever their topics.
    pub(in crate::shell) gap: u64,
    /// Values that match and are believed.
    pub(in crate::shell) entries: Vec<HistoryEntry>,
    /// How many match and are not.
    pub(in crate::shell) withheld: u64,
}

/// A reader of one log.
pub(in crate::shell) struct LogReader {
    walk: Walk,
    /// Where the log ended when it was last looked at.
    ends: Vec<Tip>,
    /// Once it is needed.
    ancestry: Option<Ancestry>,
}

impl LogReader {
    /// A reader that goes on after these leaves.
    pub(in crate::shell) const fn new(
        store: DataStore,
        author: PublicKey,
        after: Vec<Tip>,
    ) -> Self {
        Self { walk: Walk::after(store, author, after), ends: Vec::new(), ancestry: None }
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
        let Some(passed) = self.walk.next().await? else { return Ok(None) };
        self.look_around(eyes.roster).await?;
        Ok(Some(self.read(&passed, eyes)))
    }

    /// What stands in a group, for this reader.
    fn read(&self, passed: &Passed, eyes: &Eyes<'_>) -> ReadGroup {
        let Passed { id, header, group, gap } = passed;
        let is_within = |leaves: &[GroupId]| {
            self.ancestry.as_ref().is_none_or(|ancestry| ancestry.is_within(id, leaves))
        };
        let judged = judge(eyes.roster, header, is_within);
        let longest = self.ends.first().filter(|_| self.ends.len() > 1);
        let fork = longest.is_some_and(|tip| !is_within(&[tip.group]));
        let mut read = ReadGroup { gap: *gap, ..ReadGroup::default() };
        let author = eyes.roster.name_of(&header.log.author);
        for (entry, bytes) in (header.entries_before..).zip(group.entries()) {
            let decoded = codec::decode(bytes, ENTRY_BYTES_MAX);
            let Ok(DataEntry::Sample { topic, sample }) = decoded else { continue };
            if !eyes.filter.matches(&topic) || !eyes.own.may_see(&topic) {
                continue;
            }
            let Some(after_cut) = judged.allows(&topic) else {
                read.withheld += 1;
                continue;
            };
            let (author, author_key) = (author.clone(), header.log.author);
            let (topic, group) = (topic.into(), *id);
            read.entries.push(HistoryEntry {
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
        read
    }

    /// Learns how the groups of the log hang together, where it takes that to judge one.
    async fn look_around(&mut self, roster: &Roster) -> Result<(), ReadError> {
        let (store, author) = (self.walk.store(), self.walk.author());
        let ends = store.ends(author);
        let is_plain = ends.len() <= 1 && !roster.has_ended_terms(author);
        if is_plain {
            self.ancestry = None;
        } else if self.ancestry.is_none() || ends != self.ends {
            let fresh = || Ancestry::of(store.clone(), *author);
            self.ancestry.get_or_insert_with(fresh).grow().await?;
        }
        self.ends = ends;
        Ok(())
    }
}
