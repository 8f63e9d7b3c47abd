//! What flows out under agreements: groups, envelopes, heads, and pages for who was away.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::command::Moment;
use gearmesh_protocol::ids::{Incarnation, Nonce, PublicKey, ShareId, SheetId};
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::ShareEntry;
use gearmesh_protocol::partner_session::{Carried, GossipMessage, SessionFrame};

use super::contract::{Effect, Page, SessionId};
use super::deal::Deal;
use super::fanning::receivers_of;
use super::outgoing::{HEAD_EVERY, Outgoing, Sealing, Writer};
use super::record::PartnerRecord;
use super::{Deals, Partners, Streams};
use crate::core::clock::Now;

/// What this side signs and seals the stream of an agreement with, for all who may read it now.
pub(super) fn writer_of<'a>(
    (key, incarnation): (&'a SigningKey, Incarnation),
    now: Now,
    deals: &Deals,
    deal: &Deal,
) -> Writer<'a> {
    Writer {
        key,
        plant: deal.ours().plant,
        share: deal.share(),
        under: deal.under(),
        incarnation,
        receivers: receivers_of(now, deals, deal),
    }
}

/// A message on a topic, and new envelopes before it. Whoever misses one on the topic still has the session.
pub(super) fn gossip(topic: Nonce, (sealed, envelopes): Sealing) -> (Vec<Effect>, Words) {
    let publish =
        |message: &GossipMessage| Effect::Publish { topic, bytes: codec::encode(message) };
    let fresh = envelopes.iter().map(|(_, it)| publish(&GossipMessage::Envelope(it.clone())));
    let mut messages: Vec<Effect> = fresh.collect();
    messages.push(publish(&GossipMessage::Sealed(sealed)));
    let words = envelopes.into_iter().map(|(to, it)| (to, SessionFrame::Envelope(it)));
    (messages, words.collect())
}

/// What is to be said over sessions, and to whom.
pub(super) type Words = Vec<(PublicKey, SessionFrame)>;

/// Where this side's stream of an agreement stands, or of all agreements under which several receive it.
fn outgoing_of<'a>(
    deals: &'a mut Deals,
    streams: &'a mut Streams,
    sheet: &SheetId,
) -> Option<&'a mut Outgoing> {
    let deal = deals.get_mut(sheet)?;
    match deal.fans_out() {
        true => streams.get_mut(&deal.share()),
        false => deal.outgoing.as_mut(),
    }
}

/// The same, to look at.
pub(super) fn outgoing_in<'a>(streams: &'a Streams, deal: &'a Deal) -> Option<&'a Outgoing> {
    match deal.fans_out() {
        true => streams.get(&deal.share()),
        false => deal.outgoing.as_ref(),
    }
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
        let of_peer = self.deals.values().filter(|deal| deal.hears(peer) && !deal.is_replaced);
        let sheets: Vec<SheetId> = of_peer.map(Deal::id).collect();
        for sheet in sheets {
            let mut frames = Vec::new();
            if self.greet_about(now, (peer, &sheet), &mut frames) {
                self.greet_with_own(now, (&sheet, moment), &mut frames);
            }
            let send = |frame| Effect::Send { session, frame: Box::new(frame) };
            out.extend(frames.into_iter().map(send));
        }
    }

    /// What either side says first about an agreement. Whether what this side sends comes next.
    fn greet_about(
        &mut self,
        now: Now,
        (peer, sheet): (&PublicKey, &SheetId),
        frames: &mut Vec<SessionFrame>,
    ) -> bool {
        let Self { deals, me, listen, .. } = self;
        let Some(deal) = deals.get_mut(sheet) else { return false };
        let tells = deal.is_handed_over(now) || deal.stands();
        if tells && !deal.ours_changed.notices.is_empty() {
            let notices = Bounded::first_of(deal.ours_changed.notices.clone());
            frames.push(SessionFrame::Notices(notices));
        }
        if deal.is_moved {
            return false;
        }
        if let Some(ended) = &deal.ended {
            let own = ended.by.as_ref().filter(|(by, _)| by == me);
            frames.extend(own.map(|(_, end)| SessionFrame::End(end.clone())));
            return false;
        }
        let (is_source, fans_out) = (deal.source() == Some(*peer), deal.fans_out());
        if let Some(incoming) = deal.incoming.as_mut().filter(|_| is_source) {
            let reachable = fans_out.then(|| listen.clone());
            frames.extend(reachable.map(SessionFrame::Reachable));
            incoming.asked(now.tick);
            frames.push(SessionFrame::Follow { sheet: *sheet, after: incoming.end() });
        }
        deal.theirs().gateway == *peer && deal.is_live(now)
    }

    /// What a receiver has to know of this side's stream.
    fn greet_with_own(
        &mut self,
        now: Now,
        (sheet, moment): (&SheetId, Moment),
        frames: &mut Vec<SessionFrame>,
    ) {
        let Self { key, random, deals, incarnation, streams, lists, .. } = self;
        let Some(deal) = deals.get_mut(sheet) else { return };
        frames.extend(deal.is_serving().then_some(SessionFrame::Moment(moment)));
        deal.theirs_counted.is_told = false;
        let (to, share, starts) = (deal.theirs().gateway, deal.share(), deal.starts);
        let Some(deal) = deals.get(sheet) else { return };
        let writer = writer_of((key, *incarnation), now, deals, deal);
        let Some(outgoing) = outgoing_of(deals, streams, sheet) else { return };
        frames.extend(starts.map(|after| SessionFrame::Starts { sheet: *sheet, after }));
        let envelope = outgoing.envelope(now.tick, &writer, random, &to);
        frames.extend(envelope.map(SessionFrame::Envelope));
        let head = outgoing.head(&writer);
        frames.extend(head.map(|head| SessionFrame::Head { sheet: *sheet, head }));
        let list = lists.get(&share).filter(|_| writer.receivers.contains(&to));
        frames.extend(list.map(|list| SessionFrame::CoReceivers(list.signed.clone())));
    }

    /// Signs values, writes them down, and only then gossips them. A stream of several is meant by any of
    /// its agreements, or by what its groups say they were sent under.
    pub(super) fn send_entries(
        &mut self,
        now: Now,
        stream: &SheetId,
        entries: &[ShareEntry],
        out: &mut Vec<Effect>,
    ) {
        let Self { key, random, deals, incarnation, streams, .. } = self;
        let mut live = deals.values().filter(|deal| deal.is_live(now) && deal.sends());
        let deal = live.find(|deal| deal.id() == *stream || deal.under() == *stream);
        let Some(deal) = deal.filter(|deal| !deal.awaits) else { return };
        let (sheet, topic) = (deal.id(), deal.own_topic());
        let writer = writer_of((key, *incarnation), now, deals, deal);
        let Some(outgoing) = outgoing_of(deals, streams, &sheet) else { return };
        let groups = outgoing.write(&writer, random, entries);
        let (mut messages, mut words) = (Vec::new(), Vec::new());
        for group in groups {
            let carried = Carried::Group(codec::encode(group.group()));
            out.push(Effect::Append(Box::new(group)));
            if let Some(sealing) = outgoing.seal(now.tick, &writer, random, &carried) {
                let (more, fresh) = gossip(topic, sealing);
                messages.extend(more);
                words.extend(fresh);
            }
        }
        out.extend(messages);
        self.say_all(words, out);
    }

    /// Repeats where this side's logs end, so that a lost last message shows.
    pub(super) fn repeat_heads(&mut self, now: Now, out: &mut Vec<Effect>) {
        let Self { key, random, deals, incarnation, streams, .. } = self;
        let mut of_share: BTreeMap<ShareId, Vec<(SheetId, PublicKey)>> = BTreeMap::new();
        for deal in deals.values().filter(|deal| deal.is_live(now) && deal.sends()) {
            let receiver = (deal.id(), deal.theirs().gateway);
            of_share.entry(deal.share()).or_default().push(receiver);
        }
        let mut words = Vec::new();
        for receivers in of_share.into_values() {
            let Some((first, _)) = receivers.first() else { continue };
            let Some(deal) = deals.get(first) else { continue };
            let (topic, writer) =
                (deal.own_topic(), writer_of((key, *incarnation), now, deals, deal));
            let Some(outgoing) = outgoing_of(deals, streams, first) else { continue };
            if outgoing.head_told.is_some_and(|at| now.tick < at + HEAD_EVERY) {
                continue;
            }
            outgoing.head_told = Some(now.tick);
            let Some(head) = outgoing.head(&writer) else { continue };
            let carried = Carried::Head(head.clone());
            if let Some(sealing) = outgoing.seal(now.tick, &writer, random, &carried) {
                let (messages, fresh) = gossip(topic, sealing);
                out.extend(messages);
                words.extend(fresh);
            }
            words.extend(receivers.into_iter().map(|(sheet, to)| {
                let head = head.clone();
                (to, SessionFrame::Head { sheet, head })
            }));
        }
        self.say_all(words, out);
    }

    pub(super) fn say_all(&self, words: Words, out: &mut Vec<Effect>) {
        words.into_iter().for_each(|(to, frame)| self.say_to(to, frame, out));
    }

    /// A partner asks for what follows. Who joined later gets nothing of what came before.
    pub(super) fn follow(
        &mut self,
        now: Now,
        (session, peer): (SessionId, &PublicKey),
        sheet: &SheetId,
        after: Option<Tip>,
        out: &mut Vec<Effect>,
    ) {
        let Self { key, random, deals, incarnation, streams, me, .. } = self;
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
        let mut frames: Vec<SessionFrame> = gone.into_iter().collect();
        let (log, starts) = (deal.log_of(*me), deal.starts);
        let is_before = |starts: &Tip| after.is_none_or(|after| after.number < starts.number);
        let starts = starts.filter(is_before);
        let mut reads = is_handed_over;
        if let Some(deal) = deals.get(sheet).filter(|_| !is_handed_over) {
            let writer = writer_of((key, *incarnation), now, deals, deal);
            if let Some(outgoing) = outgoing_of(deals, streams, sheet) {
                // Whoever asks may have come before it knew of the agreement, and missed the key.
                let envelope = outgoing.envelope(now.tick, &writer, random, peer);
                frames.extend(envelope.map(SessionFrame::Envelope));
                let had = starts.or(after).map_or(0, |after| after.entries);
                reads = had < outgoing.entries();
            }
        }
        frames.extend(starts.map(|after| SessionFrame::Starts { sheet: *sheet, after }));
        out.extend(frames.into_iter().map(|frame| {
            let frame = Box::new(frame);
            Effect::Send { session, frame }
        }));
        if reads {
            out.push(Effect::Read { session, sheet: *sheet, log, after: starts.or(after) });
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
        let Self { key, deals, incarnation, streams, sessions, .. } = self;
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
        let writer = writer_of((key, *incarnation), now, deals, deal);
        let head = outgoing_in(streams, deal).and_then(|outgoing| outgoing.head(&writer));
        head.into_iter().for_each(|head| say(SessionFrame::Head { sheet, head }));
    }
}
