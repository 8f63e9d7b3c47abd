//! How members stand to whom this node has no link: sightings that travel over the overlay.
//!
//! Whoever has a link to a member sees how it stands; everybody else is told. Sightings of a member
//! are numbered by whoever makes them, each on top of what it knows, so that "later" is decided
//! without clocks and nothing circles: a sighting is passed on only where it is later than what is
//! known. Who sees otherwise than it is told says so with the next number, and therefore what is
//! true comes through in the end. One that says *online* is made anew every minute by one of those
//! who see it, and counts for nothing after three: if all who saw a member are out of reach, it is
//! not shown as online for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::ids::{Incarnation, PublicKey};
use gearmesh_protocol::limits::PRESENCE_PAGE_MAX;
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::plant::{ControlFrame, Seen, Sighting};

use super::roster::Roster;

/// How often what is new is passed on.
pub const FORWARD: Duration = Duration::from_millis(500);

/// Age at which a sighting that is still true is made anew.
pub const REFRESH: Duration = Duration::from_secs(60);

/// Age at which one that says *online* counts for nothing: two others that should have come in
/// between did not.
pub const EXPIRES: Duration = Duration::from_secs(180);

/// For how long a node lets what it is told stand against what it sees, unless its link is newer: a
/// dead link is noticed by others a moment before.
pub const CONTRADICT_AFTER: Duration = Duration::from_secs(3);

/// How long a member is away before those beside it on the overlay are bridged.
pub const AWAY_FOR_LONG: Duration = Duration::from_secs(60);

/// Sightings of keys that are kept until their admission arrives.
pub const WAITING_MAX: usize = 256;

/// How far a number may be ahead of the last: a liar cannot use them up.
const AHEAD_MAX: u64 = 1 << 32;

/// How often it is looked for sightings that expired.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    seen: Seen,
    incarnation: Incarnation,
    number: u64,
    /// When it was made, in milliseconds of this node's clock; before its start, below zero.
    made_ms: i64,
    /// When it came.
    heard: Duration,
    /// Since when the member stands like this, as far as this node knows.
    since: Duration,
    /// Over whose link it came; the node itself if it saw it.
    told_by: PublicKey,
    is_expired: bool,
}

impl Known {
    fn age(&self, now: Duration) -> Duration {
        let age = millis(now).saturating_sub(self.made_ms);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    const fn is_online(&self) -> bool {
        matches!(self.seen, Seen::Online) && !self.is_expired
    }
}

/// A link as it bears on presence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness {
    pub(super) peer: PublicKey,
    pub(super) incarnation: Incarnation,
    pub(super) up_at: Duration,
    pub(super) is_quiet: bool,
}

/// How a member without a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// How it stands.
    pub presence: Presence,
    /// Since when.
    pub since: Duration,
    /// Who says so, if it is not this node's own observation.
    pub told_by: Option<PublicKey>,
}

impl Away {
    /// How a member stands of which nothing is known.
    pub const UNHEARD_OF: Self =
        Self { presence: Presence::Unreachable, since: Duration::ZERO, told_by: None };
}

/// What is known of members by sightings, as views show it too.
#[derive(Clone, Debug, Default)]
pub struct Told {
    known: BTreeMap<PublicKey, Known>,
    /// How many of them are online.
    online: usize,
}

impl Told {
    /// How a member stands in the eyes of `me`, by what is known of it.
    #[must_use]
    pub fn away(&self, me: &PublicKey, member: &PublicKey) -> Option<Away> {
        let known = self.known.get(member)?;
        let others = |key: PublicKey| (key != *me).then_some(key);
        let (presence, told_by) = match known.seen {
            Seen::Online if known.is_expired => (Presence::Unreachable, None),
            Seen::Online => (Presence::Online, others(known.told_by)),
            Seen::Left => (Presence::Left, others(known.told_by)),
            Seen::Unreachable(from) => (Presence::Unreachable, others(from)),
        };
        Some(Away { presence, since: known.since, told_by })
    }

    /// How many members are online, these not counted.
    pub fn online_besides<'a>(&self, these: impl Iterator<Item = &'a PublicKey>) -> usize {
        let is_online = |member: &&PublicKey| self.known.get(member).is_some_and(Known::is_online);
        self.online.saturating_sub(these.filter(is_online).count())
    }

    fn put(&mut self, member: PublicKey, known: Known) {
        self.online += usize::from(known.is_online());
        let before = self.known.insert(member, known);
        self.online -= usize::from(before.is_some_and(|before| before.is_online()));
    }

    fn remove(&mut self, member: &PublicKey) {
        let before = self.known.remove(member);
        self.online -= usize::from(before.is_some_and(|before| before.is_online()));
    }
}

/// What this node is told and sees itself.
#[derive(Debug)]
pub struct Sightings {
    me: PublicKey,
    /// Views show it, so it is copied where it changes while one of them does.
    told: Arc<Told>,
    /// Sightings of keys that are no members here yet.
    waiting: BTreeMap<PublicKey, (Sighting, PublicKey, Duration)>,
    news: BTreeSet<PublicKey>,
    forwarded_at: Duration,
    looked_at: Duration,
}

impl Sightings {
    pub(super) fn new(me: PublicKey) -> Self {
        Self {
            me,
            told: Arc::default(),
            waiting: BTreeMap::new(),
            news: BTreeSet::new(),
            forwarded_at: Duration::ZERO,
            looked_at: Duration::ZERO,
        }
    }

    /// Forgets all: in a small plant everybody sees for itself.
    pub(super) fn clear(&mut self) {
        self.told = Arc::default();
        self.waiting.clear();
        self.news.clear();
    }

    /// What is known of members.
    #[must_use]
    pub fn all_told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// The roster changed: who is no member is forgotten, who is one now is looked at.
    pub(super) fn on_roster(&mut self, roster: &Roster) {
        let is_member = |key: &PublicKey| roster.member(key).is_some();
        let known = self.told.known.keys();
        let gone: Vec<PublicKey> = known.filter(|key| !is_member(key)).copied().collect();
        for key in gone {
            Arc::make_mut(&mut self.told).remove(&key);
        }
        self.news.retain(is_member);
        let (now_members, others) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(key, _)| is_member(key));
        self.waiting = others;
        let ready: BTreeMap<_, _> = now_members;
        for (sighting, told_by, heard) in ready.into_values() {
            self.take(&sighting, told_by, heard);
        }
    }

    /// This node saw how a member stands. Whether it stood otherwise before.
    pub(super) fn observe(
        &mut self,
        member: PublicKey,
        incarnation: Incarnation,
        seen: Seen,
        now: Duration,
    ) -> bool {
        let before = self.told.known.get(&member);
        let number = before.map_or(0, |known| known.number).saturating_add(1);
        let made_ms = millis(now);
        self.put(member, seen, incarnation, number, made_ms, now, self.me)
    }

    /// A member tells how others stand. Whether anybody stood otherwise before.
    pub(super) fn told(
        &mut self,
        by: PublicKey,
        sightings: &[Sighting],
        roster: &Roster,
        now: Duration,
    ) -> bool {
        let mut changed = false;
        for sighting in sightings {
            if sighting.member == self.me || sighting.member == by {
                continue;
            }
            if roster.member(&sighting.member).is_some() {
                changed |= self.take(sighting, by, now);
            } else if self.waiting.len() < WAITING_MAX {
                self.waiting.insert(sighting.member, (*sighting, by, now));
            }
        }
        changed
    }

    fn take(&mut self, sighting: &Sighting, by: PublicKey, heard: Duration) -> bool {
        let age = Duration::from_millis(sighting.age_ms.into());
        if sighting.seen == Seen::Online && age >= EXPIRES {
            return false;
        }
        if let Some(known) = self.told.known.get(&sighting.member) {
            let is_later = (sighting.number, known.seen) > (known.number, sighting.seen);
            if !is_later || sighting.number - known.number > AHEAD_MAX {
                return false;
            }
        }
        let made_ms = millis(heard).saturating_sub(sighting.age_ms.into());
        let Sighting { member, seen, incarnation, number, .. } = *sighting;
        self.put(member, seen, incarnation, number, made_ms, heard, by)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one record")]
    fn put(
        &mut self,
        member: PublicKey,
        seen: Seen,
        incarnation: Incarnation,
        number: u64,
        made_ms: i64,
        heard: Duration,
        told_by: PublicKey,
    ) -> bool {
        let before = self.told.known.get(&member);
        let same = before.filter(|known| {
            (known.seen, known.incarnation, known.is_expired) == (seen, incarnation, false)
        });
        let made = Duration::from_millis(u64::try_from(made_ms).unwrap_or(0));
        let (is_changed, since) = (same.is_none(), same.map_or(made, |known| known.since));
        let is_expired = false;
        let known = Known { seen, incarnation, number, made_ms, heard, since, told_by, is_expired };
        Arc::make_mut(&mut self.told).put(member, known);
        self.news.insert(member);
        is_changed
    }

    /// Compares what is told with what this node sees over its links, and lets old sightings
    /// expire. Whether anybody stands otherwise now.
    pub(super) fn on_tick(
        &mut self,
        witnesses: impl Iterator<Item = Witness>,
        now: Duration,
    ) -> bool {
        let mut changed = false;
        for Witness { peer, incarnation, up_at, is_quiet } in witnesses {
            let is_due = match self.told.known.get(&peer) {
                None => true,
                Some(known) if known.is_online() && known.incarnation == incarnation => {
                    known.age(now) >= REFRESH
                }
                Some(known) => up_at >= known.heard || now >= known.heard + CONTRADICT_AFTER,
            };
            if is_due && !is_quiet {
                changed |= self.observe(peer, incarnation, Seen::Online, now);
            }
        }
        if now >= self.looked_at + LOOK {
            self.looked_at = now;
            let is_over = |known: &Known| known.is_online() && known.age(now) >= EXPIRES;
            let known = self.told.known.iter();
            let over: Vec<(PublicKey, Known)> = known
                .filter(|(_, known)| is_over(known))
                .map(|(key, known)| (*key, *known))
                .collect();
            for (member, known) in over {
                let known = Known { is_expired: true, since: now, ..known };
                Arc::make_mut(&mut self.told).put(member, known);
                changed = true;
            }
        }
        changed
    }

    /// What is new, if it is time to pass it on: with who told it.
    pub(super) fn take_news(&mut self, now: Duration) -> Vec<(PublicKey, Sighting)> {
        if self.news.is_empty() || now < self.forwarded_at + FORWARD {
            return Vec::new();
        }
        self.forwarded_at = now;
        let news = std::mem::take(&mut self.news);
        news.iter().filter_map(|member| self.sighting(member, now)).collect()
    }

    /// All that is known, for a link that has just come up.
    pub(super) fn all(&self, now: Duration) -> Vec<(PublicKey, Sighting)> {
        self.told.known.keys().filter_map(|member| self.sighting(member, now)).collect()
    }

    fn sighting(&self, member: &PublicKey, now: Duration) -> Option<(PublicKey, Sighting)> {
        let known = self.told.known.get(member).filter(|known| !known.is_expired)?;
        let age_ms = u32::try_from(known.age(now).as_millis()).unwrap_or(u32::MAX);
        let Known { incarnation, number, seen, .. } = *known;
        Some((known.told_by, Sighting { member: *member, incarnation, number, age_ms, seen }))
    }

    /// Whether a member has been away for so long that those beside it are bridged.
    #[must_use]
    pub fn is_away_for_long(&self, member: &PublicKey, now: Duration) -> bool {
        let since = match self.told.known.get(member) {
            Some(known) if known.is_online() => return false,
            Some(known) => known.since,
            None => Duration::ZERO,
        };
        now >= since + AWAY_FOR_LONG
    }
}

/// Sightings as frames for one member, which is not told what it told.
pub(super) fn frames(sightings: &[(PublicKey, Sighting)], to: &PublicKey) -> Vec<ControlFrame> {
    let fits = |(told_by, seen): &&(PublicKey, Sighting)| told_by != to && seen.member != *to;
    let fitting: Vec<Sighting> = sightings.iter().filter(fits).map(|(_, seen)| *seen).collect();
    let pages = fitting.chunks(PRESENCE_PAGE_MAX);
    pages.map(|page| ControlFrame::Presence(Bounded::first_of(page.iter().copied()))).collect()
}

fn millis(at: Duration) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
