//! Pages of logs that were asked for, are on their way, or are being written.
//!
//! A member is asked for one page at a time. The next one is asked for when a page has come, while
//! that is still on its way to the disk, so that neither the way nor the disk stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::data::DataFrame;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::LEAVES_MAX;
use gearmesh_protocol::log::{Tip, VerifiedGroup};

use super::super::{Effect, LinkId};
use super::DataEffect;

/// Logs of which something is on its way at once.
const LOGS_MAX: usize = 8;

/// Pages of one log that may be on their way to the disk when the next one is asked for. So much of
/// [`LOGS_MAX`] logs may have to be kept in memory.
const WRITES_MAX: usize = 2;

/// How long a member may take to send what it was asked for.
const PAGE_WITHIN: Duration = Duration::from_secs(10);

/// How long a log is left alone when what came of it was of no use, or could not be stored.
const REST_FOR: Duration = Duration::from_secs(5);

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    under_way: BTreeMap<PublicKey, Pull>,
    resting: BTreeMap<PublicKey, Duration>,
    /// Whose log each write is of.
    writes: BTreeMap<u64, PublicKey>,
    /// Logs of which something is to be had that was not asked for, and the member that was asked in
    /// vain, if one was.
    left_out: BTreeMap<PublicKey, Option<LinkId>>,
}

/// What is asked of one member.
#[derive(Debug)]
struct Pull {
    from: LinkId,
    /// When the page that is awaited is overdue; none while none is.
    awaited_until: Option<Duration>,
    /// The ends of what is here and of what was sent so far. In a fork the sender does not know our
    /// ends and sends from further back what is here already; that must not be asked for again.
    after: Vec<Tip>,
    /// Whether the sender has more, that was not asked for yet.
    has_more: bool,
    /// Whether it is for a gap: a page of it is enough, since what is missing then is another one.
    is_for_gap: bool,
    /// Pages on their way to the disk.
    writes: usize,
}

/// A page that came.
pub(super) struct Page<'a> {
    pub(super) author: PublicKey,
    pub(super) groups: &'a [Arc<VerifiedGroup>],
    /// Whether the sender has nothing more.
    pub(super) is_last: bool,
    /// Its write.
    pub(super) write: u64,
}

/// A page that is on this node's disk.
pub(super) struct Pulled {
    pub(super) author: PublicKey,
    /// Whether it was for a gap.
    pub(super) is_for_gap: bool,
    /// Whether no more of the log is on its way.
    pub(super) is_over: bool,
}

impl Pulls {
    /// Whether a log is not to be asked for: it is on its way already, or rests, or too much else is
    /// on its way. A hole does not rest because a member had nothing to follow the end.
    pub(super) fn is_busy(&self, author: &PublicKey, is_for_gap: bool) -> bool {
        self.under_way.contains_key(author)
            || (self.resting.contains_key(author) && !is_for_gap)
            || self.under_way.len() >= LOGS_MAX
    }

    /// Asks a member for what follows these ends, or remembers that something is to be had.
    pub(super) fn begin(
        &mut self,
        (link, author): (LinkId, PublicKey),
        after: Vec<Tip>,
        is_for_gap: bool,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        self.end_overdue(now);
        if self.is_busy(&author, is_for_gap) {
            self.left_out.entry(author).or_default();
            return;
        }
        self.left_out.remove(&author);
        let (awaited_until, has_more, writes) = (None, true, 0);
        let mut pull = Pull { from: link, awaited_until, after, has_more, is_for_gap, writes };
        pull.ask(author, now, effects);
        self.under_way.insert(author, pull);
    }

    /// Whether a page of a log is awaited over this link.
    pub(super) fn expects(&self, link: LinkId, author: &PublicKey) -> bool {
        let pull = self.under_way.get(author);
        pull.is_some_and(|pull| pull.from == link && pull.awaited_until.is_some())
    }

    /// Whether what is awaited of a log is for a gap.
    pub(super) fn is_for_gap(&self, author: &PublicKey) -> bool {
        self.under_way.get(author).is_some_and(|pull| pull.is_for_gap)
    }

    /// A page came, and goes to the disk.
    pub(super) fn came(&mut self, page: &Page<'_>, now: Duration, effects: &mut Vec<Effect>) {
        self.writes.insert(page.write, page.author);
        let Some(pull) = self.under_way.get_mut(&page.author) else { return };
        pull.awaited_until = None;
        pull.writes += 1;
        let is_further = pull.go_on(page.groups);
        // A sender that sends the same again and again is left alone.
        pull.has_more = !page.is_last && is_further && !pull.is_for_gap;
        pull.ask(page.author, now, effects);
    }

    /// A page is there: of a log that was pulled, or nothing is known of this write.
    pub(super) fn stored(
        &mut self,
        write: u64,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Option<Pulled> {
        let author = self.writes.remove(&write)?;
        let Some(pull) = self.under_way.get_mut(&author) else {
            return Some(Pulled { author, is_for_gap: false, is_over: false });
        };
        pull.writes = pull.writes.saturating_sub(1);
        pull.ask(author, now, effects);
        let is_over = pull.is_over();
        Some(Pulled { author, is_for_gap: pull.is_for_gap, is_over })
    }

    /// A page is not there: the log is left alone for a while.
    pub(super) fn failed(&mut self, write: u64, now: Duration) {
        if let Some(author) = self.writes.remove(&write) {
            self.end(author, false, now);
        }
    }

    /// A log is done with for now; if nothing of what came could be used, for a while.
    pub(super) fn end(&mut self, author: PublicKey, was_of_use: bool, now: Duration) {
        self.under_way.remove(&author);
        if !was_of_use {
            self.resting.insert(author, now + REST_FOR);
        }
        self.left_out.insert(author, None);
    }

    /// Nothing more comes over a link. What is on its way to the disk still counts.
    pub(super) fn link_down(&mut self, link: LinkId) {
        let left_out = &mut self.left_out;
        self.under_way.retain(|author, pull| {
            let is_gone = pull.from == link;
            if is_gone {
                left_out.insert(*author, None);
            }
            !is_gone
        });
    }

    /// Gives up waiting for what did not come in time, and ends what has rested.
    fn end_overdue(&mut self, now: Duration) {
        let left_out = &mut self.left_out;
        self.under_way.retain(|author, pull| {
            let is_overdue = pull.awaited_until.is_some_and(|until| now >= until);
            if is_overdue {
                left_out.insert(*author, Some(pull.from));
            }
            !is_overdue
        });
        self.resting.retain(|_, until| now < *until);
    }

    /// Logs that may be asked for now and were not, each with the member that was asked in vain.
    pub(super) fn left_out(&mut self, now: Duration) -> Vec<(PublicKey, Option<LinkId>)> {
        self.end_overdue(now);
        let is_free = |author: &PublicKey| {
            !self.under_way.contains_key(author) && !self.resting.contains_key(author)
        };
        let free: BTreeSet<PublicKey> =
            self.left_out.keys().filter(|author| is_free(author)).copied().collect();
        let take = |author| Some((author, self.left_out.remove(&author)?));
        free.into_iter().filter_map(take).collect()
    }
}

impl Pull {
    /// Asks for the next page, if there is one and it may be asked for.
    fn ask(&mut self, author: PublicKey, now: Duration, effects: &mut Vec<Effect>) {
        if !self.has_more || self.awaited_until.is_some() || self.writes >= WRITES_MAX {
            return;
        }
        self.has_more = false;
        self.awaited_until = Some(now + PAGE_WITHIN);
        let after = Bounded::first_of(self.after.iter().copied());
        let frame = DataFrame::Pull { author, after };
        effects.push(DataEffect::Send { link: self.from, frame }.into());
    }

    /// Takes groups into what was sent. Whether that is further than before.
    fn go_on(&mut self, groups: &[Arc<VerifiedGroup>]) -> bool {
        let before: BTreeSet<Tip> = self.after.iter().copied().collect();
        for group in groups {
            Tip::grow(&mut self.after, group.id(), group.header());
        }
        // What was sent last comes first, should there be more than a frame has room for.
        self.after.truncate(LEAVES_MAX);
        before != self.after.iter().copied().collect()
    }

    const fn is_over(&self) -> bool {
        self.writes == 0 && self.awaited_until.is_none() && !self.has_more
    }
}
