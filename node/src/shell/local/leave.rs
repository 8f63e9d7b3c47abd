//! Leaving the plant by a person's word.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::ids::GroupId;
use gearmesh_protocol::membership::{LeaveRequest, Left};
use gearmesh_protocol::refusal::Refusal;

use super::State;
use super::answer::{Answered, Body};
use super::membership::elsewhere;
use crate::core::plant::{Answer, Input, standing};

/// Ends this node's membership; the answer comes when its members have hung up, or after a second.
pub(super) async fn leave(
    Shared(state): Shared<State>,
    Body(LeaveRequest { lose_values }): Body<LeaveRequest>,
) -> Answered<Left> {
    let view = state.core.view();
    let name = standing::member(&view)?.name().to_string();
    if view.links.is_empty() {
        return Err(Refusal::NobodyReached.into());
    }
    let ends = state.store.ends(&view.me);
    let copies = elsewhere(&state, view.me).await.copies;
    let has_all = copies.iter().any(|(_, there)| ends.iter().all(|end| there.contains(end)));
    if !ends.is_empty() && !has_all && !lose_values {
        return Err(Refusal::ValuesHereAlone.into());
    }
    let data: Vec<GroupId> = ends.iter().map(|end| end.group).collect();
    match state.core.ask(|ticket| Input::Resign { ticket, data }).await {
        Answer::Left(told) => {
            let name_of = |key| view.roster.as_ref().map(|roster| roster.name_of(key));
            let mut told: Vec<String> = told.iter().filter_map(name_of).collect();
            told.sort();
            Ok(Json(Left { name, told }))
        }
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}
