//! Where copies of logs end, here and at members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::HEADS_PAGE_MAX;
use gearmesh_protocol::log::Tip;

use super::super::chain::Extent;
use super::super::{Effect, LinkId, Now, Plant};
use super::DataEffect;

/// How often members hear where copies of others' logs end. An author hears at once.
const NEWS_EVERY: Duration = Duration::from_secs(5);

/// How often members that keep copies hear where the own log ends, if all that came is notes of
/// commands, leases and work: nobody here waits for their copies, and each time costs them a sync. What
/// a program published they hear at once.
const NOTES_HEARD_EVERY: Duration = Duration::from_millis(100);

/// How often members that keep no copies hear where those of others' logs end. They have nothing to
/// confirm, and read what has just come; of its own log a member tells them with every tick.
const READERS_HEAR_EVERY: Duration = Duration::from_secs(1);

/// What is known of copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// What is on this node's disk.
    held: BTreeMap<PublicKey, Extent>,
    links: BTreeMap<LinkId, Told>,
    /// Links to members that keep no copies, and what they were told of ours.
    readers: BTreeMap<LinkId, BTreeMap<PublicKey, Extent>>,
    /// What the store was asked about, and whether the member has said more since.
    finding: BTreeMap<(LinkId, PublicKey), bool>,
    last_news: Duration,
    /// The own group up to which members are to hear at once.
    urgent: u64,
    readers_heard: Duration,
}

/// What both sides of a link have said.
#[derive(Debug, Default)]
struct Told {
    theirs: BTreeMap<PublicKey, Vec<Tip>>,
    ours: BTreeMap<PublicKey, Extent>,
    /// When the member heard last where this node's own log ends.
    own_told: Duration,
}

impl Copies {
    pub(super) fn holding(held: BTreeMap<PublicKey, Extent>) -> Self {
        Self { held, ..Self::default() }
    }

    /// Where the copy of a log ends, the longest branch first.
    pub(super) fn ends(&self, author: &PublicKey) -> &[Tip] {
        self.held.get(author).map_or(&[], |held| held.ends.as_slice())
    }

    /// The lowest number of a log that is kept here, as it was when a group came last.
    pub(super) fn first(&self, author: &PublicKey) -> u64 {
        self.held.get(author).map_or(0, |held| held.first)
    }

    /// Takes what there is in a copy now. Whether it forked, or the fork was settled.
    pub(super) fn set(&mut self, author: PublicKey, held: Extent) -> bool {
        let is_forked = held.ends.len() > 1;
        let before = self.held.insert(author, held);
        before.is_some_and(|before| before.ends.len() > 1) != is_forked
    }

    /// Whose logs are here.
    pub(super) fn authors(&self) -> Vec<PublicKey> {
        self.held.keys().copied().collect()
    }

    /// Authors whose logs have several ends.
    pub(super) fn forked(&self) -> Vec<PublicKey> {
        let forked = self.held.iter().filter(|(_, held)| held.ends.len() > 1);
        forked.map(|(author, _)| *author).collect()
    }

    /// Whether all members that are linked said where their copies of a log end, and none names more
    /// than is here. The first to answer may be one that lags behind.
    pub(super) fn has_all_of(&self, author: &PublicKey) -> bool {
        let has_all = |ends: &Vec<Tip>| self.lacks(author, ends) == Lack::Nothing;
        let has_all = |link: &Told| link.theirs.get(author).is_some_and(has_all);
        !self.links.is_empty() && self.links.values().all(has_all)
    }

    /// What of a log that ends there is not here, as far as the ends tell.
    pub(super) fn lacks(&self, author: &PublicKey, ends: &[Tip]) -> Lack {
        let own = self.ends(author);
        let highest = own.iter().map(|tip| tip.number).max();
        let unknown: Vec<Tip> = ends.iter().filter(|tip| !own.contains(tip)).copied().collect();
        if unknown.is_empty() {
            return Lack::Nothing;
        }
        if unknown.iter().any(|tip| highest.is_none_or(|highest| tip.number > highest)) {
            return Lack::Something;
        }
        Lack::Perhaps(unknown)
    }

    /// Remembers where the copy of a member ends.
    pub(super) fn told(&mut self, link: LinkId, author: PublicKey, ends: Vec<Tip>) {
        // A link that is not up, or not to a member that keeps copies, has no place.
        if let Some(told) = self.links.get_mut(&link) {
            told.theirs.insert(author, ends);
        }
    }

    /// Where the copy of a member ends, if it said so.
    pub(super) fn told_by(&self, link: LinkId, author: &PublicKey) -> Option<&[Tip]> {
        self.links.get(&link)?.theirs.get(author).map(Vec::as_slice)
    }

    /// Says to a new link where all copies end, and that of the peer's own log even if there is
    /// none: it waits for that before it writes.
    pub(super) fn link_up(&mut self, link: LinkId, peer: PublicKey, effects: &mut Vec<Effect>) {
        self.links.insert(link, Told::default());
        let authors: BTreeSet<PublicKey> =
            self.held.keys().copied().chain(std::iter::once(peer)).collect();
        self.send(link, authors, effects);
    }

    /// Says to a new link, to a member that keeps no copies, where all copies end: from now on it
    /// hears when one grew.
    pub(super) fn reader_up(&mut self, link: LinkId, peer: PublicKey, effects: &mut Vec<Effect>) {
        self.readers.insert(link, BTreeMap::new());
        let authors: BTreeSet<PublicKey> =
            self.held.keys().copied().chain(std::iter::once(peer)).collect();
        self.send(link, authors, effects);
    }

    /// Says to members that keep no copies where the own log grew, and from time to time all others.
    pub(super) fn tell_readers(&mut self, me: PublicKey, now: Duration, effects: &mut Vec<Effect>) {
        let all = now.saturating_sub(self.readers_heard) >= READERS_HEAR_EVERY;
        if all {
            self.readers_heard = now;
        }
        let mut news = Vec::new();
        for (link, told) in &self.readers {
            let grown = self.held.iter().filter(|(author, held)| {
                (all || **author == me) && told.get(*author) != Some(*held)
            });
            let grown: BTreeSet<PublicKey> = grown.map(|(author, _)| *author).collect();
            news.push((*link, grown));
        }
        news.into_iter().for_each(|(link, grown)| self.send(link, grown, effects));
    }

    /// A link went. Of whose logs its member had copies.
    pub(super) fn link_down(&mut self, link: LinkId) -> Vec<PublicKey> {
        let told = self.links.remove(&link).unwrap_or_default();
        self.readers.remove(&link);
        self.finding.retain(|(asked, _), _| *asked != link);
        told.theirs.into_keys().collect()
    }

    /// Up to this own group members are to hear at once.
    pub(super) fn hurry(&mut self, number: u64) {
        self.urgent = number;
    }

    /// Says where this node's own log ends, unless the member has not yet confirmed what it heard
    /// before: it hears the rest when it has. Or unless it is not due yet: then with a tick.
    pub(super) fn send_own(
        &mut self,
        link: LinkId,
        me: PublicKey,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let urgent = self.urgent;
        let Some(told) = self.links.get_mut(&link) else { return };
        // A page holds what was written since it was told of: what counts is who is further.
        let highest = |ends: Option<&Vec<Tip>>| ends?.iter().map(|tip| tip.number).max();
        let ours = told.ours.get(&me);
        let heard = highest(ours.map(|held| &held.ends));
        let is_behind = highest(told.theirs.get(&me)) < heard;
        let has_news = ours != self.held.get(&me);
        let is_due = heard < Some(urgent) || now >= told.own_told + NOTES_HEARD_EVERY;
        if has_news && !is_behind && is_due {
            told.own_told = now;
            self.send(link, BTreeSet::from([me]), effects);
        }
    }

    /// Says where the copy of one log ends.
    pub(super) fn send_one(&mut self, link: LinkId, author: PublicKey, effects: &mut Vec<Effect>) {
        self.send(link, BTreeSet::from([author]), effects);
    }

    /// Whether members are to hear of others' logs now.
    pub(super) fn news_are_due(&mut self, now: Duration) -> bool {
        let is_due = now.saturating_sub(self.last_news) >= NEWS_EVERY;
        if is_due {
            self.last_news = now;
        }
        is_due
    }

    /// Says what the member at the other end neither said itself nor heard.
    pub(super) fn send_news(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(told) = self.links.get(&link) else { return };
        let is_news = |author: &PublicKey, held: &Extent| {
            told.ours.get(author) != Some(held) && told.theirs.get(author) != Some(&held.ends)
        };
        let news = self.held.iter().filter(|(author, held)| is_news(author, held));
        let news: BTreeSet<PublicKey> = news.map(|(author, _)| *author).collect();
        self.send(link, news, effects);
    }

    fn send(&mut self, link: LinkId, authors: BTreeSet<PublicKey>, effects: &mut Vec<Effect>) {
        let to_copies = self.links.get_mut(&link).map(|told| &mut told.ours);
        let Some(told) = to_copies.or(self.readers.get_mut(&link)) else { return };
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        for author in authors {
            let held = self.held.get(&author).cloned().unwrap_or_default();
            match held.is_whole() {
                true => whole.push(held.ends_of(author)),
                false => parts.push(held.parts_of(author)),
            }
            told.insert(author, held);
        }
        let whole = whole.chunks(HEADS_PAGE_MAX).map(|page| page.iter().cloned());
        let whole = whole.map(|page| DataFrame::Ends(Bounded::first_of(page)));
        let parts = parts.chunks(HEADS_PAGE_MAX).map(|page| page.iter().cloned());
        let parts = parts.map(|page| DataFrame::Parts(Bounded::first_of(page)));
        effects.extend(whole.chain(parts).map(|frame| DataEffect::Send { link, frame }.into()));
    }

    /// Members that said that they have a copy of a log.
    pub(super) fn holders(&self, author: &PublicKey) -> Vec<LinkId> {
        let has_some = |told: &Told| told.theirs.get(author).is_some_and(|ends| !ends.is_empty());
        self.links.iter().filter(|(_, told)| has_some(told)).map(|(link, _)| *link).collect()
    }

    /// Where the copy of the member ends that has most of a log.
    pub(super) fn furthest(&self, author: &PublicKey) -> &[Tip] {
        let ends = self.links.values().filter_map(|told| told.theirs.get(author));
        let furthest =
            ends.max_by_key(|ends| (ends.iter().map(|tip| tip.number).max(), ends.len()));
        furthest.map_or(&[], Vec::as_slice)
    }

    /// How many members that keep copies said where these end, and how many did not yet.
    pub(super) fn heard(&self) -> (usize, usize) {
        let said = self.links.values().filter(|told| !told.theirs.is_empty()).count();
        (said, self.links.len() - said)
    }

    /// Whether the store is to be asked now about what a member has of a log. While it is being
    /// asked, that is remembered: a member that says much has one question under way.
    pub(super) fn begin_finding(&mut self, link: LinkId, author: PublicKey) -> bool {
        let is_under_way = self.finding.contains_key(&(link, author));
        self.finding.insert((link, author), is_under_way);
        !is_under_way
    }

    /// The store has answered. Whether it is to be asked again, because the member has said more.
    pub(super) fn end_finding(&mut self, link: LinkId, author: PublicKey) -> bool {
        self.finding.remove(&(link, author)).unwrap_or(false)
    }
}

/// What of a log is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// All of it is here.
    Nothing,
    /// Something is not.
    Something,
    /// These groups may lie within the copy, or on a branch of their own: the store knows.
    Perhaps(Vec<Tip>),
}

impl Plant {
    /// Says to members where the own log ends, where that is due.
    pub(super) fn tell_own_data(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for link in self.replicating_links() {
            self.data.copies.send_own(link, self.me, now.tick, effects);
        }
    }
}
