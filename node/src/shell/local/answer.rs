//! Answers that are no success: every one is an [`ErrorBody`], also where the HTTP library itself
//! turns a request away.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;
use serde::de::DeserializeOwned;

/// An answer that is no success.
pub(in crate::shell) struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

/// What every handler returns.
pub(in crate::shell) type Answered<T> = Result<Json<T>, Failure>;

/// The JSON body of a request.
pub(in crate::shell) struct Body<T>(pub(in crate::shell) T);

/// The bytes of a request's body.
pub(in crate::shell) struct RawBody(pub(in crate::shell) Bytes);

/// The parameters of a request.
pub(in crate::shell) struct Parameters<T>(pub(in crate::shell) T);

impl Failure {
    /// A refusal that says more exactly what is wrong.
    pub(in crate::shell) fn new(refusal: Refusal, error: impl std::fmt::Display) -> Self {
        ErrorBody::from(refusal).saying(error).into()
    }

    /// A request that the HTTP library turned away.
    fn rejected(status: StatusCode, error: impl std::fmt::Display) -> Self {
        let refusal = match status {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Refusal::BodyKind,
            _ => Refusal::RequestMalformed,
        };
        Self { status, ..Self::new(refusal, error) }
    }
}

impl Failure {
    /// What is answered.
    pub(in crate::shell) const fn body(&self) -> &ErrorBody {
        &self.body
    }

    /// The refusal alone, where there is no place for the rest.
    pub(in crate::shell) const fn refusal(&self) -> Refusal {
        self.body.code
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        ErrorBody::from(refusal).into()
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        Self { status: status_of(body.code), body }
    }
}

/// The HTTP status of a refusal.
const fn status_of(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::PathUnknown => StatusCode::NOT_FOUND,
        Refusal::MethodWrong => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::NoCode
        | Refusal::NoLink
        | Refusal::LinkMistyped
        | Refusal::TermsUnusable
        | Refusal::CodeMistyped
        | Refusal::CodeTruncated
        | Refusal::RequestMalformed
        | Refusal::TopicMalformed
        | Refusal::FilterMalformed
        | Refusal::FilterMatchesNothing
        | Refusal::ValueTooLarge
        | Refusal::ValueNotFinite
        | Refusal::GroupMalformed
        | Refusal::ArgumentsNotJson
        | Refusal::CommandTooLarge
        | Refusal::SchemaUnusable => StatusCode::BAD_REQUEST,
        Refusal::TokenNeeded | Refusal::ApiTokenUnknown => StatusCode::UNAUTHORIZED,
        Refusal::NotAnUpgrade => StatusCode::UPGRADE_REQUIRED,
        Refusal::RedeemerSilent
        | Refusal::Busy
        | Refusal::NotStored
        | Refusal::NotReplicated
        | Refusal::NoCopiesReached
        | Refusal::CopiesUnusable
        | Refusal::ConsumerBusy
        | Refusal::SubscribersFull
        | Refusal::StreamsFull
        | Refusal::TokensUnusable
        | Refusal::JoinUnderWay
        | Refusal::PartnerUnreachable
        | Refusal::PartnerStoreUnusable
        | Refusal::MachineUnreachable
        | Refusal::LeasesFull
        | Refusal::CallsFull => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let read = Json::from_request(request, state).await;
        let Json(body) =
            read.map_err(|error| Failure::rejected(error.status(), error.body_text()))?;
        Ok(Self(body))
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|error| Failure::rejected(error.status(), error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let read = Query::from_request_parts(parts, state).await;
        let Query(parameters) =
            read.map_err(|error| Failure::rejected(error.status(), error.body_text()))?;
        Ok(Self(parameters))
    }
}

pub(in crate::shell) async fn unknown_path(uri: Uri) -> Failure {
    Failure::new(Refusal::PathUnknown, format!("nothing answers at {}", uri.path()))
}

pub(in crate::shell) async fn wrong_method(method: Method, uri: Uri) -> Failure {
    Failure::new(Refusal::MethodWrong, format!("{} does not answer to {method}", uri.path()))
}
