//! The audit trail: who did what, and when.

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::audit::{AUDIT_LINES_MAX, AUDIT_LINES_USUAL, AuditLine, AuditLog};
use gearmesh_protocol::time::UnixMillis;
use serde::Deserialize;

use super::super::reading::{Newest, commands, has_log};
use super::State;
use super::answer::{Answered, Parameters};
use super::durable::unreadable;
use crate::core::plant::audit::trail;
use crate::core::plant::standing;

#[derive(Deserialize)]
pub(super) struct Asked {
    since: Option<u64>,
    until: Option<u64>,
    /// Whoever did it, or to whom it was done.
    name: Option<String>,
    count: Option<usize>,
}

/// The newest lines of what was asked for.
pub(super) async fn log(
    Shared(state): Shared<State>,
    Parameters(asked): Parameters<Asked>,
) -> Answered<AuditLog> {
    let view = state.core.view();
    let ledger = view.ledger.as_ref().ok_or_else(standing::no_plant)?;
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let max = asked.count.unwrap_or(AUDIT_LINES_USUAL).min(AUDIT_LINES_MAX);
    let mut newest = Newest::of(max);
    let mut put = |line: AuditLine| {
        if asked.is_for(&line) {
            newest.put(line);
        }
    };
    trail(ledger, roster).into_iter().for_each(&mut put);
    let has_commands = has_log(&view);
    if has_commands {
        commands(state.store.clone(), roster, put).await.map_err(unreadable)?;
    }
    let (lines, earlier) = newest.taken();
    Ok(Json(AuditLog { lines, earlier, has_commands }))
}

impl Asked {
    fn is_for(&self, line: &AuditLine) -> bool {
        let is_in_time = self.since.is_none_or(|since| line.at >= UnixMillis(since))
            && self.until.is_none_or(|until| line.at < UnixMillis(until));
        let is_of = |name: &String| line.who == *name || line.whom.as_ref() == Some(name);
        is_in_time && self.name.as_ref().is_none_or(is_of)
    }
}
