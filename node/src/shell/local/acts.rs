//! What several root keys sign together.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use gearmesh_protocol::codec;
use gearmesh_protocol::ids::RecordId;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::local::Confirmations;
use gearmesh_protocol::membership::StoredAct;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::roots::RootStatus;
use gearmesh_protocol::trust::Act;
use serde::Deserialize;

use super::State;
use super::answer::{Answered, Failure, Parameters, RawBody};
use crate::core::plant::{Answer, Input, report, roots, standing};

#[derive(Deserialize)]
pub(super) struct OfAct {
    act: RecordId,
}

/// Stores an act; the answer comes when it is on disk.
pub(super) async fn store(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<StoredAct> {
    let view = state.core.view();
    let ledger = view.ledger.as_ref().ok_or_else(standing::no_plant)?;
    let act = read(&body)?;
    let verified = ledger.verified(act.clone());
    let verified = verified.map_err(|error| Failure::new(Refusal::NotAuthorised, error))?;
    standing::may_act(ledger, &verified)?;
    let id = verified.id();
    match state.core.ask(|ticket| Input::StoreAct { ticket, act }).await {
        Answer::StoredAct => Ok(Json(StoredAct { act: id })),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

/// Names of the members that would be none any more if an act were stored.
pub(super) async fn preview(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<Vec<String>> {
    let fallen = report::would_fall_by_act(&state.core.view(), read(&body)?);
    fallen.map(Json).ok_or_else(|| Refusal::NotAuthorised.into())
}

/// How the root stands.
pub(super) async fn root(Shared(state): Shared<State>) -> Answered<RootStatus> {
    let told = roots::status(&state.core.view());
    Ok(Json(told.ok_or_else(standing::no_plant)?))
}

/// Who holds an act.
pub(super) async fn confirmations(
    Shared(state): Shared<State>,
    Parameters(OfAct { act }): Parameters<OfAct>,
) -> Json<Confirmations> {
    Json(report::act_confirmations(&state.core.view(), &act))
}

fn read(body: &Bytes) -> Result<Act, Failure> {
    codec::decode(body, FRAME_BYTES_MAX)
        .map_err(|error| Failure::new(Refusal::GroupMalformed, error))
}
