//! The listening side of a look and of a claim: a machine that belongs to no plant and lets itself
//! be found. Neither becomes a link.

use std::net::IpAddr;
use std::sync::Arc;

use gearmesh_protocol::claim::{CarriedCode, Claiming, Commitment, meeting_words};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::plant::AdmissionMessage;
use gearmesh_protocol::refusal::Refusal;

use super::super::claims::Claims;
use super::{AdmissionError, Greetings, Side, Wire};
use crate::core::plant::claimable::{Looker, Network};
use crate::shell::carrier::address::network_of;

/// Shows the dialer that this machine lets itself be found, and comes to the same words with it.
pub(super) async fn look(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    commitment: Commitment,
) -> Result<Greetings, AdmissionError> {
    let claims = claims_of(side)?;
    let network = network_of(side.address).map(|ip| Network(bits(ip)));
    let left = claims.admit(&side.peer, network).map_err(AdmissionError::Refused)?;
    let ours = side.gate.nonce();
    let closes_in_s = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    wire.send(&AdmissionMessage::Here { nonce: ours, closes_in_s }).await?;
    let AdmissionMessage::Reveal(theirs) = wire.receive().await? else {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    };
    if commitment != Commitment::of(&side.peer, &theirs) {
        return Err(AdmissionError::Refused(Refusal::Protocol));
    }
    let words = meeting_words(&side.peer, &side.gate.view().me, &theirs, &ours);
    let address = side.ip().map_or_else(|| "memory".to_owned(), |ip| ip.to_string());
    let looker = Looker::new(address, network, words);
    claims.met(side.peer, looker).map_err(AdmissionError::Refused)?;
    wire.end_with(&AdmissionMessage::Claiming(Claiming::Met)).await;
    Err(AdmissionError::Over)
}

/// Takes an invitation from a dialer that has looked, or says how its claim stands.
pub(super) async fn claim(
    side: &Side<'_>,
    wire: &mut Wire<'_>,
    code: &CarriedCode,
) -> Result<Greetings, AdmissionError> {
    let claims = claims_of(side)?;
    let code: Code = code.text().parse().map_err(|_| AdmissionError::Refused(Refusal::Protocol))?;
    let state = claims.claim(side.peer, Arc::new(code)).map_err(AdmissionError::Refused)?;
    wire.end_with(&AdmissionMessage::Claiming(state)).await;
    Err(AdmissionError::Over)
}

/// An address as a number, one of IPv4 as it is written in IPv6.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn claims_of<'a>(side: &Side<'a>) -> Result<&'a Arc<Claims>, AdmissionError> {
    side.gate.claims().ok_or(AdmissionError::Refused(Refusal::NotAdmitted))
}
