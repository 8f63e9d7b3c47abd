//! Publishing and following live values.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, stream};
use gearmesh_protocol::local::{Delivered, PublishRequest, Published, SubscribeEvent};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::SampleError;
use gearmesh_protocol::topic::{TextError, Topic, TopicFilter};
use serde::Deserialize;

use super::super::plant::live::{Delivery, PublishError, Subscription};
use super::State;
use super::answer::{Answered, Body, Failure, Parameters};
use crate::core::plant::roster::Member;
use crate::core::plant::standing;

pub(super) async fn publish(
    Shared(state): Shared<State>,
    Body(request): Body<PublishRequest>,
) -> Answered<Published> {
    let view = state.core.view();
    let own = standing::member(&view)?;
    let topic = absolute(own, &request.topic)?;
    if let Some(resource) = &request.lease {
        state.leases.check_held(resource)?;
    }
    match state.live.publish(&topic, &request.sample) {
        Ok(links) => Ok(Json(Published { topic: topic.into(), links })),
        Err(error) => Err(not_published(own, &topic, error)),
    }
}

/// Why a value was not published, as it is answered.
pub(super) fn not_published(own: &Member, topic: &Topic, error: PublishError) -> Failure {
    match error {
        PublishError::Refused { refusal: Refusal::TopicNotGranted, .. } => {
            standing::not_granted(own, topic.as_str()).into()
        }
        PublishError::Refused { refusal, .. } => refusal.into(),
        PublishError::Sample(error) => unfit(&error),
    }
}

/// A topic as people type it: relative to the own scope, or absolute with a leading `/`.
pub(super) fn absolute(own: &Member, text: &str) -> Result<Topic, Failure> {
    let malformed = |error: TextError| Failure::new(Refusal::TopicMalformed, error);
    if text.is_empty() {
        return Err(malformed(TextError::Empty { what: "a topic" }));
    }
    if let Some(absolute) = text.strip_prefix('/') {
        return absolute.parse().map_err(malformed);
    }
    let scope = own.scope().ok_or_else(|| standing::not_granted(own, text))?;
    scope.topic(text).map_err(malformed)
}

/// A filter as people type it. It is always absolute; as in a topic, a leading `/` says so.
pub(super) fn filter_of(text: &str) -> Result<TopicFilter, Failure> {
    let malformed = |error: TextError| Failure::new(Refusal::FilterMalformed, error);
    text.strip_prefix('/').unwrap_or(text).parse().map_err(malformed)
}

fn unfit(error: &SampleError) -> Failure {
    Failure::new(unfit_as(error), error)
}

/// The refusal of a sample that nobody may publish.
pub(super) const fn unfit_as(error: &SampleError) -> Refusal {
    match error {
        SampleError::TooLarge { .. } => Refusal::ValueTooLarge,
        SampleError::NotFinite => Refusal::ValueNotFinite,
    }
}

#[derive(Deserialize)]
pub(super) struct Following {
    pub(super) filter: String,
}

impl Following {
    /// The subscription, if this node may follow the filter.
    pub(super) fn begin(&self, state: &State) -> Result<Subscription, Failure> {
        let filter = filter_of(&self.filter)?;
        standing::may_follow(&state.core.view(), &filter)?;
        let full = |error| Failure::new(Refusal::SubscribersFull, error);
        state.live.subscribe(filter).map_err(full)
    }
}

pub(super) async fn subscribe(
    Shared(state): Shared<State>,
    Parameters(following): Parameters<Following>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let subscription = following.begin(&state)?;
    let events = stream::unfold((subscription, state), |(subscription, state)| async move {
        let event = to_event(subscription.next().await, &state);
        Some((Ok(event), (subscription, state)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn to_event(delivery: Delivery, state: &State) -> Event {
    let event = match delivery {
        Delivery::Lost { topic, count } => {
            SubscribeEvent::Lost { count, topic: topic.map(Into::into) }
        }
        Delivery::Value(arrived) => SubscribeEvent::Sample(Delivered {
            topic: arrived.topic().clone().into(),
            author: arrived.author_name().clone().into(),
            author_key: *arrived.author(),
            sample: arrived.sample,
            age_ms: age_ms(state.clock.now().tick.saturating_sub(arrived.at)),
        }),
    };
    // Values of this kind always have a JSON form; a comment is the harmless alternative.
    Event::default().json_data(event).unwrap_or_else(|_| Event::default().comment("unreadable"))
}

fn age_ms(age: std::time::Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}
