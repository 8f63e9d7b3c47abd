//! What a partner would see, or would have seen, under lines that nobody has signed yet. Nothing leaves the
//! node.

use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::durable::HistoryEvent;
use gearmesh_protocol::partner_local::{PreviewRequest, Previewed};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::time::UnixMillis;
use gearmesh_protocol::topic::TopicFilter;

use super::super::local::answer::{Answered, Body, Failure};
use super::super::reading::Reading as _;
use super::super::{Delivery, Subscription, TooManySubscribers};
use super::api::{Handle, check_selections};
use super::rings::Kept;
use crate::core::bridge::{Exported, Preview};

/// Values that one preview shows: of the past the last ones.
const PREVIEWED_MAX: usize = 256;

/// Values of the past that one preview looks at, for each line.
const LOOKED_AT_MAX: usize = 100_000;

/// How long one preview looks at what is published now.
const PREVIEW_MAX: Duration = Duration::from_secs(120);

/// `POST /v1/partner/preview`.
pub(super) async fn preview(
    Shared(handle): Shared<Handle>,
    Body(request): Body<PreviewRequest>,
) -> Answered<Vec<Previewed>> {
    check_selections(&request.selections)?;
    let mut shown = past(&handle, &request).await?;
    if request.for_ms > 0 {
        shown.extend(present(&handle, &request).await?);
    }
    let first = shown.len().saturating_sub(PREVIEWED_MAX);
    Ok(Json(shown.split_off(first)))
}

fn seen(exported: Exported) -> Previewed {
    Previewed { alias: exported.alias().clone(), sample: exported.sample().clone() }
}

/// What lines would have let cross, at the times when the values were taken. Delays are not waited for.
async fn past(handle: &Handle, request: &PreviewRequest) -> Result<Vec<Previewed>, Failure> {
    if request.past_ms == 0 {
        return Ok(Vec::new());
    }
    let mut bridge = Preview::of(&request.lines, &request.selections);
    let filters: Vec<(usize, TopicFilter)> =
        bridge.filters().map(|(line, filter)| (line, filter.clone())).collect();
    let mut values: Vec<(usize, Kept)> = Vec::new();
    for (line, filter) in filters {
        let of_line = kept(handle, request, &filter).await?;
        values.extend(of_line.into_iter().map(|value| (line, value)));
    }
    values.sort_by_key(|(_, (at, ..))| *at);
    let mut shown = Vec::new();
    for (line, (at, topic, sample)) in values {
        bridge.offer(Duration::from_millis(at.0), line, &topic, &sample);
        shown.extend(bridge.due(Duration::from_millis(at.0)).into_iter().map(seen));
    }
    // What still waits would cross later.
    shown.extend(bridge.due(Duration::MAX).into_iter().map(seen));
    Ok(shown)
}

/// Durable values of the past, and live ones that were kept for a draft.
async fn kept(
    handle: &Handle,
    request: &PreviewRequest,
    filter: &TopicFilter,
) -> Result<Vec<Kept>, Failure> {
    let now = handle.clock.now().wall;
    let since = UnixMillis(now.0.saturating_sub(request.past_ms));
    let mut history = handle.consumers.past(filter.clone(), since).await?;
    let mut values: Vec<Kept> = Vec::new();
    let unreadable = |error| Failure::new(Refusal::NotStored, error);
    while let Some(event) = history.next().await.map_err(unreadable)? {
        let HistoryEvent::Entry(entry) = event else { continue };
        let Ok(topic) = entry.topic.parse() else { continue };
        values.push((entry.sample.source_time, topic, entry.sample));
        if values.len() >= LOOKED_AT_MAX {
            break;
        }
    }
    if let Some(name) = &request.name {
        let live = handle.rings.of(name, filter, now).into_iter();
        let live = live.filter(|(at, ..)| *at >= since);
        // What was durable was published live too.
        let is_durable = |topic: &_, sample: &_| {
            values.iter().any(|(_, other, held)| (other, held) == (topic, sample))
        };
        let live: Vec<Kept> =
            live.filter(|(_, topic, sample)| !is_durable(topic, sample)).collect();
        values.extend(live);
    }
    Ok(values)
}

/// What lines let cross of what is published meanwhile.
async fn present(handle: &Handle, request: &PreviewRequest) -> Result<Vec<Previewed>, Failure> {
    let mut bridge = Preview::of(&request.lines, &request.selections);
    let followed: Result<Vec<(usize, Subscription)>, _> = bridge
        .filters()
        .map(|(line, filter)| Ok((line, handle.values.subscribe(filter.clone())?)))
        .collect();
    let followed =
        followed.map_err(|_: TooManySubscribers| Failure::from(Refusal::SubscribersFull))?;
    let begun = handle.clock.now().tick;
    let end = begun + Duration::from_millis(request.for_ms).min(PREVIEW_MAX);
    let mut shown = Vec::new();
    let mut look = tokio::time::interval(Duration::from_millis(100));
    while handle.clock.now().tick < end && shown.len() < PREVIEWED_MAX {
        look.tick().await;
        let at = handle.clock.now().tick;
        for (line, subscription) in &followed {
            while let Some(delivery) = subscription.try_next() {
                if let Delivery::Value(value) = delivery {
                    bridge.offer(at, *line, value.topic(), &value.sample);
                }
            }
        }
        shown.extend(bridge.due(at).into_iter().map(seen));
    }
    Ok(shown)
}
