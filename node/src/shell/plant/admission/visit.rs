//! The listening side of a visit: an admin whose machine is no node.

use gearmesh_protocol::ids::Nonce;
use gearmesh_protocol::plant::{AdmissionMessage, Greeting, plant_tag};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::visit::VisitProof;

use super::super::visits::Guest;
use super::{AdmissionError, Side, Wire};
use crate::core::plant::visiting::may_visit;

/// Lets in whoever holds an admin's key. Nobody hears more than a stranger does before it has shown
/// that it knows the plant, nor why it is refused before it has proven that it holds the key it names.
pub(super) async fn receive(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    ours: Greeting,
    (tag, visitor_nonce): ([u8; 16], Nonce),
) -> Result<Guest, AdmissionError> {
    let view = side.gate.view();
    let stranger = AdmissionError::Refused(Refusal::NotAdmitted);
    let Some(roster) = &view.roster else { return Err(stranger) };
    let plant = roster.plant();
    if tag != plant_tag(&plant, &side.peer, &view.me) {
        return Err(stranger);
    }
    let host_nonce = side.gate.nonce();
    let ours_tag = plant_tag(&plant, &view.me, &side.peer);
    wire.send(&AdmissionMessage::Reception { tag: ours_tag, nonce: host_nonce }).await?;
    let AdmissionMessage::Visitor(visitor) = wire.receive().await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    let expected = VisitProof { visitor: side.peer, host: view.me, visitor_nonce, host_nonce };
    if !visitor.proves(&plant, &expected) {
        side.gate.visits().turned_away();
        tracing::info!(ip = ?side.ip(), "a visitor's proof does not fit this connection");
        return Err(stranger);
    }
    let judged = may_visit(&side.gate.view(), &visitor.admin, side.gate.now())
        .and_then(|()| side.gate.visits().place(visitor.admin, side.ip()));
    let guest = judged.map_err(|refusal| {
        side.gate.visits().turned_away();
        let admin = visitor.admin;
        tracing::info!(?admin, ip = ?side.ip(), %refusal, "an admin was not let in");
        AdmissionError::Refused(refusal)
    })?;
    wire.send_pages(side.gate.own_credential()).await?;
    wire.send(&AdmissionMessage::Welcome(ours)).await?;
    Ok(guest)
}
