//! The listening side of the exchange.

use gearmesh_protocol::ids::{Nonce, PublicKey};
use gearmesh_protocol::invite::Proof;
use gearmesh_protocol::limits::HELLO_BYTES_MAX;
use gearmesh_protocol::plant::{AdmissionMessage, Greeting, Intent, VERSION, plant_tag};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;

use super::{AdmissionError, Admitted, Greetings, Side, Wire, claim, visit};
use crate::core::plant::redeem::Redemption;
use crate::core::plant::{Answer, Input};

pub(super) async fn converse(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
) -> Result<Admitted, AdmissionError> {
    let ours = side.gate.greeting();
    let AdmissionMessage::Hello(hello) = wire.receive_up_to(HELLO_BYTES_MAX).await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    if hello.version != VERSION {
        return Err(AdmissionError::Refused(Refusal::Version));
    }
    match hello.intent {
        Intent::Link { tag, greeting } => {
            link(side, wire, ours, tag, greeting).await.map(Admitted::Member)
        }
        Intent::Join { invitation, nonce, greeting } => {
            redeem(side, wire, ours, invitation, nonce, greeting).await.map(Admitted::Member)
        }
        Intent::Look { commitment } => {
            claim::look(side, wire, commitment).await.map(Admitted::Member)
        }
        Intent::Claim { code } => claim::claim(side, wire, &code).await.map(Admitted::Member),
        Intent::Visit { tag, nonce } => {
            visit::receive(side, wire, ours, (tag, nonce)).await.map(Admitted::Visitor)
        }
    }
}

async fn link(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    ours: Greeting,
    tag: [u8; 16],
    theirs: Greeting,
) -> Result<Greetings, AdmissionError> {
    let view = side.gate.view();
    let stranger = AdmissionError::Refused(Refusal::NotAdmitted);
    let Some(roster) = &view.roster else { return Err(stranger) };
    if tag != plant_tag(&roster.plant(), &side.peer, &view.me) {
        return Err(stranger);
    }
    side.believe(wire).await?;
    if !side.gate.has_place_for_link(&side.peer) {
        return Err(AdmissionError::Refused(Refusal::Busy));
    }
    wire.send(&AdmissionMessage::Welcome(ours)).await?;
    let mut reply = wire.receive().await?;
    if let AdmissionMessage::Prove(tag) = reply {
        side.prove(wire, tag).await?;
        reply = wire.receive().await?;
    }
    match reply {
        AdmissionMessage::Welcome(_) => Ok(Greetings { ours, theirs }),
        _ => Err(AdmissionError::Refused(Refusal::Protocol)),
    }
}

async fn redeem(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    ours: Greeting,
    invitation: PublicKey,
    joiner_nonce: Nonce,
    theirs: Greeting,
) -> Result<Greetings, AdmissionError> {
    let view = side.gate.view();
    let stranger = AdmissionError::Refused(Refusal::NotAdmitted);
    let Some(roster) = &view.roster else { return Err(stranger) };
    if !roster.invitations().contains_key(&invitation) {
        return Err(stranger);
    }
    let redeemer_nonce = side.gate.nonce();
    wire.send(&AdmissionMessage::Offer(redeemer_nonce)).await?;
    wire.send_pages(side.gate.own_credential()).await?;
    let AdmissionMessage::Redeem(signed) = wire.receive().await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    let joiner = side.peer;
    let expected = Proof { invitation, joiner, redeemer: view.me, joiner_nonce, redeemer_nonce };
    check_proof(&signed, &roster.plant(), &expected).inspect_err(|_| {
        tracing::info!(?joiner, ip = ?side.ip(), "a proof does not fit its invitation");
    })?;
    let redemption = Redemption { invitation, joiner };
    tracing::info!(joiner = ?joiner, ip = ?side.ip(), "an invitation is being redeemed");
    match side.gate.core().ask(|ticket| Input::Redeem { ticket, redemption }).await {
        Answer::Redeemed(pages) => wire.send_pages(pages).await?,
        Answer::Refused(refusal) => return Err(AdmissionError::Refused(refusal)),
        _ => return Err(AdmissionError::Refused(Refusal::Protocol)),
    }
    wire.send(&AdmissionMessage::Welcome(ours)).await?;
    match wire.receive().await? {
        AdmissionMessage::Welcome(_) => Ok(Greetings { ours, theirs }),
        _ => Err(AdmissionError::Refused(Refusal::Protocol)),
    }
}

/// A proof is worth something only for this invitation, these keys and this exchange. Whoever
/// shows another gets the answer of a stranger.
fn check_proof(
    signed: &Signed<Proof>,
    plant: &gearmesh_protocol::ids::PlantId,
    expected: &Proof,
) -> Result<(), AdmissionError> {
    match signed.verify(plant, &expected.invitation) {
        Ok(proof) if proof.value() == expected => Ok(()),
        Ok(_) | Err(_) => Err(AdmissionError::Refused(Refusal::NotAdmitted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;
    use gearmesh_protocol::ids::PlantId;

    #[test]
    fn a_proof_replayed_under_another_key_or_in_another_exchange_is_refused() {
        let code = SigningKey::from_bytes(&[1; 32]);
        let key = |seed: u8| PublicKey::of(&SigningKey::from_bytes(&[seed; 32]));
        let plant = PlantId([9; 32]);
        let proof = Proof {
            invitation: PublicKey::of(&code),
            joiner: key(2),
            redeemer: key(3),
            joiner_nonce: Nonce([4; 16]),
            redeemer_nonce: Nonce([5; 16]),
        };
        let signed = Signed::sign(&code, &plant, &proof);
        assert_eq!(check_proof(&signed, &plant, &proof), Ok(()));
        for other in [
            Proof { joiner: key(6), ..proof.clone() },
            Proof { redeemer: key(6), ..proof.clone() },
            Proof { joiner_nonce: Nonce([6; 16]), ..proof.clone() },
            Proof { redeemer_nonce: Nonce([6; 16]), ..proof },
        ] {
            let refused = check_proof(&signed, &plant, &other);
            assert_eq!(refused, Err(AdmissionError::Refused(Refusal::NotAdmitted)));
        }
        assert!(check_proof(&signed, &PlantId([8; 32]), &proof).is_err());
    }
}
