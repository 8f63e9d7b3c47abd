//! Which of several connections to one member stays, and whether its other end is alive.
//!
//! Two nodes that find each other at the same time dial each other at the same time. Both must
//! keep the same one of the two connections: a new life of the peer replaces the old one; else
//! the one dialled by the lower key stays; else the one with the lower hash of both nonces. The
//! lower key closes the other; the higher key waits, so that they never close one each.
//!
//! libp2p's ping never closes a connection, and TCP notices a dead peer after minutes, so
//! liveness is ours: beats, and a bound on silence.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::ids::{GroupId, Incarnation, PublicKey, RecordId};
use gearmesh_protocol::local::Presence;
use gearmesh_protocol::log::LogId;
use gearmesh_protocol::plant::{Address, ControlFrame, Greeting};
use gearmesh_protocol::topic::TopicFilter;

use super::presence::{Away, Witness};
use super::roster::Roster;
use super::{CloseReason, Effect, LinkId, LinkUp, TICK};

/// How often a side says that it is alive.
pub const BEAT: Duration = Duration::from_millis(500);

/// How old the last beat is at least when the next one joins in with another member's. More than
/// half of [`BEAT`], so that members who beat together do not come to beat twice as often.
const JOINS_IN_AFTER: Duration = Duration::from_millis(300);

/// Silence after which a member is shown as quiet: two beats are missing.
pub const QUIET_AFTER: Duration = Duration::from_millis(1250);

/// Silence after which a connection is given up.
pub const SILENT_AFTER: Duration = Duration::from_millis(2000);

/// Pulls that one link is answered between two ticks: one small frame can ask for a whole log.
const PULLS_PER_TICK_MAX: usize = 32;

/// Links of one node. Neighbours on the overlay find a place beyond it, so that nobody can part a
/// plant by linking to all.
pub const LINKS_MAX: usize = 1024;

/// How long a link that nobody needs any more is kept: what is followed now and then is not dialled
/// each time.
pub const UNNEEDED_FOR: Duration = Duration::from_secs(60);

/// How long the higher key waits for the lower key to close a second connection.
pub const DUPLICATE_GRACE: Duration = Duration::from_secs(2);

/// A tick later than this means that this node itself stood still, so silence proves nothing.
const OWN_PAUSE: Duration = Duration::from_millis(1000);

/// One connection that passed admission.
#[derive(Clone, Debug)]
pub struct Link {
    /// The member at the other end.
    pub peer: PublicKey,
    /// Its address.
    pub address: Address,
    /// What it follows.
    pub interest: Arc<[TopicFilter]>,
    /// Where its copies of logs end, as far as it said.
    pub leaves: BTreeMap<LogId, Vec<GroupId>>,
    /// The acts it holds, once it said.
    pub acts: Option<Vec<RecordId>>,
    is_dialer: bool,
    ours: Greeting,
    theirs: Greeting,
    heard: Duration,
    beat_at: Duration,
    beats: u64,
    seen: u64,
    is_quiet: bool,
    /// When it is closed because another connection stays, unless the peer does it before.
    ends_at: Option<Duration>,
    /// Whether the addresses that the peer says it has were noted in the journal.
    is_noted: bool,
    /// Pulls answered since the last tick.
    pulls: usize,
    /// The beat whose answer would prove that an older life of the peer still lives.
    probe: Option<u64>,
    up_at: Duration,
    /// Since when nobody needs it.
    unneeded_since: Option<Duration>,
}

impl Link {
    /// Whether this node dialled it.
    #[must_use]
    pub const fn is_dialer(&self) -> bool {
        self.is_dialer
    }

    fn lives_at(&self) -> LivesAt {
        LivesAt { address: self.address.clone(), life: self.theirs.incarnation }
    }

    /// The link as it bears on presence.
    pub(super) const fn witness(&self) -> Witness {
        let Self { peer, up_at, is_quiet, .. } = *self;
        Witness { peer, incarnation: self.theirs.incarnation, up_at, is_quiet }
    }
}

/// A life of a key, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivesAt {
    /// Its address.
    pub address: Address,
    /// Which life.
    pub life: Incarnation,
}

impl fmt::Display for LivesAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (life {})", self.address.as_str(), self.life)
    }
}

/// A member that has no connection left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) peer: PublicKey,
    pub(super) incarnation: Incarnation,
    pub(super) said_goodbye: bool,
}

/// All connections of this node.
#[derive(Debug)]
pub struct Links {
    me: PublicKey,
    links: BTreeMap<LinkId, Link>,
    best: BTreeMap<PublicKey, LinkId>,
    since: BTreeMap<PublicKey, Duration>,
    /// How members went whose last link ended. Views show it, so it is copied where it changes
    /// while one of them does.
    gone: Arc<BTreeMap<PublicKey, Away>>,
}

impl Links {
    pub(super) fn new(me: PublicKey) -> Self {
        Self {
            me,
            links: BTreeMap::new(),
            best: BTreeMap::new(),
            since: BTreeMap::new(),
            gone: Arc::default(),
        }
    }

    /// The link to use for a member.
    #[must_use]
    pub fn to(&self, peer: &PublicKey) -> Option<(LinkId, &Link)> {
        let id = *self.best.get(peer)?;
        Some((id, self.links.get(&id)?))
    }

    /// All links by id, spare ones included.
    pub fn ids(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.keys().copied()
    }

    /// Since when a link is up.
    #[must_use]
    pub fn up_at(&self, link: LinkId) -> Duration {
        self.links.get(&link).map_or(Duration::ZERO, |link| link.up_at)
    }

    /// All links with their peers, spare ones included.
    #[must_use]
    pub fn peers(&self) -> Vec<(LinkId, PublicKey)> {
        self.links.iter().map(|(id, link)| (*id, link.peer)).collect()
    }

    /// The links in use, one for each member.
    pub fn in_use(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        self.best.values().filter_map(|id| Some((*id, self.links.get(id)?)))
    }

    pub(super) fn get_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&link)
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Link> {
        self.links.get(&link)
    }

    /// How a member stands, and since when.
    #[must_use]
    pub fn presence(&self, peer: &PublicKey) -> (Presence, Duration) {
        if let Some((_, link)) = self.to(peer) {
            let since = self.since.get(peer).copied().unwrap_or_default();
            return match link.is_quiet {
                true => (Presence::Quiet, link.heard),
                false => (Presence::Online, since),
            };
        }
        let gone = self.gone.get(peer).copied().unwrap_or(Away::UNHEARD_OF);
        (gone.presence, gone.since)
    }

    /// How members went whose last link ended.
    #[must_use]
    pub fn gone(&self) -> Arc<BTreeMap<PublicKey, Away>> {
        Arc::clone(&self.gone)
    }

    pub(super) fn up(&mut self, up: &LinkUp, now: Duration, effects: &mut Vec<Effect>) {
        let link = Link {
            peer: up.peer,
            address: up.address.clone(),
            interest: Arc::default(),
            leaves: BTreeMap::new(),
            acts: None,
            is_dialer: up.is_dialer,
            ours: up.ours,
            theirs: up.theirs,
            heard: now,
            beat_at: now,
            beats: 0,
            seen: 0,
            is_quiet: false,
            ends_at: None,
            is_noted: false,
            pulls: 0,
            probe: None,
            up_at: now,
            unneeded_since: None,
        };
        self.links.insert(up.link, link);
        if self.gone.contains_key(&up.peer) {
            Arc::make_mut(&mut self.gone).remove(&up.peer);
        }
        match self.best.get(&up.peer).copied() {
            None => {
                self.best.insert(up.peer, up.link);
                self.since.insert(up.peer, now);
            }
            Some(standing) => self.settle(standing, up.link, now, effects),
        }
    }

    /// Decides between a standing connection and a new one to the same member.
    fn settle(&mut self, old: LinkId, new: LinkId, now: Duration, effects: &mut Vec<Effect>) {
        let (Some(standing), Some(coming)) = (self.links.get(&old), self.links.get(&new)) else {
            return;
        };
        let peer = coming.peer;
        let reborn = standing.theirs.incarnation != coming.theirs.incarnation;
        let keeps_new = reborn || rank(&self.me, coming) < rank(&self.me, standing);
        let (winner, loser) = if keeps_new { (new, old) } else { (old, new) };
        self.best.insert(peer, winner);
        if reborn {
            self.since.insert(peer, now);
        }
        let lower = self.me < peer;
        let Some(spare) = self.links.get_mut(&loser) else { return };
        if reborn {
            // If the old life still answers, the key is used in two places.
            spare.beats += 1;
            spare.probe = Some(spare.beats);
            spare.ends_at = Some(now + DUPLICATE_GRACE);
            let frame = ControlFrame::Beat { number: spare.beats, seen: spare.seen };
            effects.push(Effect::Send { link: loser, frame });
        } else {
            spare.ends_at = Some(now + DUPLICATE_GRACE);
            if lower {
                effects.push(Effect::Close { link: loser, why: CloseReason::Duplicate });
            }
        }
    }

    /// Forgets a connection. The member, if it has no connection left.
    pub(super) fn down(&mut self, id: LinkId, now: Duration) -> Option<Lost> {
        let Link { peer, theirs, .. } = self.links.remove(&id)?;
        if self.best.get(&peer) != Some(&id) {
            return None;
        }
        let spare = self.links.iter().find(|(_, link)| link.peer == peer).map(|(id, _)| *id);
        if let Some(spare) = spare {
            self.best.insert(peer, spare);
            if let Some(link) = self.links.get_mut(&spare) {
                link.ends_at = None;
            }
            return None;
        }
        self.best.remove(&peer);
        self.since.remove(&peer);
        let said_goodbye = self.gone.contains_key(&peer);
        if !said_goodbye {
            self.went(peer, Presence::Unreachable, now);
        }
        Some(Lost { peer, incarnation: theirs.incarnation, said_goodbye })
    }

    /// Forgets how members went that are none any more.
    pub(super) fn on_roster(&mut self, roster: &Roster) {
        let is_member = |peer: &PublicKey| roster.member(peer).is_some();
        if !self.gone.keys().all(is_member) {
            Arc::make_mut(&mut self.gone).retain(|peer, _| is_member(peer));
        }
    }

    fn went(&mut self, peer: PublicKey, presence: Presence, since: Duration) {
        let away = Away { presence, since, told_by: None };
        Arc::make_mut(&mut self.gone).insert(peer, away);
    }

    /// How many connections there are, spare ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.links.len()
    }

    /// How many members have a link.
    #[must_use]
    pub fn members(&self) -> usize {
        self.best.len()
    }

    /// Notes whether anybody needs a link. Whether it has not been needed for long.
    pub(super) fn needs(&mut self, id: LinkId, is_needed: bool, now: Duration) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.unneeded_since = match is_needed {
            true => None,
            false => Some(link.unneeded_since.unwrap_or(now)),
        };
        link.unneeded_since.is_some_and(|since| now >= since + UNNEEDED_FOR)
    }

    /// Whether what the peer says of its addresses is to be noted: once for each link, so that
    /// nobody can fill the journal.
    pub(super) fn takes_note(&mut self, id: LinkId) -> bool {
        self.links.get_mut(&id).is_some_and(|link| !std::mem::replace(&mut link.is_noted, true))
    }

    /// Whether a link may be answered one more pull before the next tick. Whoever asks more often
    /// asks again anyway when it is told where the logs end.
    pub(super) fn takes_pull(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.pulls += 1;
        link.pulls <= PULLS_PER_TICK_MAX
    }

    pub(super) fn heard(&mut self, id: LinkId, now: Duration) {
        if let Some(link) = self.links.get_mut(&id) {
            link.heard = now;
        }
    }

    /// A beat arrived. Both lives if it proves that a key lives twice.
    pub(super) fn beat(
        &mut self,
        id: LinkId,
        number: u64,
        seen: u64,
    ) -> Option<(PublicKey, LivesAt, LivesAt)> {
        let link = self.links.get_mut(&id)?;
        link.seen = number;
        if link.probe.is_none_or(|probe| seen < probe) {
            return None;
        }
        link.probe = None;
        let (peer, old) = (link.peer, link.lives_at());
        let (_, newer) = self.to(&peer)?;
        Some((peer, old, newer.lives_at()))
    }

    /// The member at the other end stops in good order.
    pub(super) fn goodbye(&mut self, id: LinkId, now: Duration) {
        if let Some(peer) = self.links.get(&id).map(|link| link.peer) {
            self.went(peer, Presence::Left, now);
        }
    }

    /// Sends the beats that are due soon, at a moment at which the node is awake anyhow: somebody's
    /// beat has come. So the members of a plant come to beat together, and sleep undisturbed in
    /// between, instead of being woken by each of the others at another moment.
    pub(super) fn join_in(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        self.send_beats(now, JOINS_IN_AFTER, effects);
    }

    fn send_beats(&mut self, now: Duration, after: Duration, effects: &mut Vec<Effect>) {
        for (id, link) in &mut self.links {
            if now.saturating_sub(link.beat_at) >= after {
                link.beat_at = now;
                link.beats += 1;
                let frame = ControlFrame::Beat { number: link.beats, seen: link.seen };
                effects.push(Effect::Send { link: *id, frame });
            }
        }
    }

    /// Sends beats, gives up silent connections, ends spare ones. Whether anybody's presence
    /// changed.
    pub(super) fn on_tick(
        &mut self,
        now: Duration,
        late: Duration,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut changed = false;
        self.send_beats(now, BEAT, effects);
        for (id, link) in &mut self.links {
            link.pulls = 0;
            // Whoever gets to run too rarely gets to read too rarely as well: while this node is
            // late itself, its ticks count and not the time.
            let own_delay = late.saturating_sub(TICK);
            link.heard = if late > OWN_PAUSE { now } else { now.min(link.heard + own_delay) };
            let silence = now.saturating_sub(link.heard);
            let is_quiet = silence >= QUIET_AFTER;
            changed |= is_quiet != link.is_quiet;
            link.is_quiet = is_quiet;
            if silence >= SILENT_AFTER {
                effects.push(Effect::Close { link: *id, why: CloseReason::Silent });
            } else if link.ends_at.is_some_and(|end| now >= end) {
                effects.push(Effect::Close { link: *id, why: CloseReason::Duplicate });
            }
        }
        changed
    }
}

/// Lower is kept: first by who dialled, then by the nonces that both sides know.
fn rank(me: &PublicKey, link: &Link) -> (PublicKey, [u8; 32]) {
    let (dialer, first, second) = match link.is_dialer {
        true => (*me, link.ours.nonce, link.theirs.nonce),
        false => (link.peer, link.theirs.nonce, link.ours.nonce),
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(first.as_bytes());
    hasher.update(second.as_bytes());
    (dialer, *hasher.finalize().as_bytes())
}
