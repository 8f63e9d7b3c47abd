//! What comes in under agreements, in the order of its log, and what is missing of it.

use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Nonce, PublicKey, SheetId};
use gearmesh_protocol::limits::{GOSSIP_BYTES_MAX, SHARE_GROUP_BYTES_MAX};
use gearmesh_protocol::log::{Group, Tip};
use gearmesh_protocol::partner::{End, Envelope, Party, ShareHead};
use gearmesh_protocol::partner_seal::EpochKey;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, Sealed, SessionFrame};
use gearmesh_protocol::signed::Signed;

use super::contract::{Effect, SessionId, Verdict};
use super::deal::{Deal, Ended};
use super::fanning::take_list;
use super::incoming::{Incoming, Taken};
use super::moving::is_beyond;
use super::record::PartnerRecord;
use super::{Partners, close};
use crate::core::clock::Now;

impl Partners {
    /// A gossip message: what it is worth to those to whom it would be passed on.
    pub(super) fn gossip(
        &mut self,
        now: Now,
        topic: &Nonce,
        bytes: &[u8],
        out: &mut Vec<Effect>,
    ) -> Verdict {
        let heard = |deal: &&mut Deal| deal.incoming.is_some() && deal.their_topic() == *topic;
        let Some(deal) = self.deals.values_mut().filter(|deal| deal.is_live(now)).find(heard)
        else {
            return Verdict::Ignore;
        };
        match codec::decode(bytes, GOSSIP_BYTES_MAX) {
            Err(_) => Verdict::Reject,
            Ok(GossipMessage::Envelope(envelope)) => carried_envelope(&self.key, deal, &envelope),
            Ok(GossipMessage::Sealed(sealed)) => {
                let (sheet, peer) = (deal.id(), deal.theirs().gateway);
                match opened(deal, &sealed) {
                    Err(Verdict::Ignore) => {
                        self.follow_anyway(now, &peer, &sheet, out);
                        Verdict::Ignore
                    }
                    Err(verdict) => verdict,
                    Ok(Carried::Head(head)) => self.head(now, (&peer, &sheet), &head, out),
                    Ok(Carried::Group(group)) => self.carried_group(now, &sheet, &group, out),
                    Ok(Carried::CoReceivers(list)) => take_list(deal, &list, false),
                }
            }
        }
    }

    /// A group that came by gossip. Where it is passed on, what the other side signed goes on to those who
    /// may lack it, and what it signed twice is the fault of nobody who brings it.
    fn carried_group(
        &mut self,
        now: Now,
        sheet: &SheetId,
        group: &[u8],
        out: &mut Vec<Effect>,
    ) -> Verdict {
        let share = self.deals.get(sheet).map(Deal::share);
        let pending = share.and_then(|share| self.signed_here(&share));
        let Some(deal) = self.deals.get_mut(sheet) else { return Verdict::Ignore };
        let (taken, name) = (take(deal, group, pending), deal.local.name.clone());
        let fans_out = deal.fans_out();
        self.ask_for_missing(now, out);
        match taken {
            Ok(Taken::Next) => Verdict::Accept,
            Ok(Taken::Early | Taken::Recent) if fans_out => Verdict::Accept,
            Ok(Taken::Old | Taken::Recent | Taken::Early) => Verdict::Ignore,
            Ok(Taken::Forked) if fans_out => {
                self.alarm(format!("the partner of {name} sent what is not of its log"));
                Verdict::Ignore
            }
            Ok(Taken::Foreign | Taken::Forked) => Verdict::Reject,
            Err(verdict) => verdict,
        }
    }

    /// The key of the other side's present epoch.
    pub(super) fn envelope(&mut self, peer: &PublicKey, envelope: &Signed<Envelope>) {
        let Ok(named) = envelope.peek() else { return };
        let of_peer = |deal: &&mut Deal| {
            deal.theirs().gateway == *peer && deal.share() == named.share && deal.stands()
        };
        if let Some(deal) = self.deals.values_mut().find(of_peer) {
            open_envelope(&self.key, deal, envelope);
        }
    }

    /// Groups that this side asked for.
    pub(super) fn groups(
        &mut self,
        now: Now,
        (session, peer): (SessionId, &PublicKey),
        sheet: &SheetId,
        groups: Vec<Vec<u8>>,
        out: &mut Vec<Effect>,
    ) {
        let share = self.deals.get(sheet).map(Deal::share);
        let pending = share.and_then(|share| self.signed_here(&share));
        let Some(deal) = self.receiving(now, peer, sheet) else { return };
        let is_honest = groups.iter().all(|group| match take(deal, group, pending) {
            Ok(taken) => !matches!(taken, Taken::Foreign | Taken::Forked),
            Err(verdict) => verdict != Verdict::Reject,
        });
        if let Some(incoming) = &mut deal.incoming {
            incoming.answered();
        }
        if is_honest {
            self.settle_rests(out);
            self.ask_for_missing(now, out);
        } else {
            let name = deal.local.name.clone();
            self.alarm(format!("the partner of {name} sent what is not of its log"));
            out.push(Effect::Close(session));
        }
    }

    /// Retention came first.
    pub(super) fn gap(
        &mut self,
        now: Now,
        peer: &PublicKey,
        sheet: &SheetId,
        after: Tip,
        out: &mut Vec<Effect>,
    ) {
        let Some(deal) = self.receiving(now, peer, sheet) else { return };
        if !deal.may_skip(peer, &after) {
            return;
        }
        if is_beyond(&after) {
            let name = deal.local.name.clone();
            return self.alarm(format!("the partner of {name} sent what is not of its log"));
        }
        let gone = deal.incoming.as_mut().and_then(|incoming| incoming.skip_to(after));
        if let Some(entries) = gone {
            let name = deal.local.name.clone();
            out.push(Effect::Persist(PartnerRecord::Lost { sheet: *sheet, entries, after }));
            self.alarm(format!(
                "{entries} values of {name} are gone: the partner kept them too short a time"
            ));
            self.settle_rests(out);
        }
    }

    pub(super) fn recall_lost(&mut self, sheet: &SheetId, entries: u64, after: Tip) -> bool {
        let incoming = self.deals.get_mut(sheet).and_then(|deal| deal.incoming.as_mut());
        let is_known = incoming.is_some_and(|incoming| {
            incoming.lost = incoming.lost.saturating_add(entries);
            if incoming.tip.is_none_or(|tip| tip.entries < after.entries) {
                incoming.tip = Some(after);
            }
            true
        });
        if let Some(deal) = self.deals.get_mut(sheet) {
            deal.settle_rest();
        }
        is_known
    }

    /// Where the other side's log stands. What its word is worth to others.
    pub(super) fn head(
        &mut self,
        now: Now,
        (peer, sheet): (&PublicKey, &SheetId),
        head: &Signed<ShareHead>,
        out: &mut Vec<Effect>,
    ) -> Verdict {
        let Some(deal) = self.receiving(now, peer, sheet) else { return Verdict::Ignore };
        let share = deal.share();
        let verified = head.verify(&deal.theirs().plant, peer);
        let Some(head) = verified.ok().filter(|it| it.value().share == share) else {
            return Verdict::Reject;
        };
        let entries = head.value().entries;
        let mut is_news = false;
        if let Some(incoming) = &mut deal.incoming {
            is_news = entries >= incoming.known;
            incoming.hear_head(head.value());
        }
        self.ask_for_missing(now, out);
        self.count(now, sheet, out);
        if is_news { Verdict::Accept } else { Verdict::Ignore }
    }

    /// Asks every partner that is there for what is missing of its log.
    pub(super) fn ask_for_missing(&mut self, now: Now, out: &mut Vec<Effect>) {
        let mut asks = Vec::new();
        for deal in self.deals.values_mut().filter(|deal| deal.is_live(now)) {
            let (sheet, Some(peer)) = (deal.id(), deal.source()) else { continue };
            if !self.sessions.values().any(|it| it.peer == peer) {
                continue;
            }
            if let Some(incoming) = deal.incoming.as_mut()
                && incoming.asks(now.tick)
            {
                asks.push((peer, SessionFrame::Follow { sheet, after: incoming.end() }));
            }
        }
        asks.into_iter().for_each(|(peer, frame)| self.say_to(peer, frame, out));
    }

    /// Something of an unknown epoch came: whatever it is, the session has it, and the key.
    fn follow_anyway(
        &mut self,
        now: Now,
        peer: &PublicKey,
        sheet: &SheetId,
        out: &mut Vec<Effect>,
    ) {
        let Some(session) = self.session_with(peer) else { return };
        let deal = self.deals.get_mut(sheet).filter(|deal| deal.source() == Some(*peer));
        let incoming = deal.and_then(|deal| deal.incoming.as_mut());
        if let Some(incoming) = incoming.filter(|incoming| !incoming.waits(now.tick)) {
            incoming.asked(now.tick);
            let frame = SessionFrame::Follow { sheet: *sheet, after: incoming.end() };
            out.push(Effect::Send { session, frame: Box::new(frame) });
        }
    }

    /// What was next to enter the plant is safe there: from here on it counts as delivered.
    pub(super) fn delivered(&mut self, now: Now, sheet: &SheetId, out: &mut Vec<Effect>) {
        let Some(deal) = self.deals.get_mut(sheet) else { return };
        let group = deal.incoming.as_mut().and_then(Incoming::delivered_next);
        if let Some(group) = group {
            let is_under = group.header().acting_under.0 == deal.under().0;
            let turns = is_under && !deal.is_turned && !deal.earlier.is_empty();
            deal.is_turned |= is_under;
            out.push(Effect::Append(Box::new(group)));
            if turns {
                out.push(Effect::Persist(PartnerRecord::Turned { sheet: *sheet }));
            }
            self.settle_rests(out);
            self.ask_for_missing(now, out);
        }
    }

    /// The other side ends it.
    pub(super) fn ended(
        &mut self,
        now: Now,
        peer: &PublicKey,
        signed: Signed<End>,
        out: &mut Vec<Effect>,
    ) {
        let Ok(end) = signed.peek() else { return };
        let Some(deal) = self.deals.get_mut(&end.sheet) else { return };
        let is_theirs = deal.theirs().gateway == *peer
            && deal.stands()
            && signed.verify(&deal.sheet().from.plant, peer).is_ok();
        if is_theirs {
            let name = deal.local.name.clone();
            close(deal, Ended { at: now.wall, by: Some((*peer, signed)) }, out);
            self.alarm(format!("the partner ended {name}"));
        }
    }

    /// An agreement under which this partner sends.
    pub(super) fn receiving(
        &mut self,
        now: Now,
        peer: &PublicKey,
        sheet: &SheetId,
    ) -> Option<&mut Deal> {
        let deal = self.deals.get_mut(sheet)?;
        let is_theirs = deal.hears(peer) && deal.incoming.is_some();
        (is_theirs && deal.is_live(now)).then_some(deal)
    }
}

fn open_envelope(
    key: &ed25519_dalek::SigningKey,
    deal: &mut Deal,
    envelope: &Signed<Envelope>,
) -> Verdict {
    let Party { plant, gateway, .. } = deal.theirs().clone();
    let Ok(verified) = envelope.verify(&plant, &gateway) else { return Verdict::Reject };
    if verified.value().share != deal.share() {
        return Verdict::Reject;
    }
    let epoch = verified.value().epoch;
    match (EpochKey::unwrap(key, &verified), &mut deal.incoming) {
        (Ok(key), Some(incoming)) => {
            incoming.add_key(epoch, key);
            Verdict::Accept
        }
        _ => Verdict::Ignore,
    }
}

/// An envelope that came by gossip. One for another receiver goes on to it; one that was let go of, which
/// somebody brings again, would only crowd out the present one.
fn carried_envelope(
    key: &ed25519_dalek::SigningKey,
    deal: &mut Deal,
    envelope: &Signed<Envelope>,
) -> Verdict {
    let epoch = envelope.peek().map(|it| (it.epoch, it.to == PublicKey::of(key)));
    let is_retired = |epoch| deal.incoming.as_ref().is_some_and(|it| it.is_retired(epoch));
    if epoch.as_ref().is_ok_and(|(epoch, _)| is_retired(*epoch)) {
        return Verdict::Ignore;
    }
    let is_for_another = epoch.is_ok_and(|(_, is_mine)| !is_mine) && deal.fans_out();
    match open_envelope(key, deal, envelope) {
        Verdict::Ignore if is_for_another => Verdict::Accept,
        verdict => verdict,
    }
}

/// A message of an unknown epoch is nobody's fault; one that its key does not open is.
fn opened(deal: &Deal, sealed: &Sealed) -> Result<Carried, Verdict> {
    let key = deal.incoming.as_ref().and_then(|incoming| incoming.key(sealed.epoch));
    let key = key.ok_or(Verdict::Ignore)?;
    key.open(&deal.share(), sealed).map_err(|_| Verdict::Reject)
}

/// Takes an encoded group if it is next, whoever brought it. One under a sheet that the other side has not
/// confirmed here yet comes again.
fn take(deal: &mut Deal, bytes: &[u8], pending: Option<SheetId>) -> Result<Taken, Verdict> {
    let plant = deal.theirs().plant;
    if bytes.len() > SHARE_GROUP_BYTES_MAX {
        return Err(Verdict::Reject);
    }
    let group = Group::read(&plant, bytes).map_err(|_| Verdict::Reject)?;
    if pending == Some(SheetId(group.header().acting_under.0)) {
        return Err(Verdict::Ignore);
    }
    let rank = deal.rank_of(&group);
    let last = deal.incoming.as_ref().and_then(Incoming::last);
    let is_behind = last.is_some_and(|last| rank < deal.rank_of(last));
    if rank.is_none() || is_behind {
        return Err(Verdict::Reject);
    }
    let log = deal.their_log_at(group.header().number);
    let incoming = deal.incoming.as_mut().ok_or(Verdict::Ignore)?;
    Ok(incoming.take(&log, group))
}
