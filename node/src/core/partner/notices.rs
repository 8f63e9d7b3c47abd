//! The other side's gateway changes: whoever brings the word, its admin's signature counts.

use gearmesh_protocol::entry::PartnerEvent;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::NOTICES_MAX;
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::{LogId, Tip};
use gearmesh_protocol::partner_gateway::{Former, GatewayNotice, Notices, Successor};
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;

use super::Partners;
use super::contract::{Answer, Effect};
use super::deal::{Changes, Deal, Rest};
use super::incoming::Incoming;
use super::record::PartnerRecord;
use crate::core::clock::Now;

impl Partners {
    /// A gateway says that a side has another one.
    pub(super) fn notices_came(
        &mut self,
        now: Now,
        peer: &PublicKey,
        notices: &Notices,
        out: &mut Vec<Effect>,
    ) {
        for signed in notices {
            match self.take_notice(now, signed, out) {
                // What ended here is of no use any more.
                Ok(()) | Err(Refusal::ShareUnknown) => {}
                Err(refusal) => {
                    self.alarm(format!(
                        "gateway {peer} brought a notice that is not taken: {refusal}"
                    ));
                    return;
                }
            }
        }
    }

    /// A person brings a file.
    pub(super) fn hear_notices(
        &mut self,
        now: Now,
        notices: &Notices,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        if notices.is_empty() {
            return Err(Refusal::NoPapers.into());
        }
        notices.iter().try_for_each(|signed| self.take_notice(now, signed, out))?;
        Ok(Answer::Done)
    }

    fn take_notice(
        &mut self,
        now: Now,
        signed: &Signed<GatewayNotice>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let notice = signed.peek().map_err(|_| Refusal::NoticeWrong)?;
        let mut deals = self.deals.values_mut();
        let is_it =
            |deal: &&mut Deal| deal.share() == notice.share && deal.stands() && !deal.fans_out();
        let deal = deals.find(is_it).ok_or(Refusal::ShareUnknown)?;
        if !is_news(deal, signed, &notice)? {
            return Ok(());
        }
        let known = deal.incoming.as_ref().map_or(0, |incoming| incoming.known);
        out.push(Effect::Persist(PartnerRecord::Notice { signed: signed.clone(), known }));
        let (sheet, topic, before) = (deal.id(), deal.their_topic(), deal.theirs().gateway);
        let tips = &self.tips;
        deal.change_theirs(signed, notice.clone(), known, |log| tips.get(log).copied());
        if deal.incoming.is_some() {
            out.push(Effect::Unsubscribe(topic));
        }
        let event = PartnerEvent::Moved { by_partner: true, number: notice.number };
        out.push(deal.audit(event, now.wall));
        let text = in_words(deal, &notice);
        let is_live = deal.is_live(now);
        self.alarm(text);
        self.settle_rests(out);
        if is_live {
            self.begin(now, &sheet, out);
        }
        // Whoever has no place any more goes at once, and finds the door closed.
        if !self.deals.values().any(|deal| deal.hears(&before) && !deal.theirs_changed.is_vacant())
        {
            out.extend(self.session_with(&before).map(Effect::Close));
        }
        Ok(())
    }

    /// Goes on where the rest of a former gateway's log is here, or will not come.
    pub(super) fn settle_rests(&mut self, out: &mut Vec<Effect>) {
        let (mut gone, mut next) = (Vec::new(), Vec::new());
        for deal in self.deals.values_mut().filter(|deal| deal.stands()) {
            let before = deal.rests.len();
            let after = deal.settle_rest();
            if deal.rests.len() == before {
                continue;
            }
            let (sheet, source) = (deal.id(), deal.source());
            let Some(incoming) = &mut deal.incoming else { continue };
            if let Some(after) = after
                && let Some(entries) = incoming.skip_to(after)
            {
                out.push(Effect::Persist(PartnerRecord::Lost { sheet, entries, after }));
                gone.push((deal.local.name.clone(), entries));
            }
            let follow = SessionFrame::Follow { sheet, after: incoming.end() };
            next.extend(source.map(|source| (source, follow)));
        }
        for (name, entries) in gone {
            self.alarm(format!("{entries} values of {name} are gone with the partner's gateway"));
        }
        next.into_iter().for_each(|(source, follow)| self.say_to(source, follow, out));
    }

    /// A change of either side's gateway, of an earlier life.
    pub(super) fn recall_notice(&mut self, signed: Signed<GatewayNotice>, known: u64) -> bool {
        let Ok(notice) = signed.peek() else { return false };
        let (tips, me) = (&self.tips, self.me);
        let goes_on = |deal: &&mut Deal| {
            let goes_on = deal.ended.is_none() && !deal.is_replaced && !deal.fans_out();
            deal.share() == notice.share && goes_on
        };
        let Some(deal) = self.deals.values_mut().find(goes_on) else { return false };
        if notice.of == deal.ours().plant {
            deal.change_ours(&me, &signed, notice);
            return true;
        }
        let is_news = is_news(deal, &signed, &notice) == Ok(true);
        if is_news {
            deal.change_theirs(&signed, notice, known, |log| tips.get(log).copied());
        }
        is_news
    }
}

/// Whether a notice changes something here.
fn is_news(
    deal: &Deal,
    signed: &Signed<GatewayNotice>,
    notice: &GatewayNotice,
) -> Result<bool, Refusal> {
    let changes = &deal.theirs_changed;
    if changes.notices.contains(signed) {
        return Ok(false);
    }
    let is_signed = GatewayNotice::check(signed, &deal.sheet().from.plant, deal.theirs()).is_ok();
    let taken = notice.successor.as_ref().map(|it| it.gateway);
    if !is_signed || notice.of != deal.theirs().plant || taken == Some(deal.ours().gateway) {
        return Err(Refusal::NoticeWrong);
    }
    if notice.number < changes.next() {
        return Err(Refusal::NoticeOther);
    }
    if notice.number > changes.next() {
        return Err(Refusal::NoticeEarly);
    }
    if changes.notices.len() >= NOTICES_MAX {
        return Err(Refusal::PartnersFull);
    }
    Ok(true)
}

fn in_words(deal: &Deal, notice: &GatewayNotice) -> String {
    let name = &deal.local.name;
    let how = match notice.former {
        Former::HandsOver(_) => "handed over",
        Former::Gone(_) => "was ended by its admin, and is refused from now on",
    };
    match &notice.successor {
        Some(Successor { gateway, .. }) => {
            format!("the partner's gateway for {name} {how}; its place has {gateway}")
        }
        None => format!("the partner's gateway for {name} {how}; nobody has its place yet"),
    }
}

impl Changes {
    fn push(&mut self, signed: &Signed<GatewayNotice>, notice: GatewayNotice) {
        self.notices.push(signed.clone());
        self.last = Some(notice);
    }
}

impl Deal {
    /// The other side has another gateway.
    pub(super) fn change_theirs(
        &mut self,
        signed: &Signed<GatewayNotice>,
        notice: GatewayNotice,
        known: u64,
        tip_of: impl Fn(&LogId) -> Option<Tip>,
    ) {
        let (gateway, addresses) = (self.theirs().gateway, self.addresses.clone());
        match notice.former {
            Former::HandsOver(head) => {
                if let (Some(incoming), Some(head)) = (&mut self.incoming, head) {
                    incoming.known = incoming.known.max(head.entries);
                    self.rests.push_back(Rest::From { gateway, addresses, head });
                }
            }
            Former::Gone(head) => {
                self.rests.clear();
                if self.incoming.is_some() {
                    self.rests.push_back(Rest::Nothing { head, known });
                }
                self.calls.leave();
            }
        }
        if let Some(Successor { gateway, addresses }) = &notice.successor {
            self.set_gateway(false, *gateway);
            self.addresses = addresses.iter().map(ToString::to_string).collect();
        }
        let log = self.log_of(self.theirs().gateway);
        if let Some(incoming) = &mut self.incoming {
            incoming.answered();
            incoming.go_on_from(tip_of(&log));
        }
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.rekey();
        }
        self.calls.session_ended();
        self.theirs_changed.push(signed, notice);
    }

    /// This side's place goes to another gateway, or comes to this one.
    pub(super) fn change_ours(
        &mut self,
        me: &PublicKey,
        signed: &Signed<GatewayNotice>,
        notice: GatewayNotice,
    ) {
        let successor = notice.successor.as_ref().map(|it| it.gateway);
        self.is_moved = successor != Some(*me);
        if let Some(gateway) = successor {
            self.set_gateway(true, gateway);
        }
        if let Some(incoming) = self.incoming.as_mut().filter(|_| self.is_moved) {
            incoming.let_go();
        }
        self.ours_changed.push(signed, notice);
    }

    /// Lets go of what came to its end. Where the other's log goes on then, if something before is gone.
    pub(super) fn settle_rest(&mut self) -> Option<Tip> {
        while let Some(rest) = self.rests.front() {
            let incoming = self.incoming.as_ref()?;
            let mut after = None;
            match rest {
                Rest::From { head, .. } => {
                    if incoming.end().is_none_or(|end| end.number < head.number) {
                        return None;
                    }
                }
                Rest::Nothing { head, known } => {
                    let entries = head.map_or(0, |head| head.entries).max(*known);
                    after = incoming.end_without(entries, *head)?;
                }
            }
            self.rests.pop_front();
            let had = self.incoming.as_ref().and_then(Incoming::end).map_or(0, |end| end.entries);
            if let Some(after) = after.filter(|after| after.entries > had) {
                return Some(after);
            }
        }
        None
    }

    /// Whether this gateway may say that entries up to here are gone.
    pub(super) fn may_skip(&self, peer: &PublicKey, after: &Tip) -> bool {
        match self.rests.front() {
            None => self.theirs().gateway == *peer,
            Some(Rest::From { gateway, head, .. }) => {
                gateway == peer && after.number <= head.number
            }
            Some(Rest::Nothing { .. }) => false,
        }
    }
}
