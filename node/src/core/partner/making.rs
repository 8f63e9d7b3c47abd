//! Proposals of this side, from the draft to the agreement.

use gearmesh_protocol::bounded::Bounded;
use gearmesh_protocol::codec;
use gearmesh_protocol::entry::PartnerEvent;
use gearmesh_protocol::ids::{Nonce, PublicKey, ShareId, SheetId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::partner::{Party, Proposal, Sheet, Terms};
use gearmesh_protocol::partner_agreement::{
    Acceptance, Agreed, Agreement, Signatures, commitment, sign_sheet,
};
use gearmesh_protocol::partner_link::Link;
use gearmesh_protocol::partner_local::Local;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::{Signature, Signed};
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::{Name, Title};

use super::contract::{Answer, Effect, LinkState, Onto, SessionId, Signer};
use super::deal::{Deal, Side};
use super::fanning::key_of;
use super::outgoing::Outgoing;
use super::record::PartnerRecord;
use super::sessions::Session;
use super::{Partners, WAITING_MAX};
use crate::core::clock::Now;

/// A proposal that nobody has signed.
pub(super) struct Drafted {
    proposal: Proposal,
    nonce: Nonce,
    local: Local,
}

/// A proposal of this side.
pub(super) struct Proposed {
    pub(super) signed: Signed<Proposal>,
    pub(super) proposal: Proposal,
    nonce: Nonce,
    pub(super) local: Local,
    taken: Option<(Party, Nonce)>,
    pub(super) acceptance: Option<Agreed<Acceptance>>,
}

impl Proposed {
    pub(super) const fn link(&self) -> PublicKey {
        self.proposal.link
    }

    pub(super) fn taker(&self) -> Option<PublicKey> {
        self.taken.as_ref().map(|(to, _)| to.gateway)
    }

    pub(super) fn link_state(&self, now: Now) -> LinkState {
        match self.taker() {
            Some(key) => LinkState::TakenBy(key),
            None if now.wall >= self.proposal.open_until => LinkState::Expired,
            None => LinkState::Open,
        }
    }

    pub(super) fn set_taken(&mut self, to: Party, nonce: Nonce) -> bool {
        let is_first = self.taken.is_none();
        self.taken = self.taken.take().or(Some((to, nonce)));
        is_first
    }

    /// The sheet, once both sides are known.
    pub(super) fn sheet(&self) -> Option<Vec<u8>> {
        let (to, nonce) = self.taken.clone()?;
        Some(sheet_of(&self.proposal, to, (self.nonce, nonce)))
    }
}

/// The bytes that both sides sign.
pub(super) fn sheet_of(proposal: &Proposal, to: Party, nonces: (Nonce, Nonce)) -> Vec<u8> {
    codec::encode(&Sheet {
        share: proposal.share,
        revision: proposal.revision,
        from: proposal.from.clone(),
        to,
        terms: proposal.terms.clone(),
        nonces,
    })
}

impl Partners {
    pub(super) fn draft(
        &mut self,
        now: Now,
        signer: Signer,
        (to, terms, open_until): (Title, Terms, UnixMillis),
        (mut local, onto): (Local, Onto),
    ) -> Result<Answer, ErrorBody> {
        if onto != Onto::Amends {
            self.check_room(&local.name)?;
        }
        let (share, revision) = match &onto {
            Onto::New => (ShareId(self.random.bytes()), 0),
            Onto::Amends if terms.fan_out => {
                return Err(ErrorBody::from(Refusal::TermsUnusable)
                    .saying("what one company receives is not passed on later; offer it anew"));
            }
            Onto::Amends => self.to_amend(now, &mut local)?,
            Onto::Joins(name) => (self.to_join(now, (name, &terms), &mut local)?, 0),
        };
        let Signer { plant, name, admin } = signer;
        let nonce = Nonce(self.random.bytes());
        let seed = self.random.bytes();
        let proposal = Proposal {
            share,
            revision,
            from: Party { plant, name, admin, gateway: self.me },
            to,
            terms,
            link: Link::new(&self.me, seed, &[]).id(),
            open_until,
            commitment: commitment(&share, &nonce),
        };
        if self.drafts.len() >= WAITING_MAX {
            self.drafts.pop_first();
        }
        let drafted = Drafted { proposal: proposal.clone(), nonce, local };
        self.drafts.insert(key_of(&proposal), drafted);
        Ok(Answer::Draft { proposal: Box::new(proposal), seed })
    }

    pub(super) fn propose(
        &mut self,
        signed: Signed<Proposal>,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let unknown = || ErrorBody::from(Refusal::ShareUnknown);
        let proposal = signed.peek().map_err(|_| unknown())?;
        let drafted = self.drafts.remove(&key_of(&proposal)).ok_or_else(unknown)?;
        let is_signed = signed.verify(&proposal.from.plant, &proposal.from.admin).is_ok();
        if drafted.proposal != proposal || !is_signed {
            return Err(Refusal::AcceptanceWrong.into());
        }
        let Drafted { nonce, local, .. } = drafted;
        if proposal.revision == 0 {
            self.check_room(&local.name)?;
        } else if self.standing(&proposal.share).is_none() {
            return Err(Refusal::AgreementEnded.into());
        }
        let record =
            PartnerRecord::Proposed { signed: signed.clone(), nonce, local: local.clone() };
        out.push(Effect::Persist(record));
        self.recall_proposed(signed, nonce, local.clone());
        Ok(Answer::Kept(local))
    }

    pub(super) fn recall_proposed(
        &mut self,
        signed: Signed<Proposal>,
        nonce: Nonce,
        local: Local,
    ) -> bool {
        let Ok(proposal) = signed.peek() else { return false };
        let key = key_of(&proposal);
        let it = Proposed { signed, proposal, nonce, local, taken: None, acceptance: None };
        self.proposed.insert(key, it);
        true
    }

    /// Somebody looks at what a link stands for. The schemas that it names go before it.
    pub(super) fn shown(
        &self,
        now: Now,
        (id, link): (SessionId, &PublicKey),
        peer: &PublicKey,
        out: &mut Vec<Effect>,
    ) -> SessionFrame {
        let proposed = self.proposed.values().find(|it| it.link() == *link);
        let Some(proposed) = proposed else { return SessionFrame::Refused(Refusal::LinkUnknown) };
        match proposed.link_state(now).admits(peer) {
            Ok(()) => {
                let texts = proposed.local.schemas.iter().map(|text| text.clone().into_bytes());
                let texts: Vec<Vec<u8>> = texts.collect();
                let schemas = SessionFrame::Schemas(Bounded::first_of(texts));
                if !proposed.local.schemas.is_empty() {
                    out.push(Effect::Send { session: id, frame: Box::new(schemas) });
                }
                SessionFrame::Proposal(proposed.signed.clone())
            }
            Err(refusal) => SessionFrame::Refused(refusal),
        }
    }

    /// Somebody takes what a link stands for: from here on nobody else can.
    pub(super) fn taken(
        &mut self,
        now: Now,
        (link, peer): (&PublicKey, PublicKey),
        to: Party,
        nonce: Nonce,
        out: &mut Vec<Effect>,
    ) -> SessionFrame {
        let proposed = self.proposed.values().find(|it| it.link() == *link);
        if proposed.is_some_and(|it| !self.may_take(&it.proposal, &to)) {
            return SessionFrame::Refused(Refusal::AcceptanceWrong);
        }
        let proposed = self.proposed.values_mut().find(|it| it.link() == *link);
        let Some(proposed) = proposed else { return SessionFrame::Refused(Refusal::LinkUnknown) };
        if let Err(refusal) = proposed.link_state(now).admits(&peer) {
            return SessionFrame::Refused(refusal);
        }
        if to.gateway != peer || to.gateway == proposed.proposal.from.gateway {
            return SessionFrame::Refused(Refusal::AcceptanceWrong);
        }
        match &proposed.taken {
            Some((by, with)) if *by == to && *with == nonce => SessionFrame::Reveal(proposed.nonce),
            Some(_) => SessionFrame::Refused(Refusal::LinkUsed),
            None => {
                let share = key_of(&proposed.proposal);
                out.push(Effect::Persist(PartnerRecord::Taken { share, to: to.clone(), nonce }));
                proposed.set_taken(to, nonce);
                SessionFrame::Reveal(proposed.nonce)
            }
        }
    }

    /// The other side signed. Answered with the agreement, if there is one already.
    pub(super) fn accepted(
        &mut self,
        acceptance: Acceptance,
        peer: &PublicKey,
        out: &mut Vec<Effect>,
    ) -> Option<SessionFrame> {
        let wrong = Some(SessionFrame::Refused(Refusal::AcceptanceWrong));
        let Ok(agreed) = acceptance.clone().verify() else { return wrong };
        if agreed.sheet().to.gateway != *peer {
            return wrong;
        }
        if let Some(deal) = self.deals.get(&agreed.id()) {
            return Some(match &deal.ended {
                Some(super::Ended { by: Some((_, end)), .. }) => SessionFrame::End(end.clone()),
                Some(_) => SessionFrame::Refused(Refusal::AgreementEnded),
                None => SessionFrame::Confirmed(deal.agreed.document().clone()),
            });
        }
        let Some(proposed) = self.proposed_for(agreed.sheet()) else {
            return Some(SessionFrame::Refused(Refusal::AgreementUnknown));
        };
        if proposed.sheet().as_ref() != Some(&acceptance.sheet) {
            return wrong;
        }
        if proposed.acceptance.is_none() {
            out.push(Effect::Persist(PartnerRecord::Accepted { acceptance }));
            proposed.acceptance = Some(agreed);
        }
        None
    }

    /// The proposal of this side that led to a sheet.
    fn proposed_for(&mut self, sheet: &Sheet) -> Option<&mut Proposed> {
        self.proposed.values_mut().find(|it| {
            let is_taken = !sheet.terms.fan_out || it.taker() == Some(sheet.to.gateway);
            it.proposal.share == sheet.share && is_taken
        })
    }

    pub(super) fn recall_accepted(&mut self, acceptance: Acceptance) -> bool {
        let Ok(agreed) = acceptance.verify() else { return false };
        let proposed = self.proposed_for(agreed.sheet());
        proposed.is_some_and(|it| {
            it.acceptance = Some(agreed);
            true
        })
    }

    /// The offering admin has compared the words and signed: from here on it flows.
    pub(super) fn confirm(
        &mut self,
        now: Now,
        name: &Name,
        admin: Signature,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let proposed = self.proposed.values().find(|it| it.local.name == *name);
        let proposed = proposed.ok_or(Refusal::ShareUnknown)?;
        let stands = self.standing(&proposed.proposal.share).is_some();
        if proposed.proposal.revision > 0 && !stands {
            return Err(Refusal::AgreementEnded.into());
        }
        let agreed = proposed.acceptance.as_ref().ok_or(Refusal::NotAccepted)?;
        let accepted = agreed.document().clone();
        let gateway = sign_sheet(&self.key, &proposed.proposal.from.plant, &accepted.sheet);
        let from = Signatures { admin, gateway };
        let agreement = Agreement { accepted, from }.verify();
        let agreed = agreement.map_err(|_| ErrorBody::from(Refusal::AcceptanceWrong))?;
        let (agreement, peer) = (agreed.document().clone(), agreed.sheet().to.gateway);
        let sheet = agreed.id();
        let before = self.streams.get(&agreed.sheet().share).and_then(|stream| stream.tip);
        if let Some(after) = before {
            // Before the agreement: what was sent to others is never its partner's.
            out.push(Effect::Persist(PartnerRecord::Starts { sheet, after }));
            self.starts.insert(sheet, after);
        }
        out.push(Effect::Persist(PartnerRecord::Confirmed { agreement: agreement.clone() }));
        self.make_deal(agreed);
        self.audit_agreed(now, &sheet, out);
        self.say_to(peer, SessionFrame::Confirmed(agreement), out);
        self.begin(now, &sheet, out);
        Ok(Answer::Done)
    }

    /// What both sides signed takes the place of what led to it. False if nothing led to it.
    pub(super) fn make_deal(&mut self, agreed: Agreed<Agreement>) -> bool {
        let share = agreed.sheet().share;
        let key = self.proposed_for(agreed.sheet()).map(|it| key_of(&it.proposal));
        let (side, local, addresses) =
            if let Some(it) = key.and_then(|it| self.proposed.remove(&it)) {
                (Side::From, it.local, Vec::new())
            } else if let Some(it) = self.took.remove(&share) {
                (Side::To, it.local, it.addresses)
            } else {
                return false;
            };
        let id = agreed.id();
        let tips = &self.tips;
        let mut deal = Deal::new(agreed, side, local, addresses, |log| tips.get(log).copied());
        deal.starts = self.starts.remove(&id);
        self.replace_old(&mut deal);
        if deal.fans_out() && deal.sends() {
            let tip = self.tips.get(&deal.log_of(self.me)).copied();
            self.streams.entry(share).or_insert_with(|| Outgoing::after(tip));
        }
        self.deals.insert(id, deal);
        true
    }

    /// Notes in the audit trail that both sides signed.
    pub(super) fn audit_agreed(&self, now: Now, sheet: &SheetId, out: &mut Vec<Effect>) {
        let deal = self.deals.get(sheet);
        out.extend(deal.map(|deal| deal.audit(PartnerEvent::Agreed, now.wall)));
    }

    /// Somebody came with a link that another gateway has used: one of the two stole it.
    pub(super) fn link_shown_again(&mut self, link: &PublicKey) {
        let name = self.proposed.values().find(|it| it.link() == *link).map(|it| &it.local.name);
        if let Some(name) = name {
            let text = format!(
                "the share link of {name} was shown by a second gateway: it may be stolen; confirm \
                 only after comparing words, or end it: gearmesh end {name}"
            );
            self.alarm(text);
        }
    }

    /// Frames by which the other side answers a proposal.
    pub(super) fn making_frame(
        &mut self,
        now: Now,
        (id, from): (SessionId, &Session),
        frame: SessionFrame,
        out: &mut Vec<Effect>,
    ) -> Option<SessionFrame> {
        match (frame, from.link()) {
            (SessionFrame::AskProposal, Some(link)) => {
                Some(self.shown(now, (id, &link), &from.peer, out))
            }
            (SessionFrame::Take { to, nonce }, Some(link)) => {
                Some(self.taken(now, (&link, from.peer), to, nonce, out))
            }
            (SessionFrame::Accepted(acceptance), _) => self.accepted(acceptance, &from.peer, out),
            _ => Some(SessionFrame::Refused(Refusal::Protocol)),
        }
    }
}
