//! The local API's part about partners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use gearmesh_protocol::codec::{self, DecodeError};
use gearmesh_protocol::hex::HexBytes;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::FRAME_BYTES_MAX;
use gearmesh_protocol::partner_link::Link;
use gearmesh_protocol::partner_local::{
    AcceptRequest, AllowRequest, ByName, ConfirmRequest, Draft, DraftRequest, LookRequest, Looked,
    PartnerCallRequest, PartnerCalled, PartnersStatus, ProposeRequest, Selection, SheetToSign,
    TakeRequest,
};
use gearmesh_protocol::refusal::Refusal;
use gearmesh_protocol::signed::Signature;
use tokio::sync::{mpsc, oneshot};

use super::super::clock::Clock;
use super::super::commands::schema::Schema;
use super::super::local::answer::{Answered, Body, Failure};
use super::super::partner::Door;
use super::super::partner::swarm::Listening;
use super::super::reading::Consumers;
use super::super::values::Values;
use super::rings::Rings;
use super::runtime::Request;
use super::{addresses_of, moves, preview};
use crate::core::bridge::{check_schemas, check_selection, check_signer, check_terms, check_verbs};
use crate::core::partner::{Answer, CallWish, Onto, Signer, Wish};

/// How long a partner's gateway may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What the handlers work with.
#[derive(Clone)]
pub(super) struct Handle {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) door: Arc<Door>,
    pub(super) listening: Listening,
    pub(super) values: Values,
    pub(super) consumers: Consumers,
    pub(super) rings: Rings,
    pub(super) clock: Clock,
}

pub(super) fn router(handle: Handle) -> Router {
    Router::new()
        .route("/v1/partner", get(status))
        .route("/v1/partner/draft", post(draft))
        .route("/v1/partner/propose", post(propose))
        .route("/v1/partner/look", post(look))
        .route("/v1/partner/take", post(take))
        .route("/v1/partner/accept", post(accept))
        .route("/v1/partner/confirm", post(confirm))
        .route("/v1/partner/end", post(end))
        .route("/v1/partner/withdraw", post(withdraw))
        .route("/v1/partner/preview", post(preview::preview))
        .route("/v1/partner/call", post(call))
        .route("/v1/partner/allow", post(allow))
        .merge(moves::router())
        .with_state(handle)
}

/// The same paths at a node that does not meet partners.
pub(super) fn off() -> Router {
    let say = || async { Failure::from(Refusal::PartnersOff) };
    Router::new().route("/v1/partner", any(say)).route("/v1/partner/{*rest}", any(say))
}

impl Handle {
    pub(super) async fn ask(&self, wish: Wish) -> Result<Answer, Failure> {
        let (told, hears) = oneshot::channel();
        let request = Request { wish, told };
        self.requests.send(request).await.map_err(|_| Refusal::PartnerStoreUnusable)?;
        let answer = tokio::time::timeout(ANSWER_MAX, hears).await;
        match answer.map_err(|_| Refusal::PartnerUnreachable)? {
            Ok(Answer::Refused(body)) => Err(body.into()),
            Ok(answer) => Ok(answer),
            Err(_) => Err(Refusal::PartnerStoreUnusable.into()),
        }
    }

    /// Who signs here for the plant.
    fn signer(&self, admin: PublicKey) -> Result<Signer, Failure> {
        let view = self.values.core.view();
        check_signer(&view, self.clock.now(), &admin)?;
        let roster = view.roster.as_ref().ok_or(Refusal::NotAMember)?;
        Ok(Signer { plant: roster.plant(), name: roster.name().clone(), admin })
    }

    /// Where partners may reach this gateway: addresses that others see come first.
    fn addresses(&self) -> Vec<SocketAddr> {
        addresses_of(&self.listening)
    }
}

async fn status(Shared(handle): Shared<Handle>) -> Answered<PartnersStatus> {
    let Answer::Status(mut status) = handle.ask(Wish::Status).await? else {
        return Err(Refusal::Protocol.into());
    };
    status.listen = handle.addresses().iter().map(ToString::to_string).collect();
    Ok(Json(status))
}

async fn draft(
    Shared(handle): Shared<Handle>,
    Body(request): Body<DraftRequest>,
) -> Answered<Draft> {
    let DraftRequest { admin, to, terms, open_ms, local, amends, joins } = request;
    let now = handle.clock.now().wall;
    let unusable = |error| Failure::new(Refusal::TermsUnusable, error);
    check_terms(&terms, now).map_err(unusable)?;
    check_selections(&local.selections)?;
    check_verbs(&terms, &local.verbs).map_err(unusable)?;
    check_schemas(&terms, &local.schemas).map_err(unusable)?;
    for text in &local.schemas {
        Schema::ready(text.as_bytes())
            .map_err(|why| Failure::new(Refusal::SchemaUnusable, format!("no schema: {why}")))?;
    }
    let signer = handle.signer(admin)?;
    let open_until = now.plus_ms(open_ms);
    let onto = match joins {
        Some(stream) => Onto::Joins(stream),
        None if amends => Onto::Amends,
        None => Onto::New,
    };
    let wish = Wish::Draft { signer, to, terms, open_until, local, onto };
    let Answer::Draft { proposal, seed } = handle.ask(wish).await? else {
        return Err(Refusal::Protocol.into());
    };
    let link = Link::new(&proposal.from.gateway, seed, &handle.addresses()).to_text();
    let plant = proposal.from.plant;
    Ok(Json(Draft { proposal: HexBytes(codec::encode(proposal.as_ref())), plant, link }))
}

pub(super) fn check_selections(selections: &[Selection]) -> Result<(), Failure> {
    let unusable = |error| Failure::new(Refusal::TermsUnusable, error);
    selections.iter().try_for_each(|it| check_selection(&it.filter)).map_err(unusable)
}

async fn propose(
    Shared(handle): Shared<Handle>,
    Body(ProposeRequest { signed }): Body<ProposeRequest>,
) -> Answered<()> {
    let signed = codec::decode(&signed.0, FRAME_BYTES_MAX).map_err(malformed)?;
    let Answer::Kept(local) = handle.ask(Wish::Propose { signed }).await? else {
        return Err(Refusal::Protocol.into());
    };
    handle.rings.keep(&local.name, &local.selections, &handle.values, handle.clock);
    Ok(Json(()))
}

async fn look(
    Shared(handle): Shared<Handle>,
    Body(LookRequest { link }): Body<LookRequest>,
) -> Answered<Looked> {
    let link: Link = link.parse().map_err(|error| {
        let refusal = match error {
            gearmesh_protocol::invite::CodeError::Prefix { .. } => Refusal::NoLink,
            _ => Refusal::LinkMistyped,
        };
        Failure::from(refusal)
    })?;
    let (id, addresses) = (link.id(), link.addresses().iter().map(ToString::to_string).collect());
    if !handle.door.follow(link) {
        return Err(Refusal::Busy.into());
    }
    let answer = handle.ask(Wish::Look { link: id, addresses }).await;
    handle.door.forget(&id);
    let Answer::Proposal(signed, schemas) = answer? else {
        return Err(Refusal::Protocol.into());
    };
    Ok(Json(Looked { signed: HexBytes(codec::encode(&signed)), schemas }))
}

async fn take(
    Shared(handle): Shared<Handle>,
    Body(TakeRequest { share, admin, local }): Body<TakeRequest>,
) -> Answered<SheetToSign> {
    check_selections(&local.selections)?;
    let signer = handle.signer(admin)?;
    let Answer::Sheet(sheet) = handle.ask(Wish::Take { share, signer, local }).await? else {
        return Err(Refusal::Protocol.into());
    };
    Ok(Json(SheetToSign { sheet: HexBytes(sheet) }))
}

async fn accept(
    Shared(handle): Shared<Handle>,
    Body(AcceptRequest { share, signature }): Body<AcceptRequest>,
) -> Answered<()> {
    handle.ask(Wish::Accept { share, admin: read_signature(&signature)? }).await?;
    Ok(Json(()))
}

async fn confirm(
    Shared(handle): Shared<Handle>,
    Body(ConfirmRequest { name, signature }): Body<ConfirmRequest>,
) -> Answered<()> {
    handle.ask(Wish::Confirm { name, admin: read_signature(&signature)? }).await?;
    Ok(Json(()))
}

async fn end(Shared(handle): Shared<Handle>, Body(ByName { name }): Body<ByName>) -> Answered<()> {
    handle.ask(Wish::End { name: name.clone() }).await?;
    handle.rings.forget(&name);
    Ok(Json(()))
}

async fn withdraw(
    Shared(handle): Shared<Handle>,
    Body(ByName { name }): Body<ByName>,
) -> Answered<()> {
    handle.ask(Wish::Withdraw { name: name.clone() }).await?;
    handle.rings.forget(&name);
    Ok(Json(()))
}

/// Has something done at a partner's, or says how far it is.
async fn call(
    Shared(handle): Shared<Handle>,
    Body(request): Body<PartnerCallRequest>,
) -> Answered<PartnerCalled> {
    let PartnerCallRequest { name, verb, arguments, id, ttl_ms } = request;
    let (ttl, arguments) = (Duration::from_millis(ttl_ms.into()), arguments.into_bytes());
    let wish = Wish::Call(CallWish { name, verb, arguments, id, ttl });
    let Answer::Called(called) = handle.ask(wish).await? else {
        return Err(Refusal::Protocol.into());
    };
    Ok(Json(called))
}

async fn allow(Shared(handle): Shared<Handle>, Body(request): Body<AllowRequest>) -> Answered<()> {
    let AllowRequest { name, number, allow } = request;
    handle.ask(Wish::Allow { name, number, allow }).await?;
    Ok(Json(()))
}

fn read_signature(bytes: &HexBytes) -> Result<Signature, Failure> {
    let bytes: Result<[u8; 64], _> = bytes.0.as_slice().try_into();
    let malformed = |_| Failure::new(Refusal::RequestMalformed, "a signature has 64 bytes");
    Ok(bytes.map_err(malformed)?.into())
}

pub(super) fn malformed(error: DecodeError) -> Failure {
    Failure::new(Refusal::RequestMalformed, error)
}
