//! Groups that this node's disk lost, got back from members.
//!
//! The store knows where groups are missing and is asked every few seconds, since damage may be met
//! by whoever reads. Members are asked for what follows a gap's begin, one after another until it
//! is filled; what none of them has stays missing, and is asked for again later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::log::Tip;

use super::super::chain::Gap;
use super::super::{Effect, LinkId, Now, Plant};
use super::DataEffect;

/// How often the store is asked what is missing.
const SURVEY_EVERY: Duration = Duration::from_secs(5);

/// How long after the last member was asked in vain all are asked again: a page may have been lost,
/// or a copy of theirs filled. Doubled every time, [`DOUBLED_MAX`] times.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// From then on it is every ten minutes or so: nobody may ever have it.
const DOUBLED_MAX: u32 = 6;

/// Gaps of one log that are worked on; those behind them come when these are filled.
pub const GAPS_MAX: usize = 64;

/// What is missing here.
#[derive(Debug, Default)]
pub(super) struct Mending {
    gaps: BTreeMap<PublicKey, Vec<Gap>>,
    /// By author and the group that a gap ends with.
    asked: BTreeMap<(PublicKey, GroupId), Asked>,
    last_survey: Option<Duration>,
}

/// Who was asked for what is missing.
#[derive(Debug)]
struct Asked {
    /// Behind which group: when some of it came, the rest is another question.
    after: Option<Tip>,
    links: BTreeSet<LinkId>,
    at: Duration,
    /// How often all of them were.
    rounds: u32,
}

impl Asked {
    fn may_begin_again(&self, now: Duration) -> bool {
        now.saturating_sub(self.at) >= AGAIN_AFTER * (1 << self.rounds.min(DOUBLED_MAX))
    }
}

impl Mending {
    /// Entries that are missing, by author.
    pub(super) fn missing(&self) -> BTreeMap<PublicKey, u64> {
        let entries = |gap: &Gap| {
            gap.until.entries.saturating_sub(gap.after.map_or(0, |after| after.entries))
        };
        let sum = |gaps: &Vec<Gap>| gaps.iter().map(entries).sum();
        self.gaps.iter().map(|(author, gaps)| (*author, sum(gaps))).collect()
    }

    /// What is missing of a log.
    pub(super) fn gaps(&self, author: &PublicKey) -> &[Gap] {
        self.gaps.get(author).map_or(&[], Vec::as_slice)
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.last_survey.is_none_or(|last| now.saturating_sub(last) >= SURVEY_EVERY);
        if is_due {
            self.last_survey = Some(now);
        }
        is_due
    }

    /// Takes what is missing now. Whether that is news.
    fn set(&mut self, gaps: BTreeMap<PublicKey, Vec<Gap>>) -> bool {
        let is_open = |author: &PublicKey, until: &GroupId, asked: &Asked| {
            let mut gaps = gaps.get(author).into_iter().flatten();
            gaps.any(|gap| gap.until.group == *until && gap.after == asked.after)
        };
        self.asked.retain(|(author, until), asked| is_open(author, until, asked));
        let is_news = self.gaps != gaps;
        self.gaps = gaps;
        is_news
    }

    /// The first gap of a log for which there is a member that was not asked yet.
    fn next(&mut self, author: PublicKey, links: &[LinkId], now: Duration) -> Option<Ask> {
        for gap in self.gaps.get(&author)?.iter().take(GAPS_MAX) {
            let fresh = || Asked { after: gap.after, links: BTreeSet::new(), at: now, rounds: 0 };
            let asked = self.asked.entry((author, gap.until.group)).or_insert_with(fresh);
            if links.iter().all(|link| asked.links.contains(link)) && asked.may_begin_again(now) {
                asked.links.clear();
                asked.rounds += 1;
            }
            if let Some(link) = links.iter().find(|link| asked.links.insert(**link)) {
                asked.at = now;
                return Some(Ask { link: *link, after: gap.after });
            }
        }
        None
    }
}

/// A member to be asked for what follows a group.
struct Ask {
    link: LinkId,
    after: Option<Tip>,
}

impl Plant {
    /// Asks the store what is missing, when that is due.
    pub(super) fn survey(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.data.mending.is_due(now.tick) {
            effects.push(DataEffect::Survey.into());
        }
    }

    /// The store has said what is missing.
    pub(super) fn on_surveyed(
        &mut self,
        now: Now,
        gaps: BTreeMap<PublicKey, Vec<Gap>>,
        effects: &mut Vec<Effect>,
    ) {
        let authors: Vec<PublicKey> = gaps.keys().copied().collect();
        self.view_is_stale |= self.data.mending.set(gaps);
        for author in authors {
            if !self.is_to_hold(&author) || self.data.pulls.is_busy(&author, true) {
                continue;
            }
            let links = self.data.copies.holders(&author);
            if let Some(Ask { link, after }) = self.data.mending.next(author, &links, now.tick) {
                let after = after.into_iter().collect();
                self.data.pulls.begin((link, author), after, true, now.tick, effects);
            }
        }
    }
}
