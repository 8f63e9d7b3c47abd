//! Keeping the links that a plant of this size needs, and telling over them how members stand.

use std::sync::Arc;
use std::time::Duration;

use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::plant::{Seen, Sighting};

use super::links::{LINKS_MAX, Link, Lost};
use super::overlay::{Wanted, is_followed};
use super::presence;
use super::{CloseReason, Effect, LinkId, Now, Plant};

/// How often it is looked whether members beside this node on the overlay have to be bridged.
const BRIDGE_EVERY: Duration = Duration::from_secs(5);

impl Plant {
    /// The roster changed, and with it who is wanted and who is known.
    pub(super) fn on_roster(&mut self) {
        let Some(roster) = &self.roster else { return };
        self.contacts.on_roster(roster);
        self.links.on_roster(roster);
        self.wanted = Arc::new(Wanted::of(roster, &self.me, &self.interest));
        match self.wanted.is_full_mesh() {
            true => self.sightings.clear(),
            false => self.sightings.on_roster(roster),
        }
        self.bridged_at = None;
        self.view_is_stale = true;
        self.want_copied();
        self.want_called();
    }

    /// What local subscribers follow changed, and with it who is wanted.
    pub(super) fn want_followed(&mut self) {
        let Some(roster) = &self.roster else { return };
        Arc::make_mut(&mut self.wanted).follow(roster, &self.me, &self.interest);
        self.view_is_stale = true;
    }

    /// Once this node has a data log, members that are to have copies of it are wanted.
    pub(super) fn want_copied(&mut self) {
        let Some(roster) = &self.roster else { return };
        if !self.data.ends(&self.me).is_empty() {
            Arc::make_mut(&mut self.wanted).have_copied(roster, &self.me);
            self.view_is_stale = true;
        }
    }

    /// Whether there is a place for a link to a member.
    pub(super) fn has_place_for(&self, peer: &PublicKey) -> bool {
        self.links.count() < LINKS_MAX
            || self.wanted.is_neighbour(peer)
            || self.links.to(peer).is_some()
    }

    /// Keeps links as they are needed, and passes on how members stand.
    pub(super) fn keep_mesh(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.roster.is_none() || self.wanted.is_full_mesh() {
            return;
        }
        self.bridge(now.tick);
        self.close_unneeded(now.tick, effects);
        let witnesses = self.links.in_use().map(|(_, link)| link.witness());
        self.away_changed |= self.sightings.on_tick(witnesses, now.tick);
        let news = self.sightings.take_news(now.tick);
        if !news.is_empty() {
            for (link, peer) in self.links.peers() {
                send(link, &news, &peer, effects);
            }
        }
        // Presence comes in floods; a view for every frame would cost more than it tells.
        self.view_is_stale |= std::mem::take(&mut self.away_changed);
    }

    /// Links to the next beside members that have been away for long.
    fn bridge(&mut self, now: Duration) {
        if self.bridged_at.is_some_and(|at| now < at + BRIDGE_EVERY) {
            return;
        }
        self.bridged_at = Some(now);
        let Some(roster) = &self.roster else { return };
        let is_away = |member: &PublicKey| {
            self.links.to(member).is_none() && self.sightings.is_away_for_long(member, now)
        };
        let mut wanted = Wanted::clone(&self.wanted);
        wanted.bridge(roster, &self.me, is_away);
        if wanted != *self.wanted {
            self.wanted = Arc::new(wanted);
            self.view_is_stale = true;
        }
    }

    /// Closes links that this node dialled and that neither side needs any more. Who was dialled
    /// leaves that to the dialer, who knows what it dialled for.
    fn close_unneeded(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let links = self.links.in_use().filter(|(_, link)| link.is_dialer());
        let needed: Vec<(LinkId, bool)> =
            links.map(|(id, link)| (id, self.is_needed(link))).collect();
        for (id, is_needed) in needed {
            if self.links.needs(id, is_needed, now) {
                effects.push(Effect::Close { link: id, why: CloseReason::Unneeded });
            }
        }
    }

    /// Whether one of the two sides wants a link, or trust is on its way over it.
    fn is_needed(&self, link: &Link) -> bool {
        let own = self.roster.as_ref().and_then(|roster| roster.member(&self.me));
        self.wanted.wants(&link.peer)
            || own.is_some_and(|own| is_followed(own, &link.interest))
            || !self.is_in_step(link)
    }

    /// A new link hears how everybody stands.
    pub(super) fn send_sightings(&self, link: LinkId, now: Duration, effects: &mut Vec<Effect>) {
        let Some(to) = self.links.get(link).filter(|_| !self.wanted.is_full_mesh()) else { return };
        send(link, &self.sightings.all(now), &to.peer, effects);
    }

    /// A member tells how others stand.
    pub(super) fn on_sightings(&mut self, link: LinkId, told: &[Sighting], now: Duration) {
        let (Some(roster), Some(from)) = (&self.roster, self.links.get(link)) else { return };
        if !self.wanted.is_full_mesh() {
            self.away_changed |= self.sightings.told(from.peer, told, roster, now);
        }
    }

    /// The last link to a member ended. That is told unless nobody needed it.
    pub(super) fn saw_go(&mut self, lost: Lost, now: Duration) {
        let is_told = lost.said_goodbye || self.wanted.wants(&lost.peer);
        if is_told && !self.wanted.is_full_mesh() {
            let seen = if lost.said_goodbye { Seen::Left } else { Seen::Unreachable(self.me) };
            self.sightings.observe(lost.peer, lost.incarnation, seen, now);
        }
    }
}

fn send(
    link: LinkId,
    sightings: &[(PublicKey, Sighting)],
    to: &PublicKey,
    effects: &mut Vec<Effect>,
) {
    let frames = presence::frames(sightings, to);
    effects.extend(frames.into_iter().map(|frame| Effect::Send { link, frame }));
}
