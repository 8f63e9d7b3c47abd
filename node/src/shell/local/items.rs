//! Work items, for programs beside the node.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use serde::Deserialize;

use super::super::items::WorkItem;
use super::super::items::api::{OfferRequest, RehomeRequest, Rehomed, WorkKey, WorkStatus};
use super::State;
use super::answer::{Answered, Body, Parameters};

#[derive(Deserialize)]
pub(super) struct OfWhom {
    all: Option<bool>,
}

/// Offers an item; answered when it is on the disk.
pub(super) async fn offer(
    Shared(state): Shared<State>,
    Body(request): Body<OfferRequest>,
) -> Answered<WorkKey> {
    let OfferRequest { verb, arguments, id, silence_ms, tries, again_if_failed } = request;
    let usual = WorkItem::new(verb, arguments);
    let silence = silence_ms.map_or(usual.silence, |ms| Duration::from_millis(ms.into()));
    let tries = tries.unwrap_or(usual.tries);
    let item = WorkItem { id, silence, tries, again_if_failed, ..usual };
    Ok(Json(WorkKey { id: state.items.offer(item).await? }))
}

/// How items stand.
pub(super) async fn list(
    Shared(state): Shared<State>,
    Parameters(OfWhom { all }): Parameters<OfWhom>,
) -> Answered<Vec<WorkStatus>> {
    Ok(Json(state.items.list(all.unwrap_or(false)).await?))
}

/// Has an item not done that nobody has taken.
pub(super) async fn cancel(
    Shared(state): Shared<State>,
    Body(WorkKey { id }): Body<WorkKey>,
) -> Answered<WorkKey> {
    Ok(Json(WorkKey { id: state.items.cancel(id).await? }))
}

/// Offers here what a member that is gone has left.
pub(super) async fn rehome(
    Shared(state): Shared<State>,
    Body(RehomeRequest { offerer }): Body<RehomeRequest>,
) -> Answered<Vec<Rehomed>> {
    Ok(Json(state.items.rehome(offerer).await?))
}
