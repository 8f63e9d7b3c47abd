//! Durable values: publishing them, and reading what was published.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, stream};
use gearmesh_protocol::durable::{ConfirmRequest, Confirmed, DurablePublished, DurableRequest};
use gearmesh_protocol::local::REFUSED;
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::Name;
use serde::{Deserialize, Serialize};

use super::super::data::ReadError;
use super::super::reading::{ConsumeError, Export, History, Reading, Wanted};
use super::State;
use super::answer::{Answered, Body, Failure, Parameters};
use super::live::{absolute, filter_of, not_published};
use crate::core::plant::roster::{Member, Roster};
use crate::core::plant::standing;
use crate::core::plant::view::View;

pub(super) async fn publish(
    Shared(state): Shared<State>,
    Body(request): Body<DurableRequest>,
) -> Answered<DurablePublished> {
    let view = state.core.view();
    let own = standing::member(&view)?;
    let topic = absolute(own, &request.topic)?;
    if let Some(resource) = &request.lease {
        state.leases.check_held(resource)?;
    }
    let told = state.durable.publisher(&topic).publish(&request.sample, request.ack).await;
    let told = told.map_err(|error| not_published(own, &topic, error))?;
    Ok(Json(DurablePublished {
        topic: topic.into(),
        group: told.group,
        entry: told.entry,
        replicas: told.replicas,
        reached: told.is_reached,
    }))
}

#[derive(Deserialize)]
pub(super) struct Asked {
    filter: String,
    since: Option<u64>,
    until: Option<u64>,
}

/// What data logs hold here, as a stream that ends.
pub(super) async fn history(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let Seen { view, own, roster, wanted } = asked.seen_by(&state)?;
    let source = state.consumers.sources().of(&view).await?;
    to_the_end(History::new(&source, roster, own, wanted)).await
}

/// The same as lines that prove what they say, as a stream that ends.
pub(super) async fn export(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let Seen { view, own, roster, wanted } = asked.seen_by(&state)?;
    let ledger = view.ledger.as_ref().ok_or_else(standing::no_plant)?;
    let now = state.clock.now().wall;
    let source = state.consumers.sources().of(&view).await?;
    to_the_end(Export::new(source, ledger, roster, own, wanted, now)).await
}

/// All that there is to read, as events; a refusal where not even the first can be had. Why it breaks
/// off later is told by an event of that name; a stream without its last event was not read to the end.
async fn to_the_end(
    mut reading: impl Reading,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let first = reading.next().await.map_err(unreadable)?;
    let events = stream::unfold(Some((first, reading)), |state| async move {
        let (first, mut reading) = state?;
        let next = match first {
            Some(first) => Ok(Some(first)),
            None => reading.next().await,
        };
        match next {
            Ok(event) => event.map(|event| (Ok(to_event(&event)), Some((None, reading)))),
            Err(error) => {
                tracing::error!(%error, "data logs could not be read to the end");
                Some((Ok(refused(&unreadable(error))), None))
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Why nothing is read.
pub(super) fn unreadable(error: ReadError) -> Failure {
    match error {
        ReadError::Refused { refusal } => refusal.into(),
        error => Failure::new(Refusal::NotStored, error),
    }
}

/// What is wanted, and who wants it.
struct Seen {
    view: Arc<View>,
    own: Member,
    roster: Arc<Roster>,
    wanted: Wanted,
}

impl Asked {
    /// What is wanted, if this node may see it.
    fn seen_by(&self, state: &State) -> Result<Seen, Failure> {
        let filter = filter_of(&self.filter)?;
        let view = state.core.view();
        standing::may_follow(&view, &filter)?;
        let own = standing::member(&view)?.clone();
        let roster = view.roster.clone().ok_or_else(standing::no_plant)?;
        let (since, until) = (self.since.map(UnixMillis), self.until.map(UnixMillis));
        Ok(Seen { view, own, roster, wanted: Wanted { filter, since, until } })
    }
}

#[derive(Deserialize)]
pub(super) struct Consuming {
    name: Name,
    filter: String,
}

/// What a named consumer has not confirmed yet, and then what comes.
pub(super) async fn consume(
    Shared(state): Shared<State>,
    Parameters(Consuming { name, filter }): Parameters<Consuming>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let filter = filter_of(&filter)?;
    standing::may_follow(&state.core.view(), &filter)?;
    let consumer = state.consumers.open(name, filter).await.map_err(not_consumed)?;
    let events = stream::unfold(Some(consumer), |consumer| async move {
        let mut consumer = consumer?;
        match consumer.next().await {
            Ok(event) => Some((Ok(to_event(&event)), Some(consumer))),
            Err(error) => {
                tracing::error!(%error, "a consumer ended");
                Some((Ok(refused(&not_consumed(error))), None))
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Why nothing comes any more.
fn not_consumed(error: ConsumeError) -> Failure {
    match error {
        ConsumeError::Refused(refusal) => Failure::from(refusal),
        ConsumeError::Read(error) => unreadable(error),
        ConsumeError::Cursors(error) => Failure::new(Refusal::NotStored, error),
    }
}

/// A consumer has done with what it got.
pub(super) async fn confirm(
    Shared(state): Shared<State>,
    Body(ConfirmRequest { name, seq }): Body<ConfirmRequest>,
) -> Answered<Confirmed> {
    match state.consumers.confirm(&name, seq) {
        true => Ok(Json(Confirmed { seq })),
        false => Err(Refusal::ConsumerUnknown.into()),
    }
}

/// The last event of a stream that breaks off.
fn refused(failure: &Failure) -> Event {
    with_data(Event::default().event(REFUSED), failure.body())
}

fn to_event(event: &impl Serialize) -> Event {
    with_data(Event::default(), event)
}

fn with_data(event: Event, data: &impl Serialize) -> Event {
    // Values of this kind always have a JSON form; a comment is the harmless alternative.
    event.json_data(data).unwrap_or_else(|_| Event::default().comment("unreadable"))
}
