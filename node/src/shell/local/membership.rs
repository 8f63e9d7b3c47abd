//! What tools with a keyring ask for: where logs end, what a record would do, and to store it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::local::{Confirmations, LogEnds, OpenInvitation, Stored, TrustLog};
use gearmesh_protocol::log::{Group, VerifiedGroup};
use gearmesh_protocol::refusal::Refusal;
use serde::Deserialize;

use super::State;
use super::answer::{Answered, Failure, Parameters, RawBody};
use crate::core::plant::{Answer, Input, invited, report, standing};

#[derive(Deserialize)]
pub(super) struct OfKey {
    key: PublicKey,
}

#[derive(Deserialize)]
pub(super) struct OfGroup {
    group: GroupId,
}

/// Where a key's trust log ends, and what it says.
pub(super) async fn log(
    Shared(state): Shared<State>,
    Parameters(OfKey { key }): Parameters<OfKey>,
) -> Answered<TrustLog> {
    let view = state.core.view();
    let ledger = view.ledger.as_ref().ok_or_else(standing::no_plant)?;
    let leaves = ledger.log(&key).map(|log| log.tips()).unwrap_or_default();
    let records = report::trust_lines(&view, &key);
    Ok(Json(TrustLog { leaves, records, now: state.clock.now().wall }))
}

/// Stores a group that an admin signed; the answer comes when it is on disk.
pub(super) async fn store(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<Stored> {
    let group = read(&state, &body)?;
    match state.core.ask(|ticket| Input::Store { ticket, group }).await {
        Answer::Stored(group) => Ok(Json(Stored { group })),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

/// Names of the members that would be none any more if a group were stored.
pub(super) async fn preview(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<Vec<String>> {
    let group = read(&state, &body)?;
    let fallen = report::would_fall(&state.core.view(), &group);
    fallen.map(Json).ok_or_else(|| Refusal::MissingParent.into())
}

/// Invitations that a machine can still use.
pub(super) async fn invitations(Shared(state): Shared<State>) -> Json<Vec<OpenInvitation>> {
    let now = state.clock.now().wall;
    Json(invited::open_invitations(&state.core.view(), now))
}

/// Who holds a group.
pub(super) async fn confirmations(
    Shared(state): Shared<State>,
    Parameters(OfGroup { group }): Parameters<OfGroup>,
) -> Json<Confirmations> {
    Json(report::confirmations(&state.core.view(), &group))
}

/// Where all logs of a key end here.
pub(super) async fn ends(
    Shared(state): Shared<State>,
    Parameters(OfKey { key }): Parameters<OfKey>,
) -> Json<LogEnds> {
    let data = state.store.ends(&key);
    Json(LogEnds { cut: report::log_ends(&state.core.view(), &key, &data) })
}

fn read(state: &State, body: &Bytes) -> Result<Arc<VerifiedGroup>, Failure> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let malformed = |error| Failure::new(Refusal::GroupMalformed, error);
    Group::read(&roster.plant(), body).map(Arc::new).map_err(malformed)
}
