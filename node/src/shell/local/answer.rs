//! Answers that are no success.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;

/// An answer that is no success.
pub(super) struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

/// What every handler returns.
pub(super) type Answered<T> = Result<Json<T>, Failure>;

impl Failure {
    /// The request itself is wrong.
    pub(super) fn bad_request(error: impl std::fmt::Display) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, error, None)
    }

    /// The request is right and cannot be met.
    pub(super) fn unavailable(error: impl std::fmt::Display, mend: &str) -> Self {
        Self::plain(StatusCode::SERVICE_UNAVAILABLE, error, Some(mend))
    }

    fn plain(status: StatusCode, error: impl std::fmt::Display, mend: Option<&str>) -> Self {
        let mend = mend.map(ToOwned::to_owned);
        Self { status, body: ErrorBody { code: None, error: error.to_string(), mend } }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let body = ErrorBody {
            code: Some(refusal.code()),
            error: refusal.text().to_owned(),
            mend: Some(refusal.mend().to_owned()),
        };
        Self { status: StatusCode::FORBIDDEN, body }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

pub(super) async fn unknown_path(uri: Uri) -> Failure {
    Failure::plain(StatusCode::NOT_FOUND, format!("nothing answers at {}", uri.path()), None)
}
