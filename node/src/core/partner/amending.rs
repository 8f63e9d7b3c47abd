//! A new sheet in place of one that stands: signed by both as the first was, on the same logs.
//!
//! What was sent under the old sheet is received under the old sheet, also by whoever was away; once
//! something came under the new one, nothing comes under the old one any more.

use gearmesh_protocol::ids::{ShareId, SheetId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::log::LogId;
use gearmesh_protocol::partner::{Party, Proposal};
use gearmesh_protocol::partner_agreement::Agreed;
use gearmesh_protocol::partner_local::Local;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::topic::Name;

use super::Partners;
use super::contract::{Answer, Effect};
use super::deal::{Deal, Side};
use super::record::PartnerRecord;
use crate::core::clock::Now;

impl Partners {
    /// The agreement that stands of a share.
    pub(super) fn standing(&self, share: &ShareId) -> Option<&Deal> {
        self.deals.values().find(|deal| deal.share() == *share && deal.stands())
    }

    /// For which share a new sheet is drafted, and which version it is. Its names stay as they are.
    pub(super) fn to_amend(
        &self,
        now: Now,
        local: &mut Local,
    ) -> Result<(ShareId, u32), ErrorBody> {
        let mut deals = self.deals.values().filter(|deal| deal.is_live(now));
        let deal = deals.find(|deal| deal.local.name == local.name);
        let deal = deal.ok_or(Refusal::ShareUnknown)?;
        if deal.fans_out() {
            return Err(ErrorBody::from(Refusal::TermsUnusable)
                .saying("several receive it on these terms; end it, and offer other terms anew"));
        }
        if deal.side != Side::From {
            return Err(ErrorBody::from(Refusal::TermsUnusable)
                .saying("whoever offered it makes the new sheet; ask the partner"));
        }
        if self.proposed.contains_key(&deal.share()) {
            return Err(Refusal::ShareTaken.into());
        }
        local.partner.clone_from(&deal.local.partner);
        Ok((deal.share(), deal.sheet().revision.saturating_add(1)))
    }

    /// Whether somebody may take a proposal for a new sheet: whoever has the old one alone.
    pub(super) fn may_take(&self, proposal: &Proposal, to: &Party) -> bool {
        let has_old =
            |deal: &Deal| (deal.theirs().plant, deal.theirs().gateway) == (to.plant, to.gateway);
        if proposal.revision > 0 {
            return self.standing(&proposal.share).is_some_and(has_old);
        }
        // Nobody receives one stream twice.
        let mut standing = self.deals.values().filter(|deal| deal.stands());
        let mut taken = self.proposed.values().filter(|it| it.proposal.link != proposal.link);
        !standing.any(|deal| deal.share() == proposal.share && deal.theirs().gateway == to.gateway)
            && !taken
                .any(|it| it.proposal.share == proposal.share && it.taker() == Some(to.gateway))
    }

    /// What this side has for a proposal of a new sheet: the old names, and what was selected for lines
    /// that stay.
    pub(super) fn kept_for(&self, proposal: &Proposal, local: Local) -> Result<Local, ErrorBody> {
        let wrong = || ErrorBody::from(Refusal::AcceptanceWrong);
        let Some(deal) = self.standing(&proposal.share) else {
            return if proposal.revision == 0 { Ok(local) } else { Err(wrong()) };
        };
        let follows = deal.side == Side::To
            && deal.theirs().plant == proposal.from.plant
            && deal.theirs().gateway == proposal.from.gateway
            && !(deal.fans_out() || proposal.terms.fan_out)
            && deal.sheet().revision.checked_add(1) == Some(proposal.revision);
        if !follows {
            return Err(wrong());
        }
        let mut kept =
            Local { name: deal.local.name.clone(), partner: deal.local.partner.clone(), ..local };
        for old in &deal.local.selections {
            let is_wanted = proposal.terms.topics.iter().any(|line| line.alias == old.alias);
            if is_wanted && !kept.selections.iter().any(|it| it.alias == old.alias) {
                kept.selections.push(old.clone());
            }
        }
        Ok(kept)
    }

    /// A new agreement goes on where the old one of its share ends.
    pub(super) fn replace_old(&mut self, new: &mut Deal) {
        // Others may stand beside it under the same stream, and stay.
        if new.sheet().revision == 0 {
            return;
        }
        let share = new.share();
        let old = self.deals.values_mut().find(|deal| deal.share() == share && deal.stands());
        let Some(old) = old else { return };
        let ours: LogId = new.log_of(new.ours().gateway);
        let theirs: LogId = new.log_of(new.theirs().gateway);
        if let Some(outgoing) = old.outgoing.take() {
            self.tips.extend(outgoing.tip.map(|tip| (ours, tip)));
            new.outgoing = new.outgoing.take().map(|_| outgoing);
        }
        if let Some(incoming) = old.incoming.take() {
            self.tips.extend(incoming.tip.map(|tip| (theirs, tip)));
            new.incoming = new.incoming.take().map(|_| incoming);
        }
        // The new sheet names the gateways of now; what came before them is known by the old one.
        new.ours_changed.clone_from(&old.ours_changed);
        new.theirs_changed.clone_from(&old.theirs_changed);
        new.rests = std::mem::take(&mut old.rests);
        new.awaits = old.awaits;
        new.earlier.clone_from(&old.earlier);
        new.earlier.push((old.id(), old.imports()));
        for schema in &old.local.schemas {
            if !new.local.schemas.contains(schema) {
                new.local.schemas.push(schema.clone());
            }
        }
        old.is_replaced = true;
    }

    /// What was drafted to replace a sheet goes; the sheet stands.
    pub(super) fn withdraw(
        &mut self,
        name: &Name,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let is_it = |(_, local): &(ShareId, &Local)| local.name == *name;
        let proposed = self.proposed.iter().map(|(share, it)| (*share, &it.local)).find(is_it);
        let took = self.took.iter().map(|(share, it)| (*share, &it.local)).find(is_it);
        let share = proposed.or(took).map(|(share, _)| share).ok_or(Refusal::ShareUnknown)?;
        self.drop_proposal(share, out);
        Ok(Answer::Done)
    }

    /// What was proposed or taken of a share is over.
    pub(super) fn drop_proposal(&mut self, share: ShareId, out: &mut Vec<Effect>) {
        let was_there = self.took.remove(&share).is_some();
        let proposed = self.proposed.remove(&share);
        if was_there || proposed.is_some() {
            out.push(Effect::Persist(PartnerRecord::Dropped { share }));
        }
        if let Some(taker) = proposed.and_then(|it| it.taker()) {
            let refused = SessionFrame::Refused(Refusal::AgreementUnknown);
            self.say_to(taker, refused, out);
        }
    }

    /// The sheet of a share that this side has signed and the other has not confirmed yet.
    pub(super) fn signed_here(&self, share: &ShareId) -> Option<SheetId> {
        self.took.get(share)?.acceptance.as_ref().map(Agreed::id)
    }
}
