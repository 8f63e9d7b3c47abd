//! Looking into data logs, and what a person decides about them.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::inspect::{DataLog, SettleRequest, Settled, Why};
use gearmesh_protocol::refusal::Refusal;
use serde::Deserialize;

use super::super::data::ReadError;
use super::super::reading::{Look, inspect};
use super::State;
use super::answer::{Answered, Body, Parameters};
use super::durable::unreadable;
use crate::core::plant::data::DataInput;
use crate::core::plant::roster::Roster;
use crate::core::plant::view::View;
use crate::core::plant::{Answer, Input, report, standing, why as reasons};

#[derive(Deserialize)]
pub(super) struct OfKey {
    key: PublicKey,
    /// The first digits of the groups that are wanted.
    #[serde(default)]
    group: String,
}

/// How a key's data log stands where this node reads.
pub(super) async fn log(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<OfKey>,
) -> Answered<DataLog> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    Ok(Json(look_into(&state, &view, roster, &asked).await.map_err(unreadable)?))
}

/// What is wrong with a member.
pub(super) async fn why(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<OfKey>,
) -> Answered<Why> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let log = match look_into(&state, &view, roster, &asked).await {
        // What else is wrong is said where nobody is reached who could say this.
        Err(ReadError::Refused { .. }) => DataLog::default(),
        other => other.map_err(unreadable)?,
    };
    let (view, now) = (state.core.view(), state.clock.now());
    let mut members = report::members(&view, now).into_iter();
    let member = members.find(|member| member.key == asked.key).ok_or(Refusal::NameUnknown)?;
    let findings = reasons::findings(&view, now, &member, &log);
    Ok(Json(Why { member, findings, log }))
}

/// Joins the branches of this node's own data log; the answer comes when that is on its disk.
pub(super) async fn settle(
    Shared(state): Shared<State>,
    Body(SettleRequest { ends }): Body<SettleRequest>,
) -> Answered<Settled> {
    let asked = |ticket| Input::Data(DataInput::Settle { ticket, ends });
    match state.core.ask(asked).await {
        Answer::Durable(told) => Ok(Json(Settled { group: told.group, number: told.number })),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

async fn look_into(
    state: &State,
    view: &View,
    roster: &Roster,
    asked: &OfKey,
) -> Result<DataLog, ReadError> {
    let source = state.consumers.sources().of(view).await;
    let source = source.map_err(|refusal| ReadError::Refused { refusal })?;
    let digits = asked.group.to_ascii_lowercase();
    let look = Look { roster, own: view.own(), author: asked.key, digits: &digits };
    inspect(source, &look).await
}
