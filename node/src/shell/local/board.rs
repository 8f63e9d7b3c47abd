//! The last known values, and what machines say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::board::{BoardValue, BoardValues, MachineCard};
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::local::{MemberStatus, Presence};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::sample::Value;
use gearmesh_protocol::topic::TopicFilter;

use super::super::plant::live::{LastValue, Subscription};
use super::super::source::card;
use super::State;
use super::answer::{Answered, Failure, Parameters};
use super::live::{Following, filter_of};
use crate::core::clock::Now;
use crate::core::plant::view::View;
use crate::core::plant::{report, standing};

/// When nothing has come for so long, members have told what they have to tell.
const QUIET: Duration = Duration::from_millis(250);

/// How long an answer waits for that at most.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// The last known values of what a filter matches. What nobody followed here until now is followed for
/// the moment, so that members tell it.
pub(super) async fn board(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<Following>,
) -> Answered<BoardValues> {
    let filter = filter_of(&asked.filter)?;
    let is_new = !state.live.follows(&filter);
    let subscription = asked.begin(&state)?;
    if is_new {
        settle(&subscription).await;
    }
    let (values, left_out) = state.live.board(&filter);
    let (view, now) = (state.core.view(), state.clock.now());
    let presences = presences(&view, now);
    let values = values.into_iter().map(|value| shown(value, &view, now, &presences)).collect();
    Ok(Json(BoardValues { values, left_out }))
}

/// What machines say of themselves.
pub(super) async fn machines(Shared(state): Shared<State>) -> Answered<Vec<MachineCard>> {
    let view = state.core.view();
    standing::member(&view)?;
    let members = report::members(&view, state.clock.now());
    let members: Vec<MemberStatus> =
        members.into_iter().filter(|member| member.presence != Presence::Revoked).collect();
    let filters = members.iter().filter_map(|member| card::filter(member.scope.as_deref()?));
    let subscriptions: Vec<Subscription> = filters
        .filter(|filter| standing::may_follow(&view, filter).is_ok())
        .map(|filter| state.live.subscribe(filter))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(Refusal::SubscribersFull, error))?;
    // They are followed together, so the first that is quiet says that all are.
    if let Some(first) = subscriptions.first() {
        settle(first).await;
    }
    let (view, now) = (state.core.view(), state.clock.now());
    let presences = presences(&view, now);
    let (values, _) = state.live.board(&TopicFilter::all());
    let values: Vec<BoardValue> =
        values.into_iter().map(|value| shown(value, &view, now, &presences)).collect();
    Ok(Json(members.into_iter().map(|member| card_of(member, &values)).collect()))
}

/// Waits until nothing more comes for a moment.
async fn settle(subscription: &Subscription) {
    let quiet = async {
        let mut news = Vec::new();
        while tokio::time::timeout(QUIET, subscription.next_many(&mut news, 1024)).await.is_ok() {
            news.clear();
        }
    };
    drop(tokio::time::timeout(SETTLE_MAX, quiet).await);
}

fn presences(view: &View, now: Now) -> BTreeMap<PublicKey, Presence> {
    report::members(view, now).into_iter().map(|member| (member.key, member.presence)).collect()
}

fn shown(
    value: LastValue,
    view: &View,
    now: Now,
    presences: &BTreeMap<PublicKey, Presence>,
) -> BoardValue {
    let LastValue { origin, sample, at, link } = value;
    let arrived = millis(now.tick.saturating_sub(at));
    let stale = link.is_some_and(|link| {
        let presence = view.links.get(&link).map(|link| link.presence.0);
        presence != Some(Presence::Online)
    });
    BoardValue {
        topic: origin.topic.clone().into(),
        author: origin.name.clone().into(),
        author_key: origin.author,
        age_ms: arrived.max(now.wall.since(sample.source_time)),
        sample,
        stale,
        presence: presences.get(&origin.author).copied().unwrap_or(Presence::Unreachable),
    }
}

fn card_of(member: MemberStatus, values: &[BoardValue]) -> MachineCard {
    let prefix = member.scope.as_deref().map(card::prefix).unwrap_or_default();
    let own = |value: &&BoardValue| value.author_key == member.key;
    let of = |key: &str| {
        let topic = format!("{prefix}{key}");
        values.iter().filter(own).find(|value| value.topic == topic)
    };
    let text = |key: &str| match of(key).map(|value| &value.sample.value) {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(_) | None => None,
    };
    let capabilities = text(card::CAPABILITIES).unwrap_or_default();
    let capabilities = capabilities.split(',').map(str::trim).filter(|word| !word.is_empty());
    MachineCard {
        maker: text(card::MAKER),
        model: text(card::MODEL),
        serial: text(card::SERIAL),
        firmware: text(card::FIRMWARE),
        capabilities: capabilities.map(str::to_owned).collect(),
        clock: text(card::CLOCK),
        stale: card::ALL.iter().filter_map(|key| of(key)).any(|value| value.stale),
        name: member.name,
        presence: member.presence,
        scope: member.scope,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
