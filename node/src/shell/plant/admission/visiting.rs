//! The dialing side of a visit: the command line of an admin whose machine is no node.

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::{Nonce, PlantId, PublicKey};
use gearmesh_protocol::plant::{AdmissionMessage, Hello, Intent, VERSION, plant_tag};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signed;
use gearmesh_protocol::visit::{VisitProof, Visitor};
use libp2p::core::muxing::StreamMuxerBox;

use super::slice::{Slice, plant_of};
use super::{AdmissionError, EXCHANGE_MAX, Wire};
use crate::core::plant::roster::Roster;
use crate::shell::carrier::drive;

/// Shows a member of this plant that the admin's key is here, and looks whether it is a member.
pub(in crate::shell) async fn visit(
    muxer: &mut StreamMuxerBox,
    (me, host): (PublicKey, PublicKey),
    (plant, admin): (&PlantId, &SigningKey),
    nonce: Nonce,
) -> Result<(), AdmissionError> {
    let work = async {
        let stream = drive::first_substream(muxer, true)
            .await
            .map_err(|error| AdmissionError::Broken(error.to_string()))?;
        let mut wire = Wire { muxer, stream };
        let intent = Intent::Visit { tag: plant_tag(plant, &me, &host), nonce };
        wire.send(&AdmissionMessage::Hello(Hello { version: VERSION, intent })).await?;
        let AdmissionMessage::Reception { tag, nonce: host_nonce } = wire.receive().await? else {
            return Err(AdmissionError::Refused(Refusal::Protocol));
        };
        // Whoever does not know the plant does not hear who asks.
        if tag != plant_tag(plant, &host, &me) {
            return Err(AdmissionError::Refused(Refusal::OtherPlant));
        }
        let proof = VisitProof { visitor: me, host, visitor_nonce: nonce, host_nonce };
        let proof = Signed::sign(admin, plant, &proof);
        let visitor = Visitor { admin: PublicKey::of(admin), proof };
        wire.send(&AdmissionMessage::Visitor(visitor)).await?;
        check_host(wire.receive_pages().await?, plant, &host).await?;
        match wire.receive().await? {
            AdmissionMessage::Welcome(_) => Ok(()),
            _ => Err(AdmissionError::Refused(Refusal::Protocol)),
        }
    };
    tokio::time::timeout(EXCHANGE_MAX, work).await.map_err(|_| AdmissionError::TimedOut)?
}

/// Looks whether a slice of this plant's ledger says that the host is a member.
async fn check_host(
    pages: Vec<gearmesh_protocol::plant::LedgerPage>,
    plant: &PlantId,
    host: &PublicKey,
) -> Result<(), AdmissionError> {
    if plant_of(&pages)? != *plant {
        return Err(AdmissionError::Refused(Refusal::OtherPlant));
    }
    let roster = Roster::of(&Slice::check(pages, plant).await?.ledger()?);
    match roster.member(host) {
        Some(_) => Ok(()),
        None => Err(AdmissionError::Refused(Refusal::NotAMember)),
    }
}
