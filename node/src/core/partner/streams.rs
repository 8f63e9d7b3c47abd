//! What flows out under agreements: groups, envelopes, heads, and pages for who was away.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::{Incarnation, PublicKey, SheetId};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::ShareEntry;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, SessionFrame};

use super::Partners;
use super::contract::{Effect, Page, SessionId};
use super::deal::Deal;
use super::outgoing::{HEAD_EVERY, Writer};
use super::record::PartnerRecord;
use crate::core::clock::Now;

fn writer_of<'a>(key: &'a SigningKey, incarnation: Incarnation, deal: &Deal) -> Writer<'a> {
    Writer {
        key,
        plant: deal.ours().plant,
        share: deal.share(),
        sheet: deal.id(),
        incarnation,
        partner: deal.theirs().gateway,
    }
}

fn gossip(message: &GossipMessage, deal: &Deal) -> Effect {
    Effect::Publish { topic: deal.own_topic(), bytes: codec::encode(message) }
}

impl Partners {
    /// An agreement begins to flow.
    pub(super) fn begin(&mut self, now: Now, sheet: &SheetId, out: &mut Vec<Effect>) {
        let Some(deal) = self.deals.get(sheet) else { return };
        let peer = deal.theirs().gateway;
        if deal.incoming.is_some() {
            out.push(Effect::Subscribe(deal.their_topic()));
        }
        if let Some(session) = self.session_with(&peer) {
            self.greet(now, session, &peer, out);
        }
    }

    /// Says to a gateway that came what it has to know of each agreement with it.
    pub(super) fn greet(
        &mut self,
        now: Now,
        session: SessionId,
        peer: &PublicKey,
        out: &mut Vec<Effect>,
    ) {
        let moment = self.moment_here(now);
        let Self { key, random, deals, incarnation, me, .. } = self;
        let mut say = |frame| out.push(Effect::Send { session, frame: Box::new(frame) });
        for deal in deals.values_mut().filter(|deal| deal.hears(peer)) {
            if deal.is_replaced {
                continue;
            }
            let tells = deal.is_handed_over(now) || deal.stands();
            if tells && !deal.ours_changed.notices.is_empty() {
                say(SessionFrame::Notices(Bounded::first_of(deal.ours_changed.notices.clone())));
            }
            if deal.is_moved {
                continue;
            }
            if let Some(ended) = &deal.ended {
                let own = ended.by.as_ref().filter(|(by, _)| by == me);
                own.into_iter().for_each(|(_, end)| say(SessionFrame::End(end.clone())));
                continue;
            }
            let (sheet, is_source) = (deal.id(), deal.source() == Some(*peer));
            if let Some(incoming) = deal.incoming.as_mut().filter(|_| is_source) {
                incoming.asked(now.tick);
                say(SessionFrame::Follow { sheet, after: incoming.end() });
            }
            if deal.theirs().gateway != *peer || !deal.is_live(now) {
                continue;
            }
            if deal.is_serving() {
                say(SessionFrame::Moment(moment));
            }
            deal.theirs_counted.is_told = false;
            let writer = writer_of(key, *incarnation, deal);
            if let Some(outgoing) = &mut deal.outgoing {
                let envelope = outgoing.envelope(now.tick, &writer, random);
                envelope.into_iter().for_each(|envelope| say(SessionFrame::Envelope(envelope)));
                let head = outgoing.head(&writer);
                head.into_iter().for_each(|head| say(SessionFrame::Head { sheet, head }));
            }
        }
    }

    /// Signs values, writes them down, and only then gossips them.
    pub(super) fn send_entries(
        &mut self,
        now: Now,
        sheet: &SheetId,
        entries: &[ShareEntry],
        out: &mut Vec<Effect>,
    ) {
        let Self { key, random, deals, incarnation, .. } = self;
        let Some(deal) = deals.get_mut(sheet).filter(|deal| deal.is_live(now)) else { return };
        if deal.awaits {
            return;
        }
        let writer = writer_of(key, *incarnation, deal);
        let Some(outgoing) = &mut deal.outgoing else { return };
        let groups = outgoing.write(&writer, random, entries);
        let mut messages = Vec::new();
        for group in groups {
            let carried = Carried::Group(codec::encode(group.group()));
            out.push(Effect::Append(Box::new(group)));
            if let Some((sealed, fresh)) = outgoing.seal(now.tick, &writer, random, &carried) {
                messages.extend(fresh.map(GossipMessage::Envelope));
                messages.push(GossipMessage::Sealed(sealed));
            }
        }
        let peer = deal.theirs().gateway;
        out.extend(messages.iter().map(|message| gossip(message, deal)));
        // Whoever missed the envelope on the topic still has the session.
        let envelopes = messages.into_iter().filter_map(|message| match message {
            GossipMessage::Envelope(envelope) => Some(envelope),
            GossipMessage::Sealed(_) => None,
        });
        let envelopes: Vec<_> = envelopes.collect();
        envelopes.into_iter().for_each(|it| self.say_to(peer, SessionFrame::Envelope(it), out));
    }

    /// Repeats where this side's logs end, so that a lost last message shows.
    pub(super) fn repeat_heads(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Self { key, random, deals, incarnation, .. } = self;
        let mut told = Vec::new();
        for deal in deals.values_mut().filter(|deal| deal.is_live(now)) {
            let writer = writer_of(key, *incarnation, deal);
            let Some(outgoing) = &mut deal.outgoing else { continue };
            if outgoing.head_told.is_some_and(|at| now.tick < at + HEAD_EVERY) {
                continue;
            }
            outgoing.head_told = Some(now.tick);
            let Some(head) = outgoing.head(&writer) else { continue };
            let carried = Carried::Head(head.clone());
            let sealed = outgoing.seal(now.tick, &writer, random, &carried);
            if let Some((sealed, fresh)) = sealed {
                let fresh = fresh.map(GossipMessage::Envelope);
                out.extend(fresh.iter().map(|message| gossip(message, deal)));
                out.push(gossip(&GossipMessage::Sealed(sealed), deal));
            }
            let frame = SessionFrame::Head { sheet: deal.id(), head };
            told.push((deal.theirs().gateway, frame));
        }
        told.into_iter().for_each(|(peer, frame)| self.say_to(peer, frame, out));
    }

    /// A partner asks for what follows.
    pub(super) fn follow(
        &mut self,
        now: Now,
        (session, peer): (SessionId, &PublicKey),
        sheet: &SheetId,
        after: Option<Tip>,
        out: &mut Vec<Effect>,
    ) {
        let Self { key, random, deals, incarnation, me, .. } = self;
        let Some(deal) = deals.get_mut(sheet) else { return };
        let is_handed_over = deal.is_handed_over(now);
        if deal.theirs().gateway != *peer || !(deal.is_live(now) || is_handed_over) {
            return;
        }
        let gone = match deal.open_log(after) {
            Err(refusal) => Some(SessionFrame::Refused(refusal)),
            Ok(None) => None,
            Ok(Some((tip, is_behind))) => {
                out.push(Effect::Persist(PartnerRecord::Opened { sheet: *sheet, tip }));
                let after = tip.filter(|_| is_behind);
                after.map(|after| SessionFrame::Gap { sheet: *sheet, after })
            }
        };
        out.extend(gone.map(|frame| Effect::Send { session, frame: Box::new(frame) }));
        let (writer, log) = (writer_of(key, *incarnation, deal), deal.log_of(*me));
        let Some(outgoing) = &mut deal.outgoing else { return };
        if is_handed_over {
            out.push(Effect::Read { session, sheet: *sheet, log, after });
            return;
        }
        // Whoever asks may have come before it knew of the agreement, and missed the key.
        let envelope = outgoing.envelope(now.tick, &writer, random).map(SessionFrame::Envelope);
        out.extend(envelope.map(|frame| Effect::Send { session, frame: Box::new(frame) }));
        let has_more = after.map_or(0, |after| after.entries) < outgoing.entries();
        if has_more {
            out.push(Effect::Read { session, sheet: *sheet, log, after });
        }
    }

    /// What the store found for a partner.
    pub(super) fn page(
        &mut self,
        now: Now,
        session: SessionId,
        sheet: &SheetId,
        page: Page,
        out: &mut Vec<Effect>,
    ) {
        let Self { key, deals, incarnation, sessions, .. } = self;
        // It may have ended, or gone, while the store was reading.
        let may_follow = |deal: &&Deal| deal.is_live(now) || deal.is_handed_over(now);
        let Some(deal) = deals.get(sheet).filter(may_follow) else { return };
        if sessions.get(&session).is_none_or(|it| it.peer != deal.theirs().gateway) {
            return;
        }
        let sheet = *sheet;
        let mut say = |frame| out.push(Effect::Send { session, frame: Box::new(frame) });
        if let Some(after) = page.after {
            say(SessionFrame::Gap { sheet, after });
        }
        say(SessionFrame::Groups { sheet, groups: Bounded::first_of(page.groups) });
        if deal.is_moved {
            return;
        }
        let writer = writer_of(key, *incarnation, deal);
        let head = deal.outgoing.as_ref().and_then(|outgoing| outgoing.head(&writer));
        head.into_iter().for_each(|head| say(SessionFrame::Head { sheet, head }));
    }
}
