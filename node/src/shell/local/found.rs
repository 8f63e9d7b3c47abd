//! Machines that let themselves be found, as an admin's tools see them.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::claim::CarriedCode;
use gearmesh_protocol::found::{ClaimRequest, Claimed, Found, FoundRequest};
use gearmesh_protocol::limits::ADDRESS_BOOK_MAX;
use gearmesh_protocol::refusal::Refusal;

use super::super::listen::Endpoint;
use super::State;
use super::answer::{Answered, Body, Failure};
use crate::core::plant::standing;

/// What the last look has brought.
pub(super) async fn last(Shared(state): Shared<State>) -> Json<Found> {
    Json(state.finder.last())
}

/// Looks around, or at the addresses that are named.
pub(super) async fn look(
    Shared(state): Shared<State>,
    Body(request): Body<FoundRequest>,
) -> Answered<Found> {
    state.core.view().roster.as_ref().ok_or_else(standing::no_plant)?;
    if request.addresses.len() > ADDRESS_BOOK_MAX {
        return Err(Failure::new(
            Refusal::RequestMalformed,
            format!("at most {ADDRESS_BOOK_MAX} addresses are looked at"),
        ));
    }
    let read = request.addresses.iter().map(|text| text.parse::<Endpoint>());
    let addresses: Result<Vec<Endpoint>, _> = read.collect();
    let addresses = addresses.map_err(|error| Failure::new(Refusal::RequestMalformed, error))?;
    let addresses = addresses.iter().map(|address| address.multiaddr().clone()).collect();
    state.finder.look(addresses).await.map(Json).map_err(Failure::from)
}

/// Hands an invitation to a machine that was found, or asks again how that stands.
pub(super) async fn claim(
    Shared(state): Shared<State>,
    Body(request): Body<ClaimRequest>,
) -> Answered<Claimed> {
    let code = CarriedCode::try_from(request.code)
        .map_err(|error| Failure::new(Refusal::CodeMistyped, error))?;
    let state = state.finder.claim(&request.key, code).await.map_err(Failure::from)?;
    Ok(Json(Claimed { state }))
}
