//! What tools with a keyring ask for: where logs end, what a record would do, and to store it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use gearmesh_protocol::ids::{GroupId, PublicKey};
use gearmesh_protocol::local::{Confirmations, LogEnds, OpenInvitation, Stored, TrustLog};
use gearmesh_protocol::log::{Group, Tip, VerifiedGroup};
use gearmesh_protocol::membership::{AuthorityStatus, StandingTerms};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::words::check_words;
use serde::Deserialize;

use super::State;
use super::answer::{Answered, Failure, Parameters, RawBody};
use crate::core::plant::data::{DataInput, Elsewhere, keeps_copies};
use crate::core::plant::roster::{Member, Membership};
use crate::core::plant::{Answer, Input, invited, report, standing};

#[derive(Deserialize)]
pub(super) struct OfKey {
    key: PublicKey,
}

#[derive(Deserialize)]
pub(super) struct OfGroup {
    group: GroupId,
}

/// Where a key's trust log ends, and what it says.
pub(super) async fn log(
    Shared(state): Shared<State>,
    Parameters(OfKey { key }): Parameters<OfKey>,
) -> Answered<TrustLog> {
    let view = state.core.view();
    let ledger = view.ledger.as_ref().ok_or_else(standing::no_plant)?;
    let leaves = ledger.log(&key).map(|log| log.tips()).unwrap_or_default();
    let records = report::trust_lines(&view, &key);
    let acting_under = view.roster.as_ref().and_then(|roster| roster.acting_under(&key));
    let newest = view.roster.as_ref().map(|roster| roster.time_floor()).unwrap_or_default();
    Ok(Json(TrustLog { leaves, records, now: state.clock.now().wall, newest, acting_under }))
}

/// What a member is, record by record; nothing of a key that is no member.
pub(super) async fn terms(
    Shared(state): Shared<State>,
    Parameters(OfKey { key }): Parameters<OfKey>,
) -> Answered<Vec<StandingTerms>> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let standing = roster.member(&key).into_iter().flat_map(Member::records);
    let told = standing.map(|Membership { record, terms }| StandingTerms {
        record: *record,
        terms: terms.clone(),
    });
    Ok(Json(told.collect()))
}

/// Who may sign for the plant, besides the root: admins first.
pub(super) async fn authorities(Shared(state): Shared<State>) -> Answered<Vec<AuthorityStatus>> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let told = roster.authorities().iter().map(|(key, delegated)| AuthorityStatus {
        name: delegated.name.clone(),
        authority: delegated.authority,
        key: *key,
        key_words: check_words(key.as_bytes()),
    });
    let mut told: Vec<AuthorityStatus> = told.collect();
    told.sort_by(|one, other| {
        (one.authority, &one.name, one.key).cmp(&(other.authority, &other.name, other.key))
    });
    Ok(Json(told))
}

/// Stores a group that an admin signed; the answer comes when it is on disk.
pub(super) async fn store(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<Stored> {
    let group = read(&state, &body)?;
    match state.core.ask(|ticket| Input::Store { ticket, group }).await {
        Answer::Stored(group) => Ok(Json(Stored { group })),
        Answer::Refused(refusal) => Err(refusal.into()),
        _ => Err(Refusal::Protocol.into()),
    }
}

/// Names of the members that would be none any more if a group were stored.
pub(super) async fn preview(
    Shared(state): Shared<State>,
    RawBody(body): RawBody,
) -> Answered<Vec<String>> {
    let group = read(&state, &body)?;
    let fallen = report::would_fall(&state.core.view(), &group);
    fallen.map(Json).ok_or_else(|| Refusal::MissingParent.into())
}

/// Invitations that a machine can still use.
pub(super) async fn invitations(Shared(state): Shared<State>) -> Json<Vec<OpenInvitation>> {
    let now = state.clock.now().wall;
    Json(invited::open_invitations(&state.core.view(), now))
}

/// Who holds a group.
pub(super) async fn confirmations(
    Shared(state): Shared<State>,
    Parameters(OfGroup { group }): Parameters<OfGroup>,
) -> Json<Confirmations> {
    Json(report::confirmations(&state.core.view(), &group))
}

/// Where all logs of a key end, here and at linked members.
pub(super) async fn ends(
    Shared(state): Shared<State>,
    Parameters(OfKey { key }): Parameters<OfKey>,
) -> Json<LogEnds> {
    let Elsewhere { copies, is_sure } = elsewhere(&state, key).await;
    let view = state.core.view();
    let roster = view.roster.as_deref();
    let mut data = state.store.ends(&key);
    let here = data.len();
    for end in copies.iter().flat_map(|(_, ends)| ends) {
        let is_known = data.contains(end);
        if !is_known && state.store.lacks(key, vec![*end]).await.unwrap_or(true) {
            data.push(*end);
        }
    }
    let beyond = data.get(here..).unwrap_or_default();
    // Whoever keeps no copies reads theirs, and lacks nothing.
    let keeps_copies = roster.is_some_and(|roster| keeps_copies(roster, &view.me));
    let has_more = |ends: &[Tip]| keeps_copies && ends.iter().any(|end| beyond.contains(end));
    let further = copies.iter().filter(|(_, ends)| has_more(ends));
    let names = further.filter_map(|(member, _)| roster?.member(member));
    let elsewhere = names.map(|member| member.name().to_string()).collect();
    Json(LogEnds { cut: report::log_ends(&view, &key, &data), elsewhere, is_sure })
}

/// What members say of where a log ends, once those have said something that were linked just now.
pub(super) async fn elsewhere(state: &State, author: PublicKey) -> Elsewhere {
    // Where nobody is linked, nobody is waited for.
    drop(state.core.ask(|ticket| Input::Data(DataInput::AskLogs { ticket })).await);
    let asked = |ticket| Input::Data(DataInput::AskElsewhere { ticket, author });
    match state.core.ask(asked).await {
        Answer::Elsewhere(elsewhere) => elsewhere,
        _ => Elsewhere::default(),
    }
}

fn read(state: &State, body: &Bytes) -> Result<Arc<VerifiedGroup>, Failure> {
    let view = state.core.view();
    let roster = view.roster.as_ref().ok_or_else(standing::no_plant)?;
    let malformed = |error| Failure::new(Refusal::GroupMalformed, error);
    Group::read(&roster.plant(), body).map(Arc::new).map_err(malformed)
}
