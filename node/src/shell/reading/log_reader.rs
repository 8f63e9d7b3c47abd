//! Reading one data log, parents before children.

use std::collections::VecDeque;

use gearmesh_protocol::codec;
use gearmesh_protocol::durable::HistoryEntry;
use gearmesh_protocol::entry::DataEntry;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::{ENTRY_BYTES_MAX, GROUP_BYTES_MAX};
use gearmesh_protocol::log::{Group, Header, Tip};
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::{DataStore, ReadError};
use super::ancestry::Ancestry;
use crate::core::plant::data::{Judged, judge};
use crate::core::plant::roster::{Member, Roster};

/// Bytes read at once.
pub(super) const PAGE_BYTES: usize = 256 * 1024;

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
    store: DataStore,
    author: PublicKey,
    /// The leaves of what was read.
    after: Vec<Tip>,
    page: VecDeque<Vec<u8>>,
    gap: u64,
    is_last: bool,
    /// Known once it was needed.
    ancestry: Option<Ancestry>,
    /// The longest branch, where the log has several.
    longest: Option<GroupId>,
}

impl LogReader {
    /// A reader that goes on after these leaves.
    pub(in crate::shell) fn new(store: DataStore, author: PublicKey, after: Vec<Tip>) -> Self {
        Self {
            store,
            author,
            after,
            page: VecDeque::new(),
            gap: 0,
            is_last: false,
            ancestry: None,
            longest: None,
        }
    }

    /// Whose log it is.
    pub(in crate::shell) const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// The leaves of what was read so far.
    pub(in crate::shell) fn position(&self) -> &[Tip] {
        &self.after
    }

    /// The next group; none if there is none at the moment.
    pub(in crate::shell) async fn next(
        &mut self,
        eyes: &Eyes<'_>,
    ) -> Result<Option<ReadGroup>, ReadError> {
        self.look_around(eyes.roster).await?;
        while self.page.is_empty() {
            if std::mem::take(&mut self.is_last) {
                return Ok(None);
            }
            let page = self.store.read(self.author, self.after.clone(), PAGE_BYTES).await?;
            self.is_last = page.is_last;
            self.gap += page.gap;
            if page.groups.is_empty() && page.is_last {
                self.is_last = false;
                return Ok(None);
            }
            self.page = page.groups.into();
        }
        let Some(bytes) = self.page.pop_front() else { return Ok(None) };
        Ok(Some(self.open(&bytes, eyes)))
    }

    /// What stands in a group, for this reader. Bytes that are no group were verified before they
    /// were stored, by a release that knew more: they count as missing.
    fn open(&mut self, bytes: &[u8], eyes: &Eyes<'_>) -> ReadGroup {
        let mut read = ReadGroup { gap: std::mem::take(&mut self.gap), ..ReadGroup::default() };
        let Ok(group) = codec::decode::<Group>(bytes, GROUP_BYTES_MAX) else { return read };
        let Ok((id, header)) = group.peek() else { return read };
        let is_within = |leaves: &[GroupId]| {
            self.ancestry.as_ref().is_some_and(|known| known.is_within(&id, leaves))
        };
        let judged = judge(eyes.roster, &header, is_within);
        let fork = self.longest.is_some_and(|longest| !is_within(&[longest]));
        let name = name_of(eyes.roster, &header.log.author);
        for (at, entry) in (header.entries_before..).zip(group.entries()) {
            let Ok(DataEntry::Sample { topic, sample }) = codec::decode(entry, ENTRY_BYTES_MAX)
            else {
                continue;
            };
            if !eyes.filter.matches(&topic) || !eyes.own.may_see(&topic) {
                continue;
            }
            let Judged::Believed { terms, is_after_cut } = judged else {
                read.withheld += 1;
                continue;
            };
            if !terms.may_publish(&topic) {
                read.withheld += 1;
                continue;
            }
            read.entries.push(HistoryEntry {
                topic: topic.into(),
                author: name.clone(),
                author_key: header.log.author,
                sample,
                group: id,
                entry: at,
                after_cut: is_after_cut,
                fork,
            });
        }
        self.advance(id, &header);
        read
    }

    fn advance(&mut self, id: GroupId, header: &Header) {
        self.after.retain(|tip| !header.parents.contains(&tip.group));
        let entries = header.entries_before + u64::from(header.entries);
        self.after.push(Tip { group: id, number: header.number, entries });
    }

    /// Reads all headers first where it takes them to judge a group.
    async fn look_around(&mut self, roster: &Roster) -> Result<(), ReadError> {
        let ends = self.store.ends(&self.author);
        self.longest = ends.first().filter(|_| ends.len() > 1).map(|tip| tip.group);
        let is_plain = self.longest.is_none() && !roster.has_ended_terms(&self.author);
        if is_plain || self.ancestry.is_some() {
            return Ok(());
        }
        let mut ancestry = Ancestry::default();
        let mut others = Self::new(self.store.clone(), self.author, Vec::new());
        loop {
            let page = others.store.read(self.author, others.after.clone(), PAGE_BYTES).await?;
            for bytes in &page.groups {
                let group = codec::decode::<Group>(bytes, GROUP_BYTES_MAX);
                if let Ok((id, header)) = group.and_then(|group| group.peek()) {
                    ancestry.add(id, &header);
                    others.advance(id, &header);
                }
            }
            if page.is_last || page.groups.is_empty() {
                break;
            }
        }
        self.ancestry = Some(ancestry);
        Ok(())
    }
}

/// What an author is, or was, called.
pub(super) fn name_of(roster: &Roster, author: &PublicKey) -> String {
    let member = roster.member(author).map(|member| member.name().to_string());
    let revoked = || roster.revoked().get(author)?.name.as_ref().map(ToString::to_string);
    member.or_else(revoked).unwrap_or_else(|| author.to_string())
}
