//! This side's place in an agreement goes over to another gateway of the plant, or comes to this one.
//!
//! The papers of a share are what another gateway needs to go on: the sheets, what is selected, and where both
//! logs end. The gateway that hands over closes its log, and serves what is in it as long as the partner wants.
//! One that takes the place of a gateway that is gone begins its log where the partner says that it stands.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::PartnerEvent;
use gearmesh_protocol::ids::{PublicKey, SheetId};
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, NOTICES_MAX};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::Tip;
use gearmesh_protocol::partner::Terms;
use gearmesh_protocol::partner_agreement::{Agreed, Agreement};
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice, Notices, SharePapers};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::topic::Name;

use super::Partners;
use super::contract::{Answer, Effect};
use super::deal::{Deal, Side};
use super::incoming::later;
use super::record::PartnerRecord;
use crate::core::clock::Now;

/// Groups and entries that a partner may say a log to have. No log comes near it, and what follows has numbers.
const LOG_MAX: u64 = 1 << 48;

/// Whether a partner says that a log has more than any can have.
pub(super) const fn is_beyond(tip: &Tip) -> bool {
    tip.entries > LOG_MAX || tip.number > LOG_MAX
}

impl Partners {
    /// What another gateway needs. Also of a share whose place has gone over, as long as it did not end.
    pub(super) fn papers_to_move(&self, name: &Name) -> Result<Box<SharePapers>, ErrorBody> {
        let named = self
            .deals
            .values()
            .filter(|deal| deal.local.name == *name && deal.ended.is_none() && !deal.is_replaced);
        let deal = named.max_by_key(|deal| deal.stands()).ok_or(Refusal::ShareUnknown)?;
        check_stays(&deal.sheet().terms)?;
        let older = deal.earlier.iter().filter_map(|(sheet, _)| self.deals.get(sheet));
        let incoming = deal.incoming.as_ref();
        Ok(Box::new(SharePapers {
            sheets: older.chain([deal]).map(|deal| deal.agreed.document().clone()).collect(),
            is_ours: deal.side == Side::From,
            local: deal.local.clone(),
            addresses: deal.addresses.clone(),
            is_turned: deal.is_turned,
            ours: Bounded::first_of(deal.ours_changed.notices.clone()),
            theirs: Bounded::first_of(deal.theirs_changed.notices.clone()),
            sent: deal.outgoing.as_ref().and_then(|outgoing| outgoing.tip),
            received: incoming.and_then(|incoming| incoming.tip),
            lost: incoming.map_or(0, |incoming| incoming.lost),
            next_call: deal.calls.next(),
            last_served: deal.served.highest(),
        }))
    }

    /// This side's place goes over to another gateway.
    pub(super) fn move_away(
        &mut self,
        now: Now,
        signed: Signed<GatewayNotice>,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let notice = signed.peek().map_err(|_| ErrorBody::from(Refusal::NoticeWrong))?;
        let share = notice.share;
        let is_changing = self.proposed.contains_key(&share) || self.took.contains_key(&share);
        let me = self.me;
        let mut deals = self.deals.values_mut();
        let deal = deals.find(|deal| deal.share() == share && deal.stands());
        let deal = deal.ok_or(Refusal::ShareUnknown)?;
        check_stays(&deal.sheet().terms)?;
        may_move(&me, deal, &signed, &notice)?;
        if is_changing || !is_at_rest(deal) {
            return Err(Refusal::ShareMoving.into());
        }
        out.push(Effect::Persist(PartnerRecord::Notice { signed: signed.clone(), known: 0 }));
        let event = PartnerEvent::Moved { by_partner: false, number: notice.number };
        out.push(deal.audit(event, now.wall));
        if deal.incoming.is_some() {
            out.push(Effect::Unsubscribe(deal.their_topic()));
        }
        deal.change_ours(&me, &signed, notice);
        let notices = Bounded::first_of(deal.ours_changed.notices.clone());
        let peer = deal.theirs().gateway;
        self.say_to(peer, SessionFrame::Notices(notices), out);
        Ok(Answer::Done)
    }

    /// This gateway takes its side's place. The same again changes nothing.
    pub(super) fn take_over(
        &mut self,
        now: Now,
        papers: SharePapers,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        if codec::encode(&papers).len() > FRAME_BYTES_MAX {
            return Err(Refusal::BodyTooLarge.into());
        }
        let (sheet, share) = {
            let stands = standing_sheet(&papers)?;
            check_stays(&stands.sheet().terms)?;
            (stands.id(), stands.sheet().share)
        };
        let notice = papers.ours.last().and_then(|signed| signed.peek().ok());
        let successor = notice.as_ref().and_then(|notice| notice.successor.as_ref());
        if successor.is_none_or(|it| it.gateway != self.me) {
            return Err(Refusal::NotForThisGateway.into());
        }
        if let Some(deal) = self.standing(&share) {
            let is_same = deal.ours_changed.notices[..] == papers.ours[..];
            return if is_same { Ok(Answer::Done) } else { Err(Refusal::ShareTaken.into()) };
        }
        self.check_room(&papers.local.name)?;
        self.recall_papers(papers.clone())?;
        out.push(Effect::Persist(PartnerRecord::TakenOver { papers: Box::new(papers) }));
        let number = notice.map_or(0, |notice| notice.number);
        let event = PartnerEvent::Moved { by_partner: false, number };
        let deal = self.deals.get(&sheet);
        out.extend(deal.map(|deal| deal.audit(event, now.wall)));
        self.begin(now, &sheet, out);
        Ok(Answer::Done)
    }

    /// Goes on from the papers of a share, and from what this gateway has of its logs.
    pub(super) fn recall_papers(&mut self, papers: SharePapers) -> Result<(), Refusal> {
        let side = if papers.is_ours { Side::From } else { Side::To };
        let (mut deals, mut earlier) = (Vec::new(), Vec::new());
        for agreed in sheets_of(&papers)? {
            let (local, addresses) = (papers.local.clone(), papers.addresses.clone());
            let mut deal = Deal::new(agreed, side, local, addresses, |_| None);
            deal.earlier.clone_from(&earlier);
            earlier.push((deal.id(), deal.imports()));
            deals.push(deal);
        }
        let mut deal = deals.pop().ok_or(Refusal::NoPapers)?;
        check_notices(&papers, &deal, &deals)?;
        for signed in &papers.theirs {
            let notice = signed.peek().map_err(|_| Refusal::NoticeWrong)?;
            deal.change_theirs(signed, notice, 0, |_| None);
        }
        // What is still to come of former gateways had come before the papers were made.
        deal.rests.clear();
        for signed in &papers.ours {
            let notice = signed.peek().map_err(|_| Refusal::NoticeWrong)?;
            deal.change_ours(&self.me, signed, notice);
        }
        let [ours, theirs] =
            [self.me, deal.theirs().gateway].map(|author| self.tips.get(&deal.log_of(author)));
        deal.go_on(&papers, ours.copied(), theirs.copied());
        for mut old in deals {
            old.is_replaced = true;
            (old.outgoing, old.incoming) = (None, None);
            self.deals.insert(old.id(), old);
        }
        self.deals.insert(deal.id(), deal);
        Ok(())
    }

    /// An earlier life heard from the partner where this side's log begins.
    pub(super) fn recall_opened(&mut self, sheet: &SheetId, tip: Option<Tip>) -> bool {
        let Some(deal) = self.deals.get_mut(sheet) else { return false };
        let own = self.tips.get(&deal.log_of(self.me)).copied();
        deal.awaits = false;
        if let Some(outgoing) = &mut deal.outgoing {
            outgoing.tip = later(tip, own);
        }
        true
    }
}

impl Deal {
    /// Takes over where papers and this gateway's own logs end.
    fn go_on(&mut self, papers: &SharePapers, ours: Option<Tip>, theirs: Option<Tip>) {
        self.addresses.clone_from(&papers.addresses);
        self.is_turned = papers.is_turned;
        let former = self.ours_changed.last.as_ref().map(|last| last.former);
        let (head, is_exact) = match former {
            Some(Former::HandsOver(head)) => (head, true),
            Some(Former::Gone(head)) => (later(head, papers.sent), false),
            None => (papers.sent, true),
        };
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.tip = later(head, ours);
            self.awaits = !is_exact && outgoing.tip == head;
        }
        if let Some(incoming) = &mut self.incoming {
            incoming.go_on_from(papers.received);
            incoming.go_on_from(theirs);
            incoming.lost = papers.lost;
        }
        self.calls.go_on_from(papers.next_call);
        if let Some(number) = papers.last_served {
            self.served.recall_floor(number);
        }
    }

    /// Begins this side's log where the partner has come to in the one before, if that is still to be said.
    /// Where it begins, and whether entries before that are gone.
    pub(super) fn open_log(
        &mut self,
        after: Option<Tip>,
    ) -> Result<Option<(Option<Tip>, bool)>, Refusal> {
        if !self.awaits || self.is_moved {
            return Ok(None);
        }
        let Some(outgoing) = &mut self.outgoing else { return Ok(None) };
        if after.as_ref().is_some_and(is_beyond) {
            return Err(Refusal::Protocol);
        }
        let is_behind = outgoing.entries() > after.map_or(0, |tip| tip.entries);
        if !is_behind {
            outgoing.tip = after;
        }
        self.awaits = false;
        Ok(Some((outgoing.tip, is_behind)))
    }
}

/// Whether a place may go over. Who passes a stream on is known by the gateways that signed.
fn check_stays(terms: &Terms) -> Result<(), ErrorBody> {
    match terms.fan_out {
        true => Err(ErrorBody::from(Refusal::TermsUnusable).saying(
            "a stream that several receive stays with its gateways; end the agreement, and make it anew",
        )),
        false => Ok(()),
    }
}

/// Whether a notice lets this side's place go over as it is now.
fn may_move(
    me: &PublicKey,
    deal: &Deal,
    signed: &Signed<GatewayNotice>,
    notice: &GatewayNotice,
) -> Result<(), Refusal> {
    let is_signed = GatewayNotice::check(signed, &deal.sheet().from.plant, deal.ours()).is_ok();
    let to = notice.successor.as_ref().map(|it| it.gateway);
    let is_another = to.is_some_and(|to| to != *me && to != deal.theirs().gateway);
    if !is_signed || notice.of != deal.ours().plant || !is_another {
        return Err(Refusal::NoticeWrong);
    }
    if deal.ours_changed.notices.len() >= NOTICES_MAX {
        return Err(Refusal::PartnersFull);
    }
    let tip = deal.outgoing.as_ref().and_then(|outgoing| outgoing.tip);
    let is_now = notice.former == Former::HandsOver(tip);
    let is_next = notice.number == deal.ours_changed.next();
    if is_now && is_next { Ok(()) } else { Err(Refusal::ShareMoving) }
}

/// Whether nothing is under way that another gateway could not go on with.
fn is_at_rest(deal: &Deal) -> bool {
    let is_idle = deal.calls.is_idle() && deal.served.is_idle();
    let is_read = deal.incoming.as_ref().is_none_or(|incoming| incoming.last().is_none());
    is_idle && is_read && deal.rests.is_empty() && !deal.awaits
}

/// The sheets of papers, the oldest first, if they are of one share and under all signatures.
fn sheets_of(papers: &SharePapers) -> Result<Vec<Agreed<Agreement>>, Refusal> {
    let read = |sheet: &Agreement| sheet.clone().verify().map_err(|_| Refusal::AgreementWrong);
    let sheets: Vec<_> = papers.sheets.iter().map(read).collect::<Result<_, _>>()?;
    let follows = |pair: &[Agreed<Agreement>]| {
        let (old, new) = (pair[0].sheet(), pair[1].sheet());
        old.share == new.share && old.revision < new.revision
    };
    if sheets.windows(2).all(follows) { Ok(sheets) } else { Err(Refusal::AgreementWrong) }
}

fn standing_sheet(papers: &SharePapers) -> Result<Agreed<Agreement>, Refusal> {
    sheets_of(papers)?.pop().ok_or(Refusal::NoPapers)
}

/// Whether all notices are signed by who signed a sheet for that side, and in their order.
fn check_notices(papers: &SharePapers, deal: &Deal, older: &[Deal]) -> Result<(), Refusal> {
    let check = |notices: &Notices, is_ours: bool| {
        notices.iter().zip(1..).try_for_each(|(signed, number): (_, u32)| {
            let notice = signed.peek().map_err(|_| Refusal::NoticeWrong)?;
            let is_signed = older.iter().chain([deal]).any(|deal| {
                let side = if is_ours { deal.ours() } else { deal.theirs() };
                let plant = &deal.sheet().from.plant;
                notice.of == side.plant && GatewayNotice::check(signed, plant, side).is_ok()
            });
            let is_next = notice.number == number && notice.share == deal.share();
            if is_signed && is_next { Ok(()) } else { Err(Refusal::NoticeWrong) }
        })
    };
    check(&papers.ours, true)?;
    check(&papers.theirs, false)
}
