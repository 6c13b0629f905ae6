//! `on_refused = "park"`: a body that would be refused for good is kept for an operator, and its sender gets 202.
//!
//! Some senders repeat a refused notification for ever, and everything behind it waits. What is kept is the body as it
//! came, with the reason before it, at `refused/<sha256 of the body>` of the message store:
//!
//! ```text
//! refused 1
//! at: 2024-03-01T09:30:15.000Z
//! route: /fhir/Patient/{id}
//! status: 422
//! issue: value
//! reason: Patient.birthDate is not a FHIR date.
//! content-type: application/fhir+json
//!
//! {"resourceType":"Patient",…
//! ```

use axum::{
    http::{StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;
use message_store::RefusedKey;

use crate::{error::HookError, fhir, hook::Hook, routes, routes::Surface, stamp::Stamp};

/// Keeps the body of a request, if that is what is to be done about this refusal.
///
/// # Errors
/// The refusal itself, when it is not one to keep, or nothing can be kept.
pub(crate) async fn keep(
    hook: &Hook,
    parts: &Parts,
    content: &[u8],
    refusal: HookError,
) -> Result<Response, HookError> {
    let answer = refusal.answer(Surface::Fhir);
    let of_the_body = matches!(
        answer.status,
        StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY
    );
    if !hook.parks() || !of_the_body || content.is_empty() {
        return Err(refusal);
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("-");
    let head = format!(
        "refused 1\nat: {}\nroute: {}\nstatus: {}\nissue: {}\nreason: {}\ncontent-type: {kind}\n\n",
        Stamp::now(hook.clock()),
        routes::pattern(hook.base(), parts.uri.path()),
        answer.status.as_u16(),
        answer.code,
        answer.text.replace('\n', " "),
    );
    let key = RefusedKey::of(content);
    let body: Bytes = [head.as_bytes(), content].concat().into();
    if let Err(error) = hook.store().put_refused(&key, body).await {
        tracing::error!(%error, "a refused body could not be kept: {error}");
        return Err(refusal);
    }
    tracing::error!(
        http.status = answer.status.as_u16(),
        issue = answer.code,
        key = key.as_str(),
        error = %refusal,
        "refused and kept for an operator: {refusal}"
    );
    Ok(fhir::noted("The body is not taken, and kept for an operator."))
}
