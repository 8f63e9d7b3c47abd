//! The local API's part about moving this side's place in an agreement to another gateway.

use axum::extract::State as Shared;
use axum::routing::post;
use axum::{Json, Router};
use gearmesh_protocol::codec;
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner_gateway::SharePapers;
use gearmesh_protocol::partner_local::{
    ByName, MoveRequest, NoticesRequest, PapersAnswer, TakeoverRequest,
};
use gearmesh_protocol::refusal::Refusal;

use super::super::local::answer::{Answered, Body, Failure};
use super::api::{Handle, malformed};
use crate::core::partner::{Answer, Wish};

pub(super) fn router() -> Router<Handle> {
    Router::new()
        .route("/v1/partner/papers", post(papers))
        .route("/v1/partner/move", post(move_away))
        .route("/v1/partner/takeover", post(take_over))
        .route("/v1/partner/notices", post(notices))
}

async fn papers(
    Shared(handle): Shared<Handle>,
    Body(ByName { name }): Body<ByName>,
) -> Answered<PapersAnswer> {
    let Answer::Papers(papers) = handle.ask(Wish::Papers { name }).await? else {
        return Err(Refusal::Protocol.into());
    };
    Ok(Json(PapersAnswer { papers: HexBytes(codec::encode(papers.as_ref())) }))
}

async fn move_away(
    Shared(handle): Shared<Handle>,
    Body(MoveRequest { signed }): Body<MoveRequest>,
) -> Answered<()> {
    let signed = codec::decode(&signed.0, FRAME_BYTES_MAX).map_err(malformed)?;
    handle.ask(Wish::Move { signed }).await?;
    Ok(Json(()))
}

async fn take_over(
    Shared(handle): Shared<Handle>,
    Body(TakeoverRequest { papers }): Body<TakeoverRequest>,
) -> Answered<()> {
    let papers: SharePapers = codec::decode(&papers.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::new(Refusal::NoPapers, error))?;
    handle.ask(Wish::TakeOver { papers: Box::new(papers) }).await?;
    Ok(Json(()))
}

async fn notices(
    Shared(handle): Shared<Handle>,
    Body(NoticesRequest { notices }): Body<NoticesRequest>,
) -> Answered<()> {
    let notices = codec::decode(&notices.0, FRAME_BYTES_MAX)
        .map_err(|error| Failure::new(Refusal::NoPapers, error))?;
    handle.ask(Wish::Notices { notices }).await?;
    Ok(Json(()))
}
