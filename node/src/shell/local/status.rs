//! What this node is, and who else is there.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::local::{MemberStatus, Status};
use gearmesh_protocol::words::check_words;

use super::State;
use crate::core::plant::report;

pub(super) async fn status(Shared(state): Shared<State>) -> Json<Status> {
    let (view, now) = (state.core.view(), state.clock.now());
    let own_refusal = view.roster.as_ref().and_then(|roster| {
        let out = roster.revoked().contains_key(&view.me);
        out.then_some(gearmesh_protocol::refusal::Refusal::Revoked)
    });
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key: view.me,
        key_words: check_words(view.me.as_bytes()),
        plant: report::plant(&view, now),
        listen: view.listening.iter().map(|address| address.as_str().to_owned()).collect(),
        uptime_s: now.tick.as_secs(),
        refused: own_refusal.or(view.refused_by).map(Into::into),
        alarms: report::alarms(&view),
        counters: state.counters.snapshot(),
    })
}

pub(super) async fn members(Shared(state): Shared<State>) -> Json<Vec<MemberStatus>> {
    Json(report::members(&state.core.view(), state.clock.now()))
}
