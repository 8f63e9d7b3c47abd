//! The dialing side of the exchange: to link up as a member, or to redeem an invitation.

use gearmesh_protocol::ids::Nonce;
use gearmesh_protocol::invite::{Code, Proof};
use gearmesh_protocol::plant::{AdmissionMessage, Greeting, Hello, Intent, VERSION, plant_tag};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;

use super::slice::{Slice, plant_of};
use super::{AdmissionError, Greetings, Side, Wire};
use crate::core::plant::roster::Roster;
use crate::core::plant::standing;
use crate::core::plant::{Answer, Input};

pub(super) async fn converse(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
) -> Result<Greetings, AdmissionError> {
    let ours = side.gate.greeting();
    match side.gate.code_for(side.address) {
        Some(code) => join(side, wire, ours, &code).await,
        None => link(side, wire, ours).await,
    }
}

async fn link(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    ours: Greeting,
) -> Result<Greetings, AdmissionError> {
    let view = side.gate.view();
    let Some(roster) = &view.roster else {
        return Err(AdmissionError::Refused(Refusal::NotAMember));
    };
    let tag = plant_tag(&roster.plant(), &view.me, &side.peer);
    let hello = Hello { version: VERSION, intent: Intent::Link { tag, greeting: ours } };
    wire.send(&AdmissionMessage::Hello(hello)).await?;
    let mut reply = wire.receive().await?;
    if let AdmissionMessage::Prove(tag) = reply {
        side.prove(wire, tag).await?;
        reply = wire.receive().await?;
    }
    let AdmissionMessage::Welcome(theirs) = reply else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    side.believe(wire).await?;
    wire.send(&AdmissionMessage::Welcome(ours)).await?;
    Ok(Greetings { ours, theirs })
}

impl Side<'_> {
    /// Shows this node's slice of the ledger to somebody who knows the plant and was not thrown
    /// out of it: whoever answers at an address that a person gave may be anybody.
    pub(super) async fn prove(
        &self,
        wire: &mut Wire<'_>,
        tag: [u8; 16],
    ) -> Result<(), AdmissionError> {
        let view = self.gate.view();
        let stranger = AdmissionError::Refused(Refusal::NotAdmitted);
        let Some(roster) = &view.roster else { return Err(stranger) };
        if tag != plant_tag(&roster.plant(), &self.peer, &view.me) {
            return Err(stranger);
        }
        match standing(roster, &self.peer, self.gate.now()) {
            Ok(()) | Err(Refusal::NotAMember) => {}
            Err(refusal) => return Err(AdmissionError::Refused(refusal)),
        }
        wire.send_pages(self.gate.own_credential()).await
    }

    /// Makes sure that the other is a member, by its slice of the ledger if need be.
    pub(super) async fn believe(&self, wire: &mut Wire<'_>) -> Result<(), AdmissionError> {
        let view = self.gate.view();
        let Some(roster) = &view.roster else {
            return Err(AdmissionError::Refused(Refusal::NotAdmitted));
        };
        match standing(roster, &self.peer, self.gate.now()) {
            Ok(()) => return Ok(()),
            // Of a revocation that is void by now nobody else may have told: whoever it threw out shows
            // what undid it, or is told again.
            Err(Refusal::NotAMember | Refusal::Revoked) => {}
            Err(refusal) => return Err(AdmissionError::Refused(refusal)),
        }
        let tag = plant_tag(&roster.plant(), &view.me, &self.peer);
        wire.send(&AdmissionMessage::Prove(tag)).await?;
        let slice = Slice::check(wire.receive_pages().await?, &roster.plant()).await?;
        let peer = self.peer;
        let answer = self.gate.core().ask(|ticket| Input::Credential {
            ticket,
            peer,
            acts: slice.acts,
            groups: slice.groups,
        });
        match answer.await {
            Answer::Admitted => Ok(()),
            Answer::Refused(Refusal::Revoked) => Err(AdmissionError::Refused(Refusal::Revoked)),
            _ => Err(AdmissionError::Refused(Refusal::NotAdmitted)),
        }
    }
}

async fn join(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    ours: Greeting,
    code: &Code,
) -> Result<Greetings, AdmissionError> {
    let (invitation, nonce) = (code.id(), side.gate.nonce());
    let intent = Intent::Join { invitation, nonce, greeting: ours };
    wire.send(&AdmissionMessage::Hello(Hello { version: VERSION, intent })).await?;
    let AdmissionMessage::Offer(redeemer_nonce) = wire.receive().await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    let proof = check_offer(side, wire, code, nonce, redeemer_nonce).await?;
    wire.send(&AdmissionMessage::Redeem(proof)).await?;
    let pages = wire.receive_pages().await?;
    let AdmissionMessage::Welcome(theirs) = wire.receive().await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    let slice = Slice::check(pages.clone(), &plant_of(&pages)?).await?;
    // A node that is stopped right after its join must find the redeemer again.
    if let Some(address) = side.plain_address() {
        side.gate.core().tell(Input::Reached { peer: side.peer, address }).await;
    }
    let adopt = |ticket| Input::Adopt { ticket, acts: slice.acts, groups: slice.groups };
    match side.gate.core().ask(adopt).await {
        Answer::Adopted => {}
        Answer::Refused(refusal) => return Err(AdmissionError::Refused(refusal)),
        _ => return Err(AdmissionError::Refused(Refusal::Protocol)),
    }
    wire.send(&AdmissionMessage::Welcome(ours)).await?;
    Ok(Greetings { ours, theirs })
}

/// Looks whether the one that answered is the redeemer that the right plant's invitation names.
/// Only then does it get the proof.
async fn check_offer(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    code: &Code,
    joiner_nonce: Nonce,
    redeemer_nonce: Nonce,
) -> Result<Signed<Proof>, AdmissionError> {
    let pages = wire.receive_pages().await?;
    let plant = plant_of(&pages)?;
    if !code.fingerprint().is_of(&plant) {
        return Err(AdmissionError::Refused(Refusal::OtherPlant));
    }
    let roster = Roster::of(&Slice::check(pages, &plant).await?.ledger()?);
    let Some(invited) = roster.invitations().get(&code.id()) else {
        return Err(AdmissionError::Refused(Refusal::InvitationUnknown));
    };
    if invited.invitation.redeemer != side.peer {
        return Err(AdmissionError::Refused(Refusal::NotTheRedeemer));
    }
    let proof = Proof {
        invitation: code.id(),
        joiner: side.gate.view().me,
        redeemer: side.peer,
        joiner_nonce,
        redeemer_nonce,
    };
    Ok(Signed::sign(&code.key(), &plant, &proof))
}
