//! Going through one data log, parents before children.

use std::collections::VecDeque;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::GROUP_BYTES_MAX;
use gearmesh_protocol::log::{Group, Header, Tip};
use gearmesh_protocol::merkle::Proof;
use gearmesh_protocol::shown::VerifiedShown;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::ReadError;
use super::source::{Found, Part, Source};

/// A way through one log.
pub(super) struct Walk {
    source: Source,
    author: PublicKey,
    /// Entries on other topics need not come; headers come in any case.
    filters: Vec<TopicFilter>,
    /// The leaves of what was passed.
    after: Vec<Tip>,
    page: VecDeque<(GroupId, Header, Content)>,
    gap: u64,
    is_last: bool,
    /// Whether it is said that more follows.
    is_promised: bool,
}

/// A group, as it was verified when it was stored or shown.
pub(super) struct Passed {
    pub(super) id: GroupId,
    pub(super) header: Header,
    /// Entries in front of it that are missing here.
    pub(super) gap: u64,
    content: Content,
}

/// How much of a group is known.
enum Content {
    Whole(Box<Group>),
    Shown(Box<VerifiedShown>),
}

impl Passed {
    /// Its entries with their places in it, as far as they are known.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let (whole, shown) = match &self.content {
            Content::Whole(group) => (group.entries(), &[][..]),
            Content::Shown(shown) => (&[][..], shown.entries()),
        };
        let whole = (0..).zip(whole.iter().map(Vec::as_slice));
        whole.chain(shown.iter().map(|entry| (entry.proof.index, entry.bytes.as_slice())))
    }

    /// Its header as its author signed it.
    pub(super) fn signed_header(&self) -> &Signed<Header> {
        match &self.content {
            Content::Whole(group) => group.signed_header(),
            Content::Shown(shown) => shown.signed_header(),
        }
    }

    /// The entry at a place, with what proves it.
    pub(super) fn prove(&self, index: u32) -> Option<(Vec<u8>, Proof)> {
        match &self.content {
            Content::Whole(group) => {
                let bytes = group.entries().get(index as usize)?.clone();
                Some((bytes, group.prove(index)?))
            }
            Content::Shown(shown) => {
                let mut entries = shown.entries().iter();
                let entry = entries.find(|entry| entry.proof.index == index)?;
                Some((entry.bytes.clone(), entry.proof.clone()))
            }
        }
    }
}

impl Walk {
    /// A way that goes on after these leaves, past entries on other topics.
    pub(super) fn after(
        source: Source,
        author: PublicKey,
        after: Vec<Tip>,
        filters: Vec<TopicFilter>,
    ) -> Self {
        let is_promised = source.promises(&author, &after);
        let (page, gap, is_last) = (VecDeque::new(), 0, false);
        Self { source, author, filters, after, page, gap, is_last, is_promised }
    }

    /// Through whose log it goes.
    pub(super) const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// The leaves of what was passed so far.
    pub(super) fn position(&self) -> &[Tip] {
        &self.after
    }

    /// Where it reads.
    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// The next group; none if there is none at the moment.
    pub(super) async fn next(&mut self) -> Result<Option<Passed>, ReadError> {
        Ok(if self.turn().await? { self.pass() } else { None })
    }

    /// Turns the page if there is no group on it any more. Whether there is one. Bytes that are no
    /// group to this release were one to a newer one. What follows them says how many entries that
    /// costs; nothing is known to follow where they fill a page.
    pub(super) async fn turn(&mut self) -> Result<bool, ReadError> {
        if !self.page.is_empty() {
            return Ok(true);
        }
        if std::mem::take(&mut self.is_last) {
            return Ok(false);
        }
        let is_promised = std::mem::take(&mut self.is_promised);
        let page = self.source.read(self.author, &self.after, &self.filters, is_promised).await?;
        let Part { groups, gap, is_last } = page;
        self.gap += gap;
        self.is_last = is_last && !groups.is_empty();
        self.is_promised = !is_last && !groups.is_empty();
        self.page = groups.into_iter().filter_map(open).collect();
        Ok(!self.page.is_empty())
    }

    /// Goes past the next group of the page.
    pub(super) fn pass(&mut self) -> Option<Passed> {
        let (id, header, content) = self.page.pop_front()?;
        Tip::grow(&mut self.after, id, &header);
        Some(Passed { id, header, content, gap: std::mem::take(&mut self.gap) })
    }
}

fn open(found: Found) -> Option<(GroupId, Header, Content)> {
    match found {
        Found::Stored(bytes) => {
            let group = codec::decode::<Group>(&bytes, GROUP_BYTES_MAX).ok()?;
            let (id, header) = group.peek().ok()?;
            Some((id, header, Content::Whole(Box::new(group))))
        }
        Found::Shown(shown) => Some((shown.id(), shown.header().clone(), Content::Shown(shown))),
    }
}
