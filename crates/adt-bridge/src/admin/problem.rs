//! Errors as problem details (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use queue::QueueError;
use serde_json::json;

/// Why a request was not done. Never holds a value of a message.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        let status = match &error {
            QueueError::NotFound => StatusCode::NOT_FOUND,
            QueueError::Superseded
            | QueueError::MaybeSuperseded
            | QueueError::OutOfOrder
            | QueueError::Stale => StatusCode::CONFLICT,
            QueueError::Unavailable { .. } | QueueError::Full => StatusCode::SERVICE_UNAVAILABLE,
            QueueError::Unsupported => StatusCode::NOT_IMPLEMENTED,
            QueueError::InvalidEnvelope { .. }
            | QueueError::InvalidBody { .. }
            | QueueError::TooLarge { .. } => StatusCode::BAD_REQUEST,
            QueueError::Corrupt { .. } | QueueError::Owned | QueueError::Configuration { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}
