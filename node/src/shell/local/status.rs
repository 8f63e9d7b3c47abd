//! What this node is, and who else is there.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::local::{MemberStatus, Status};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;

use super::super::listen::plain;
use super::State;
use crate::core::plant::{report, standing};

pub(super) async fn status(Shared(state): Shared<State>) -> Json<Status> {
    Json(status_of(&state))
}

/// What this node is and how it stands.
pub(super) fn status_of(state: &State) -> Status {
    let (view, now) = (state.core.view(), state.clock.now());
    // Most are refused at the door; the core closes those that came through it at the same time.
    let mut counters = state.counters.snapshot();
    counters.refused_links += view.links_refused;
    let own_refusal = standing::is_revoked(&view).then_some(Refusal::Revoked);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        key: view.me,
        key_words: check_words(view.me.as_bytes()),
        plant: report::plant(&view, now),
        listen: view.listening.iter().map(|address| address.as_str().to_owned()).collect(),
        uptime_s: now.tick.as_secs(),
        refused: own_refusal.or(view.refused_by).map(Into::into),
        alarms: report::alarms(&view).iter().map(|alarm| plain(alarm)).collect(),
        counters,
    }
}

pub(super) async fn members(Shared(state): Shared<State>) -> Json<Vec<MemberStatus>> {
    Json(report::members(&state.core.view(), state.clock.now()))
}
