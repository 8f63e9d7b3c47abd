//! Where copies of logs end, here and at members, and what is on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::{DataFrame, LogEnds};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{HEADS_PAGE_MAX, LEAVES_MAX};
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::super::{Effect, LinkId};
use super::DataEffect;

/// How often members hear where copies of others' logs end. An author hears at once.
const NEWS_EVERY: Duration = Duration::from_secs(5);

/// Logs of which something is on its way at once: so much may have to be kept in memory.
const PULLS_MAX: usize = 8;

/// How long a member may take to send what it was asked for.
const PULL_FOR: Duration = Duration::from_secs(10);

/// How long a log is left alone when what came of it could not be stored.
const REST_FOR: Duration = Duration::from_secs(5);

/// What is known of copies.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Where they end on this node's disk.
    ends: BTreeMap<PublicKey, Vec<Tip>>,
    links: BTreeMap<LinkId, Told>,
    pulls: BTreeMap<PublicKey, Pull>,
    /// Logs of which something is to be had that was not asked for, and the member that was asked in
    /// vain, if one was.
    left_out: BTreeMap<PublicKey, Option<LinkId>>,
    /// What the store was asked about, and whether the member has said more since.
    finding: BTreeMap<(LinkId, PublicKey), bool>,
    last_news: Duration,
}

/// What both sides of a link have said.
#[derive(Debug, Default)]
struct Told {
    theirs: BTreeMap<PublicKey, Vec<Tip>>,
    ours: BTreeMap<PublicKey, Vec<Tip>>,
}

/// Something that is on its way here.
#[derive(Debug)]
struct Pull {
    from: LinkId,
    until: Duration,
    /// The ends of what is here and of what was sent so far. In a fork the sender does not know our
    /// ends and sends from further back what is here already; that must not be asked for again.
    after: Vec<Tip>,
    /// Whether it is for a gap: a page of it is enough, since what is missing then is another one.
    is_for_gap: bool,
    /// The write of what came.
    write: Option<Write>,
}

/// A page on its way to the disk.
#[derive(Clone, Copy, Debug)]
struct Write {
    number: u64,
    /// Whether the sender has nothing more.
    is_last: bool,
    /// Whether it brought the pull further. One that sends the same again and again is left alone.
    is_further: bool,
}

impl Copies {
    pub(super) fn holding(ends: BTreeMap<PublicKey, Vec<Tip>>) -> Self {
        Self { ends, ..Self::default() }
    }

    /// Where the copy of a log ends, the longest branch first.
    pub(super) fn ends(&self, author: &PublicKey) -> &[Tip] {
        self.ends.get(author).map_or(&[], Vec::as_slice)
    }

    /// Takes where a copy ends now. Whether it forked, or the fork was settled.
    pub(super) fn set(&mut self, author: PublicKey, ends: Vec<Tip>) -> bool {
        let is_forked = ends.len() > 1;
        let before = self.ends.insert(author, ends);
        before.is_some_and(|before| before.len() > 1) != is_forked
    }

    /// Whose logs are here.
    pub(super) fn authors(&self) -> Vec<PublicKey> {
        self.ends.keys().copied().collect()
    }

    /// Authors whose logs have several ends.
    pub(super) fn forked(&self) -> Vec<PublicKey> {
        let forked = self.ends.iter().filter(|(_, ends)| ends.len() > 1);
        forked.map(|(author, _)| *author).collect()
    }

    /// Whether members said where the copies of a log end, and none names more than is here.
    pub(super) fn has_all_of(&self, author: &PublicKey) -> bool {
        let mut told = self.links.values().filter_map(|link| link.theirs.get(author)).peekable();
        told.peek().is_some() && told.all(|ends| self.lacks(author, ends) == Lack::Nothing)
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
            self.ends.keys().copied().chain(std::iter::once(peer)).collect();
        self.send(link, authors, effects);
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.links.remove(&link);
        self.finding.retain(|(asked, _), _| *asked != link);
        let gone: Vec<PublicKey> =
            self.pulls.iter().filter(|(_, pull)| pull.from == link).map(|(key, _)| *key).collect();
        for author in gone {
            // What is on its way to the disk still counts; nothing more will come.
            match self.pulls.get_mut(&author) {
                Some(Pull { write: Some(write), .. }) => write.is_last = true,
                _ => drop(self.pulls.remove(&author)),
            }
            self.left_out.insert(author, None);
        }
    }

    /// Says where this node's own log ends, unless the member has not yet confirmed what it heard
    /// before: it hears the rest when it has.
    pub(super) fn send_own(&mut self, link: LinkId, me: PublicKey, effects: &mut Vec<Effect>) {
        let Some(told) = self.links.get(&link) else { return };
        let is_behind = told.ours.get(&me).is_some_and(|ours| told.theirs.get(&me) != Some(ours));
        let has_news = told.ours.get(&me) != self.ends.get(&me);
        if has_news && !is_behind {
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
        let is_news = |author: &PublicKey, ends: &Vec<Tip>| {
            told.ours.get(author) != Some(ends) && told.theirs.get(author) != Some(ends)
        };
        let news = self.ends.iter().filter(|(author, ends)| is_news(author, ends));
        let news: BTreeSet<PublicKey> = news.map(|(author, _)| *author).collect();
        self.send(link, news, effects);
    }

    fn send(&mut self, link: LinkId, authors: BTreeSet<PublicKey>, effects: &mut Vec<Effect>) {
        let Some(told) = self.links.get_mut(&link) else { return };
        let mut list = Vec::new();
        for author in authors {
            let ends = self.ends.get(&author).cloned().unwrap_or_default();
            list.push(LogEnds { author, ends: Bounded::first_of(ends.iter().copied()) });
            told.ours.insert(author, ends);
        }
        for page in list.chunks(HEADS_PAGE_MAX) {
            let frame = DataFrame::Ends(Bounded::first_of(page.iter().cloned()));
            effects.push(DataEffect::Send { link, frame }.into());
        }
    }

    /// Asks a member for what follows this node's copy of a log, or what it was sent of it before,
    /// unless it is on its way already or too much else is.
    pub(super) fn pull(
        &mut self,
        link: LinkId,
        author: PublicKey,
        sent: Option<Vec<Tip>>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        self.end_overdue(now);
        if self.is_busy(&author) {
            self.left_out.entry(author).or_default();
            return;
        }
        self.left_out.remove(&author);
        let tips = sent.unwrap_or_else(|| self.ends(&author).to_vec());
        self.ask(link, author, tips, false, now, effects);
    }

    /// Asks a member for a page of what follows this group, if nothing of the log is on its way.
    pub(super) fn pull_missing(
        &mut self,
        link: LinkId,
        author: PublicKey,
        after: Vec<Tip>,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_busy(&author) {
            self.ask(link, author, after, true, now, effects);
        }
    }

    fn ask(
        &mut self,
        link: LinkId,
        author: PublicKey,
        tips: Vec<Tip>,
        is_for_gap: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let after = Bounded::first_of(tips.iter().copied());
        let until = now + PULL_FOR;
        let pull = Pull { from: link, until, after: tips, is_for_gap, write: None };
        self.pulls.insert(author, pull);
        effects.push(DataEffect::Send { link, frame: DataFrame::Pull { author, after } }.into());
    }

    /// Whether something of a log is on its way, or too much else is.
    pub(super) fn is_busy(&self, author: &PublicKey) -> bool {
        self.pulls.contains_key(author) || self.pulls.len() >= PULLS_MAX
    }

    /// Members that said that they have a copy of a log.
    pub(super) fn holders(&self, author: &PublicKey) -> Vec<LinkId> {
        let has_some = |told: &Told| told.theirs.get(author).is_some_and(|ends| !ends.is_empty());
        self.links.iter().filter(|(_, told)| has_some(told)).map(|(link, _)| *link).collect()
    }

    /// Whether what is awaited of a log is for a gap.
    pub(super) fn is_for_gap(&self, author: &PublicKey) -> bool {
        self.pulls.get(author).is_some_and(|pull| pull.is_for_gap)
    }

    /// Gives up waiting for what did not come in time, and for logs that have rested.
    fn end_overdue(&mut self, now: Duration) {
        let left_out = &mut self.left_out;
        self.pulls.retain(|author, pull| {
            let is_overdue = pull.write.is_none() && now >= pull.until;
            if is_overdue {
                left_out.insert(*author, Some(pull.from));
            }
            !is_overdue
        });
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

    /// Whether groups of a log were asked for over this link, and none are being written.
    pub(super) fn expects(&self, link: LinkId, author: &PublicKey) -> bool {
        let pull = self.pulls.get(author);
        pull.is_some_and(|pull| pull.from == link && pull.write.is_none())
    }

    /// What came goes to the disk.
    pub(super) fn writes(
        &mut self,
        author: &PublicKey,
        number: u64,
        groups: &[Arc<VerifiedGroup>],
        is_last: bool,
    ) {
        let Some(pull) = self.pulls.get_mut(author) else { return };
        let before: BTreeSet<Tip> = pull.after.iter().copied().collect();
        for group in groups {
            Tip::grow(&mut pull.after, group.id(), group.header());
        }
        // What was sent last comes first, should there be more than a frame has room for.
        pull.after.truncate(LEAVES_MAX);
        let is_further = before != pull.after.iter().copied().collect();
        pull.write = Some(Write { number, is_last, is_further });
    }

    /// It is there: what was pulled.
    pub(super) fn stored(&mut self, write: u64) -> Option<Pulled> {
        let author = self.author_of(write)?;
        let pull = self.pulls.remove(&author)?;
        let write = pull.write?;
        let goes_on = !write.is_last && write.is_further && !pull.is_for_gap;
        let (link, is_for_gap) = (pull.from, pull.is_for_gap);
        Some(Pulled { author, link, is_for_gap, sent: goes_on.then_some(pull.after) })
    }

    /// It is not: the log is left alone for a while.
    pub(super) fn failed(&mut self, write: u64, now: Duration) {
        if let Some(author) = self.author_of(write) {
            self.rest(author, false, now);
        }
    }

    /// A log is done with for now; if nothing of what came could be used, for a while.
    pub(super) fn rest(&mut self, author: PublicKey, was_of_use: bool, now: Duration) {
        if was_of_use {
            self.pulls.remove(&author);
        } else {
            let (from, until) = (LinkId(u64::MAX), now + REST_FOR);
            let rest = Pull { from, until, after: Vec::new(), is_for_gap: false, write: None };
            self.pulls.insert(author, rest);
        }
        self.left_out.insert(author, None);
    }

    /// Logs that may be asked for now and were not, with the members that may have more of them:
    /// last the one that was asked in vain.
    pub(super) fn left_out(&mut self, now: Duration) -> Vec<(PublicKey, LinkId)> {
        self.end_overdue(now);
        let is_free = |author: &PublicKey| !self.pulls.contains_key(author);
        let free: Vec<PublicKey> = self.left_out.keys().filter(|it| is_free(it)).copied().collect();
        let mut found = Vec::new();
        for author in free {
            let in_vain = self.left_out.remove(&author).flatten();
            let tellers = self.links.iter().filter(|(_, told)| told.theirs.contains_key(&author));
            let mut tellers: Vec<LinkId> = tellers.map(|(link, _)| *link).collect();
            tellers.sort_by_key(|link| Some(*link) == in_vain);
            found.extend(tellers.into_iter().map(|link| (author, link)));
        }
        found
    }

    fn author_of(&self, write: u64) -> Option<PublicKey> {
        let is_it = |pull: &Pull| pull.write.is_some_and(|under_way| under_way.number == write);
        self.pulls.iter().find(|(_, pull)| is_it(pull)).map(|(author, _)| *author)
    }
}

/// A page of a log that is on this node's disk.
pub(super) struct Pulled {
    pub(super) author: PublicKey,
    /// Over which link it came.
    pub(super) link: LinkId,
    /// Whether it was for a gap.
    pub(super) is_for_gap: bool,
    /// The ends of what was sent, if there is more.
    pub(super) sent: Option<Vec<Tip>>,
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
