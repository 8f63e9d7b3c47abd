//! Reading one data log with the eyes of a member.

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::ENTRY_BYTES_MAX;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::{DataStore, ReadError};
use super::walk::{Passed, Walk};
use crate::core::plant::data::{Ancestry, judge};
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
    /// Where the log ended when it was last looked at.
    ends: Vec<Tip>,
    /// Once it is needed.
    around: Option<Around>,
}

/// How the groups of the log hang together, as far as a walk of its own has come.
struct Around {
    walk: Walk,
    ancestry: Ancestry,
}

impl Around {
    /// Takes in what was added to the log.
    async fn grow(&mut self) -> Result<(), ReadError> {
        while let Some(passed) = self.walk.next().await? {
            self.ancestry.add(passed.id, &passed.header);
        }
        Ok(())
    }
}

impl LogReader {
    /// A reader that goes on after these leaves.
    pub(in crate::shell) const fn new(
        store: DataStore,
        author: PublicKey,
        after: Vec<Tip>,
    ) -> Self {
        Self { walk: Walk::after(store, author, after), ends: Vec::new(), around: None }
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
        Ok(Some(self.read(passed, eyes)))
    }

    /// What stands in a group, for this reader.
    fn read(&mut self, passed: Passed, eyes: &Eyes<'_>) -> ReadGroup {
        let Passed { id, header, group, .. } = &passed;
        let mut is_within = |leaves: &[GroupId]| {
            self.around.as_mut().is_none_or(|around| around.ancestry.is_within(id, leaves))
        };
        let judged = judge(eyes.roster, header, &mut is_within);
        let longest = self.ends.first().filter(|_| self.ends.len() > 1);
        let fork = longest.is_some_and(|tip| !is_within(&[tip.group]));
        let (mut entries, mut withheld) = (Vec::new(), 0);
        let author = eyes.roster.name_of(&header.log.author);
        for (entry, bytes) in (header.entries_before..).zip(group.entries()) {
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

    /// Learns how the groups of the log hang together, where it takes that to judge one.
    async fn look_around(&mut self, roster: &Roster) -> Result<(), ReadError> {
        let (store, author) = (self.walk.store(), self.walk.author());
        let ends = store.ends(author);
        let is_plain = ends.len() <= 1 && !roster.has_ended_terms(author);
        if is_plain {
            self.around = None;
        } else if self.around.is_none() || ends != self.ends {
            let walk = || Walk::after(store.clone(), *author, Vec::new());
            let fresh = || Around { walk: walk(), ancestry: Ancestry::default() };
            self.around.get_or_insert_with(fresh).grow().await?;
        }
        self.ends = ends;
        Ok(())
    }
}
