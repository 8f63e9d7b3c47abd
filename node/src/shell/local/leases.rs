//! Leases, for programs beside the node.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use gearmesh_protocol::entry::OnLoss;
use serde::Deserialize;

use super::super::leases::api::{LeaseKey, LeaseNews, LeaseRequest, LeaseState, ResourceStatus};
use super::super::leases::{LEASE_TTL, Leasing, Wanted};
use super::State;
use super::answer::{Answered, Body, Failure, Parameters};

#[derive(Deserialize)]
pub(super) struct OfResource {
    resource: Option<String>,
}

/// Who holds what.
pub(super) async fn list(
    Shared(state): Shared<State>,
    Parameters(OfResource { resource }): Parameters<OfResource>,
) -> Answered<Vec<ResourceStatus>> {
    Ok(Json(state.leases.list(resource.as_deref()).await?))
}

/// Asks for a lease: how it stands, as events.
pub(super) async fn acquire(
    Shared(state): Shared<State>,
    Body(request): Body<LeaseRequest>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let LeaseRequest { resource, ttl_ms, wait_ms, on_loss, id, hold } = request;
    let millis = |ms: u32| Duration::from_millis(ms.into());
    let ttl = ttl_ms.map_or(LEASE_TTL, millis);
    let (wait, on_loss) = (wait_ms.map(millis), on_loss.unwrap_or(OnLoss::Stop));
    let leasing = state.leases.acquire(Wanted { resource, ttl, wait, on_loss, id }).await?;
    let id = leasing.id();
    let states = stream::unfold(Some(leasing), move |leasing| follow(leasing, hold));
    let news = states.map(move |state| LeaseNews { id, state });
    Ok(Sse::new(news.map(|news| Ok(to_event(&news)))).keep_alive(KeepAlive::default()))
}

/// The next event, and whether more follow. A lease that is not held open is left to its time.
async fn follow(leasing: Option<Leasing>, hold: bool) -> Option<(LeaseState, Option<Leasing>)> {
    let mut leasing = leasing?;
    let state = leasing.next().await?;
    if matches!(state, LeaseState::Held { .. }) && !hold {
        leasing.keep();
        return Some((state, None));
    }
    let more = (!state.is_final()).then_some(leasing);
    Some((state, more))
}

/// Has a lease last for longer.
pub(super) async fn renew(
    Shared(state): Shared<State>,
    Body(LeaseKey { id }): Body<LeaseKey>,
) -> Answered<LeaseNews> {
    let state = state.leases.renew(id).await?;
    Ok(Json(LeaseNews { id, state }))
}

/// Gives a lease back.
pub(super) async fn release(
    Shared(state): Shared<State>,
    Body(LeaseKey { id }): Body<LeaseKey>,
) -> Answered<LeaseNews> {
    let state = state.leases.release(id).await?;
    Ok(Json(LeaseNews { id, state }))
}

fn to_event(news: &LeaseNews) -> Event {
    // Events of this kind always have a JSON form; a comment is the harmless alternative.
    Event::default().json_data(news).unwrap_or_else(|_| Event::default().comment("unreadable"))
}
