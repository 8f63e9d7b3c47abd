//! Claims of this machine: who has seen it, what a person here says, and following the claim that won.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use gearmesh_protocol::found::{ClaimDecision, Claims as Shown};
use gearmesh_protocol::invite::Code;
use gearmesh_protocol::refusal::Refusal;
use tokio::sync::mpsc;

use super::super::plant::claims::Claims;
use super::State;
use super::answer::{Answered, Body};
use super::join;

/// How this machine may be claimed, and who wants it.
pub(super) async fn shown(Shared(state): Shared<State>) -> Json<Shown> {
    Json(read(&state).await)
}

/// A person here says yes or no to a claim.
pub(super) async fn decide(
    Shared(state): Shared<State>,
    Body(decision): Body<ClaimDecision>,
) -> Answered<Shown> {
    let claims = state.gate.claims().ok_or(Refusal::NotClaimable)?;
    claims.decide(&decision.words, decision.take)?;
    Ok(Json(read(&state).await))
}

/// The note in the home is not read on the thread that carries the links.
async fn read(state: &State) -> Shown {
    let Some(claims) = state.gate.claims().map(Arc::clone) else { return Shown::default() };
    tokio::task::spawn_blocking(move || claims.shown()).await.unwrap_or_default()
}

/// Says how this machine may be claimed, follows claims, and says when it is over.
pub(in crate::shell) async fn follow(
    state: State,
    claims: Arc<Claims>,
    mut codes: mpsc::Receiver<Arc<Code>>,
) {
    let mut views = state.core.views();
    if state.core.view().roster.is_some() {
        claims.belongs();
        if let Some(by) = claims.noted() {
            claims.say_whose(&by);
        }
        return;
    }
    claims.announce(&state.core.view().me);
    let Some(left) = claims.closes_in() else { return };
    let mut close = std::pin::pin!(tokio::time::sleep(left));
    let mut is_closed = false;
    loop {
        tokio::select! {
            biased;
            code = codes.recv() => {
                let Some(code) = code else { return };
                redeem(&state, &claims, code).await;
            }
            () = async { drop(views.wait_for(|view| view.roster.is_some()).await) } => {
                claims.belongs();
                return;
            }
            () = &mut close, if !is_closed => {
                is_closed = true;
                claims.closed();
            }
        }
    }
}

async fn redeem(state: &State, claims: &Arc<Claims>, code: Arc<Code>) {
    let joined = match join::by_code(state, code).await {
        Ok(joined) => joined,
        Err(failure) => return claims.failed(failure.refusal()),
    };
    if let Some(by) = claims.succeeded(&joined) {
        let claims = Arc::clone(claims);
        // Its syncs are not for the thread that carries the links.
        drop(tokio::task::spawn_blocking(move || claims.note(&by)).await);
    }
}
