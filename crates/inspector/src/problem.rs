//! Errors as problem details (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::index::IndexError;
use crate::pipeline::PipelineError;

/// Why a request was not done. Holds no value of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Where in the input, such as `Patient.birthDate`.
    pointers: Vec<Finding>,
}

/// One thing found in an input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: String,
    /// FHIRPath or HL7 location of the element; empty for the whole input.
    pub(crate) expression: String,
    pub(crate) detail: String,
    /// Line of the input, from 1, where the place is one of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Column of the input, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), pointers: Vec::new() }
    }

    pub(crate) fn not_found(detail: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn unavailable(detail: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-here", detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "invalid",
            detail: detail.into(),
            pointers: findings,
        }
    }
}

impl From<IndexError> for Problem {
    fn from(error: IndexError) -> Self {
        tracing::error!(%error, "the inspector's index failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "index", "the index failed; the log says how")
    }
}

impl From<message_store::StoreError> for Problem {
    fn from(error: message_store::StoreError) -> Self {
        tracing::warn!(%error, "the inspector could not read the store");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", "the message store did not answer")
    }
}

impl From<PipelineError> for Problem {
    fn from(error: PipelineError) -> Self {
        let (status, code) = match &error {
            PipelineError::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            PipelineError::Refused { .. } => (StatusCode::CONFLICT, "refused"),
            PipelineError::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            PipelineError::Unsupported => (StatusCode::NOT_IMPLEMENTED, "not-here"),
            PipelineError::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            PipelineError::Failed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "queue"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("urn:adt-bridge:problem:{}", self.code),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.pointers.is_empty() {
            body["errors"] = json!(self.pointers);
        }
        let mut response = (self.status, body.to_string()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}
