//! Going through one data log, parents before children.

use std::collections::VecDeque;
use std::sync::Arc;

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::limits::GROUP_BYTES_MAX;
use gearmesh_protocol::log::{Group, Header, Tip};
use gearmesh_protocol::merkle::Proof;
use gearmesh_protocol::shown::VerifiedShown;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::TopicFilter;

use super::super::data::{Page, ReadError};
use super::source::{Part, Source};
use crate::core::plant::chain::{Chain, Place};
use crate::core::plant::data::{More, Trail};

/// A way through one log.
pub(super) struct Walk {
    source: Source,
    author: PublicKey,
    /// Entries on other topics need not come; headers come in any case.
    filters: Vec<TopicFilter>,
    trail: Trail,
    page: VecDeque<Ahead>,
    /// The shape of the log in the store when the page was read there.
    chain: Arc<Chain>,
    is_last: bool,
    /// Whether it is said that more follows.
    is_promised: bool,
}

/// A group of the page.
struct Ahead {
    id: GroupId,
    header: Header,
    content: Content,
    /// What the store says of it: where it lies, and how much is missing in front of it.
    stored: Option<(Place, u64)>,
}

/// What came of turning the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turned {
    /// There is a group on it.
    Page,
    /// Nothing follows at the moment.
    Over,
    /// What follows can be placed only by the log's outline.
    Beside,
}

/// A group, as it was verified when it was stored or shown.
pub(super) struct Passed {
    pub(super) id: GroupId,
    pub(super) header: Header,
    /// Entries in front of it that are missing here.
    pub(super) gap: u64,
    /// Where it lies in the log's outline; nothing where that did not matter.
    pub(super) place: Option<Place>,
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
    /// A way that goes on along a trail, past entries on other topics.
    pub(super) fn along(
        source: Source,
        author: PublicKey,
        trail: Trail,
        filters: Vec<TopicFilter>,
    ) -> Self {
        let is_promised = source.promises(&author, trail.leaves());
        let (page, chain, is_last) = (VecDeque::new(), Arc::default(), false);
        Self { source, author, filters, trail, page, chain, is_last, is_promised }
    }

    /// Through whose log it goes.
    pub(super) const fn author(&self) -> &PublicKey {
        &self.author
    }

    /// The leaves of what was passed so far.
    pub(super) fn position(&self) -> &[Tip] {
        self.trail.leaves()
    }

    /// What was passed so far.
    pub(super) const fn trail(&self) -> &Trail {
        &self.trail
    }

    /// What was passed so far, to learn more of the log, or to pass what was not shown.
    pub(super) const fn trail_mut(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// Where it reads.
    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    /// The shape of the log in the store when the page was read there.
    pub(super) const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The header of the group that is passed next.
    pub(super) fn ahead(&self) -> Option<(GroupId, &Header)> {
        self.page.front().map(|ahead| (ahead.id, &ahead.header))
    }

    /// The next group of a log in the own store, for whoever judges nothing; none if there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Passed>, ReadError> {
        Ok(match self.turn().await? {
            Turned::Page => self.pass(),
            Turned::Over | Turned::Beside => None,
        })
    }

    /// Turns the page if there is no group on it any more. Bytes that are no group to this release
    /// were one to a newer one. What follows them says how many entries that costs; nothing is known
    /// to follow where they fill a page.
    pub(super) async fn turn(&mut self) -> Result<Turned, ReadError> {
        if !self.page.is_empty() {
            return Ok(Turned::Page);
        }
        if std::mem::take(&mut self.is_last) {
            return Ok(Turned::Over);
        }
        let is_promised = std::mem::take(&mut self.is_promised);
        let part = self.source.read(self.author, &self.trail, &self.filters, is_promised).await?;
        match part {
            Part::Stored(page) => self.take_stored(page),
            Part::Shown(part) if part.is_beside => return Ok(Turned::Beside),
            Part::Shown(part) => {
                self.is_last = part.rest == More::Nothing && !part.groups.is_empty();
                self.is_promised = part.rest == More::Surely && !part.groups.is_empty();
                self.page = part.groups.into_iter().map(Ahead::shown).collect();
            }
        }
        Ok(if self.page.is_empty() { Turned::Over } else { Turned::Page })
    }

    fn take_stored(&mut self, page: Page) {
        let Page { groups, places, gap, is_last, chain } = page;
        self.is_last = is_last && !groups.is_empty();
        self.chain = chain;
        let groups = groups.into_iter().zip(places);
        self.page = groups.filter_map(|(bytes, place)| Ahead::stored(&bytes, place)).collect();
        if let Some(Ahead { stored: Some((_, missing)), .. }) = self.page.front_mut() {
            *missing = gap;
        }
    }

    /// Goes past the next group of the page; if it is not where it was thought to be, the page is
    /// dropped and has to be turned anew.
    pub(super) fn pass(&mut self) -> Option<Passed> {
        let Ahead { id, header, content, stored } = self.page.pop_front()?;
        let (place, gap) = match stored {
            Some((place, gap)) => {
                self.trail.grow(id, &header);
                (Some(place), gap)
            }
            None => match self.trail.pass(id, &header) {
                Ok(step) => (step.place, step.leap.unwrap_or(0)),
                Err(_) => {
                    self.page.clear();
                    self.is_last = false;
                    return None;
                }
            },
        };
        Some(Passed { id, header, content, gap, place })
    }
}

impl Ahead {
    fn stored(bytes: &[u8], place: Place) -> Option<Self> {
        let group = codec::decode::<Group>(bytes, GROUP_BYTES_MAX).ok()?;
        let (id, header) = group.peek().ok()?;
        Some(Self {
            id,
            header,
            content: Content::Whole(Box::new(group)),
            stored: Some((place, 0)),
        })
    }

    fn shown(group: VerifiedShown) -> Self {
        let (id, header) = (group.id(), group.header().clone());
        Self { id, header, content: Content::Shown(Box::new(group)), stored: None }
    }
}
