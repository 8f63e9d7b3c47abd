//! Proposals of the other side, from the share link to the agreement.

use gearmesh_protocol::ids::{Nonce, PublicKey, ShareId};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::partner::{Direction, Party, Proposal};
use gearmesh_protocol::partner_agreement::{
    Acceptance, Agreed, Agreement, Signatures, commitment, schema_hash, sign_sheet,
};
use gearmesh_protocol::partner_local::Local;
use gearmesh_protocol::partner_session::SessionFrame;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::{Signature, Signed};

use super::contract::{Answer, Effect, Grounds, SessionId, Signer, WishId};
use super::fanning::check_one_way;
use super::making::sheet_of;
use super::record::PartnerRecord;
use super::{Partners, WAITING_MAX};
use crate::core::clock::Now;

/// A link that somebody wants to know about.
pub(super) struct Looking {
    id: WishId,
    addresses: Vec<String>,
    /// Schemas that came before the proposal.
    schemas: Vec<Vec<u8>>,
}

/// A proposal that somebody looked at.
pub(super) struct Looked {
    signed: Signed<Proposal>,
    proposal: Proposal,
    addresses: Vec<String>,
    schemas: Vec<String>,
}

/// A proposal that this side takes.
pub(super) struct Took {
    signed: Signed<Proposal>,
    pub(super) proposal: Proposal,
    to: Party,
    nonce: Nonce,
    pub(super) local: Local,
    pub(super) addresses: Vec<String>,
    /// Who waits for the sheet.
    waits: Option<WishId>,
    pub(super) sheet: Option<Vec<u8>>,
    pub(super) acceptance: Option<Agreed<Acceptance>>,
}

impl Took {
    /// The gateway that proposed.
    pub(super) const fn gateway(&self) -> PublicKey {
        self.proposal.from.gateway
    }
}

impl Partners {
    pub(super) fn look(
        &mut self,
        id: WishId,
        link: PublicKey,
        addresses: Vec<String>,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorBody> {
        if self.looking.contains_key(&link) || self.looking.len() >= WAITING_MAX {
            return Err(Refusal::Busy.into());
        }
        self.looking.insert(link, Looking { id, addresses, schemas: Vec::new() });
        let mut sessions = self.sessions.iter();
        match sessions.find(|(_, it)| it.is_dialer && it.grounds == Grounds::Link(link)) {
            Some((session, _)) => out.push(send(*session, SessionFrame::AskProposal)),
            None => out.push(Effect::DialLink { link }),
        }
        Ok(())
    }

    pub(super) fn link_failed(
        &mut self,
        link: &PublicKey,
        cause: ErrorBody,
        out: &mut Vec<Effect>,
    ) {
        if let Some(Looking { id, .. }) = self.looking.remove(link) {
            out.push(Effect::Answer { id, answer: Box::new(Answer::Refused(cause)) });
        }
    }

    /// What a link stands for has come.
    fn proposal_came(
        &mut self,
        link: &PublicKey,
        peer: &PublicKey,
        signed: Signed<Proposal>,
        out: &mut Vec<Effect>,
    ) {
        let Some(Looking { id, addresses, schemas }) = self.looking.remove(link) else { return };
        let proposal = signed.peek().ok().filter(|it| {
            let is_signed = signed.verify(&it.from.plant, &it.from.admin).is_ok();
            is_signed && it.link == *link && it.from.gateway == *peer
        });
        let Some(proposal) = proposal else {
            let refused = Answer::Refused(Refusal::AcceptanceWrong.into());
            out.push(Effect::Answer { id, answer: Box::new(refused) });
            return;
        };
        if self.looked.len() >= WAITING_MAX {
            self.looked.pop_first();
        }
        let (share, schemas) = (proposal.share, named_schemas(&proposal, schemas));
        let answer = Box::new(Answer::Proposal(signed.clone(), schemas.clone()));
        self.looked.insert(share, Looked { signed, proposal, addresses, schemas });
        out.push(Effect::Answer { id, answer });
    }

    /// Takes a proposal that was looked at. After a start in between it is taken as before.
    pub(super) fn take(
        &mut self,
        id: WishId,
        share: ShareId,
        signer: Signer,
        local: Local,
        out: &mut Vec<Effect>,
    ) -> Result<(), ErrorBody> {
        let Looked { signed, proposal, addresses, schemas } =
            self.looked.remove(&share).ok_or(Refusal::ShareUnknown)?;
        let local = self.kept_for(&proposal, Local { schemas, ..local })?;
        check_one_way(&proposal.terms)?;
        check_selections(&proposal, &local)?;
        let session = self.session_with(&proposal.from.gateway);
        let session = session.ok_or(Refusal::PartnerUnreachable)?;
        let Signer { plant, name, admin } = signer;
        let to = Party { plant, name, admin, gateway: self.me };
        let before = self.took.remove(&share).filter(|it| it.to == to && it.signed == signed);
        if before.is_none() && proposal.revision == 0 {
            self.check_room(&local.name)?;
        }
        let nonce = before.map_or_else(|| Nonce(self.random.bytes()), |it| it.nonce);
        out.push(Effect::Persist(PartnerRecord::Took {
            signed: signed.clone(),
            to: to.clone(),
            nonce,
            local: local.clone(),
            addresses: addresses.clone(),
        }));
        self.recall_took(signed, to.clone(), nonce, local, addresses);
        if let Some(took) = self.took.get_mut(&share) {
            took.waits = Some(id);
        }
        out.push(send(session, SessionFrame::Take { to, nonce }));
        Ok(())
    }

    pub(super) fn recall_took(
        &mut self,
        signed: Signed<Proposal>,
        to: Party,
        nonce: Nonce,
        local: Local,
        addresses: Vec<String>,
    ) -> bool {
        let Ok(proposal) = signed.peek() else { return false };
        let share = proposal.share;
        let (waits, sheet, acceptance) = (None, None, None);
        let took = Took { signed, proposal, to, nonce, local, addresses, waits, sheet, acceptance };
        self.took.insert(share, took);
        true
    }

    /// The offering side's nonce has come: the sheet is complete.
    fn revealed(&mut self, peer: &PublicKey, nonce: Nonce, out: &mut Vec<Effect>) {
        let waiting = |it: &&mut Took| it.gateway() == *peer && it.waits.is_some();
        let Some(took) = self.took.values_mut().find(waiting) else { return };
        let Some(id) = took.waits.take() else { return };
        let is_bound = commitment(&took.proposal.share, &nonce) == took.proposal.commitment;
        let answer = if is_bound {
            let sheet = sheet_of(&took.proposal, took.to.clone(), (nonce, took.nonce));
            took.sheet = Some(sheet.clone());
            Answer::Sheet(sheet)
        } else {
            Answer::Refused(Refusal::AcceptanceWrong.into())
        };
        out.push(Effect::Answer { id, answer: Box::new(answer) });
    }

    /// This side's admin has signed.
    pub(super) fn accept(
        &mut self,
        share: ShareId,
        admin: Signature,
        out: &mut Vec<Effect>,
    ) -> Result<Answer, ErrorBody> {
        let took = self.took.get_mut(&share).ok_or(Refusal::ShareUnknown)?;
        let sheet = took.sheet.clone().ok_or(Refusal::ShareUnknown)?;
        let gateway = sign_sheet(&self.key, &took.proposal.from.plant, &sheet);
        let acceptance = Acceptance { sheet, to: Signatures { admin, gateway } };
        let agreed = acceptance.clone().verify();
        took.acceptance = Some(agreed.map_err(|_| ErrorBody::from(Refusal::AcceptanceWrong))?);
        let peer = took.gateway();
        out.push(Effect::Persist(PartnerRecord::Signed { acceptance: acceptance.clone() }));
        self.say_to(peer, SessionFrame::Accepted(acceptance), out);
        Ok(Answer::Done)
    }

    pub(super) fn recall_signed(&mut self, acceptance: Acceptance) -> bool {
        let Ok(agreed) = acceptance.clone().verify() else { return false };
        let took = self.took.get_mut(&agreed.sheet().share);
        took.is_some_and(|it| {
            it.sheet = Some(acceptance.sheet);
            it.acceptance = Some(agreed);
            true
        })
    }

    /// The offering side has confirmed what was signed here.
    fn confirmed(&mut self, now: Now, agreement: Agreement, out: &mut Vec<Effect>) {
        let Ok(agreed) = agreement.clone().verify() else { return };
        let took = self.took.get(&agreed.sheet().share);
        let signed = took.and_then(|it| it.acceptance.as_ref());
        if signed.is_none_or(|signed| signed.id() != agreed.id()) {
            return;
        }
        out.push(Effect::Persist(PartnerRecord::Confirmed { agreement }));
        let sheet = agreed.id();
        self.make_deal(agreed);
        self.audit_agreed(now, &sheet, out);
        self.begin(now, &sheet, out);
    }

    /// The other side says no. What was signed here and is unknown there was withdrawn.
    fn refused(&mut self, peer: &PublicKey, refusal: Refusal, out: &mut Vec<Effect>) {
        let answered =
            |id| Effect::Answer { id, answer: Box::new(Answer::Refused(ErrorBody::from(refusal))) };
        let of_peer = |it: &&mut Took| it.gateway() == *peer;
        let waiting = self.took.values_mut().filter(of_peer).find_map(|it| it.waits.take());
        out.extend(waiting.map(answered));
        if refusal == Refusal::AgreementUnknown {
            let gone = self.took.values().find(|it| it.gateway() == *peer);
            let gone = gone.filter(|it| it.acceptance.is_some());
            if let Some((share, name)) = gone.map(|it| (it.proposal.share, &it.local.name)) {
                let text = format!("the partner withdrew {name} before it was confirmed");
                out.push(Effect::Persist(PartnerRecord::Dropped { share }));
                self.alarm(text);
                self.took.remove(&share);
            }
        }
    }

    /// Frames by which the offering side answers.
    pub(super) fn taking_frame(
        &mut self,
        now: Now,
        (peer, link): (PublicKey, Option<PublicKey>),
        frame: SessionFrame,
        out: &mut Vec<Effect>,
    ) {
        match (frame, link) {
            (SessionFrame::Proposal(signed), Some(link)) => {
                self.proposal_came(&link, &peer, signed, out);
            }
            (SessionFrame::Schemas(texts), Some(link)) => {
                if let Some(looking) = self.looking.get_mut(&link) {
                    looking.schemas = texts.into_vec();
                }
            }
            (SessionFrame::Reveal(nonce), _) => self.revealed(&peer, nonce, out),
            (SessionFrame::Confirmed(agreement), _) => self.confirmed(now, agreement, out),
            (SessionFrame::Refused(refusal), link) => {
                if let Some(link) = link {
                    self.link_failed(&link, refusal.into(), out);
                }
                self.refused(&peer, refusal, out);
            }
            _ => {}
        }
    }
}

/// Of texts that came, those that a proposal names.
fn named_schemas(proposal: &Proposal, texts: Vec<Vec<u8>>) -> Vec<String> {
    let named = |text: &Vec<u8>| {
        let hash = Some(schema_hash(text));
        proposal.terms.topics.iter().any(|line| line.schema == hash)
    };
    let texts = texts.into_iter().filter(named);
    texts.filter_map(|text| String::from_utf8(text).ok()).collect()
}

/// Whoever accepts says what it sends for each line that exports from it, and for no other.
fn check_selections(proposal: &Proposal, local: &Local) -> Result<(), ErrorBody> {
    let unusable = |text: String| ErrorBody::from(Refusal::TermsUnusable).saying(text);
    let exports = || proposal.terms.topics.iter().filter(|it| it.direction == Direction::Import);
    for selection in &local.selections {
        if !exports().any(|line| line.alias == selection.alias) {
            return Err(unusable(format!("no line asks for {}", selection.alias)));
        }
    }
    if let Some(it) = local.verbs.first() {
        return Err(unusable(format!("only the offering side has verbs, so not {}", it.verb)));
    }
    let missing = exports()
        .find(|line| !local.selections.iter().any(|selection| selection.alias == line.alias));
    missing.map_or(Ok(()), |line| {
        Err(unusable(format!("say what is sent as {}: --send {}=FILTER", line.alias, line.alias)))
    })
}

fn send(session: SessionId, frame: SessionFrame) -> Effect {
    Effect::Send { session, frame: Box::new(frame) }
}
