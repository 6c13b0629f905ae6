//! FHIR's own REST interface: `{base}/fhir/Patient[/{id}]`, `{base}/fhir/metadata`, Bundles and notifications at
//! `{base}/fhir`.
//!
//! FHIR servers deliver here what their Subscriptions find, so a request tells the version it is about: an older one
//! than was sent before is answered 200 and not sent, a repeated one is answered as before.

pub(crate) mod bundle;
mod capability;
pub(crate) mod notification;
pub(crate) mod reference;
mod rest;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    answer, body,
    error::HookError,
    hook::Hook,
    negotiate::{self, Return},
    outcome::{Issue, operation_outcome},
    park,
    routes::{self, Place},
    webhook,
    write::Outcome,
};

/// Answers one request.
pub(crate) async fn answer(
    hook: &Arc<Hook>,
    place: Place<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, HookError> {
    if let (Place::Metadata, &(Method::GET | Method::HEAD)) = (place, &parts.method) {
        return Ok(response(StatusCode::OK, &capability::statement(hook.base())));
    }
    let has_body = match place {
        Place::FhirBase | Place::Webhook => true,
        Place::Fhir(_) => [Method::POST, Method::PUT].contains(&parts.method),
        Place::Persistence(_) | Place::Metadata | Place::Backfill => false,
    };
    if !has_body {
        return understood(hook, place, parts, &Bytes::new()).await;
    }
    let content = hook.receive(parts, body).await?;
    match understood(hook, place, parts, &content.bytes).await {
        Err(refusal) => park::keep(hook, parts, &content.bytes, refusal).await,
        done => done,
    }
}

async fn understood(
    hook: &Arc<Hook>,
    place: Place<'_>,
    parts: &Parts,
    content: &Bytes,
) -> Result<Response, HookError> {
    if !content.is_empty() {
        negotiate::check_content_type(&parts.headers)?;
    }
    match (place, &parts.method) {
        (Place::Fhir(resources), _) => rest::answer(hook, resources, parts, content).await,
        (Place::Webhook, _) => webhook::answer(hook, parts, content).await,
        (Place::FhirBase, &Method::POST) if content.is_empty() => something_changed(hook, parts).await,
        (Place::FhirBase, &Method::POST) => {
            let resource = body::parse_object(content)?;
            match body::resource_type(&resource)? {
                Some("Bundle") => bundle::answer(hook, parts, &resource).await,
                kind => Err(HookError::ResourceTypeDiffers { body: kind, path: "Bundle" }),
            }
        }
        (place, method) => Err(routes::refused_method(place, method, parts.uri.query().is_some())),
    }
}

/// A notification that names nothing.
pub(crate) async fn something_changed(hook: &Arc<Hook>, parts: &Parts) -> Result<Response, HookError> {
    hook.catch_up(&negotiate::traceparent(&parts.headers)).await?;
    Ok(noted("What changed will be read from the source server."))
}

/// 202: it will be done.
pub(crate) fn noted(text: &str) -> Response {
    response(StatusCode::ACCEPTED, &operation_outcome(&[Issue::information(text)]))
}

/// An answer with a FHIR resource as its body.
pub(crate) fn response(status: StatusCode, resource: &Value) -> Response {
    json(status, resource.to_string())
}

fn json(status: StatusCode, resource: String) -> Response {
    let mut response = (status, resource).into_response();
    let json = HeaderValue::from_static("application/fhir+json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The answer to one write, with the body that the client prefers.
pub(crate) fn written(hook: &Hook, headers: &HeaderMap, id: &str, outcome: Outcome) -> Response {
    let wanted = negotiate::preferred_return(headers);
    match outcome {
        Outcome::Written { resource, version, new, notes, .. } => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            let mut response = match wanted {
                Return::Minimal => status.into_response(),
                Return::Representation => json(status, resource.text(Some(&version))),
                Return::OperationOutcome => response(status, &operation_outcome(&notes.issues())),
            };
            answer::set_version(&mut response, Some(&version));
            if new && let Ok(place) = HeaderValue::try_from(location(hook, id, &version.id)) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            response
        }
        Outcome::Deleted { .. } => match wanted {
            Return::Minimal | Return::Representation => StatusCode::NO_CONTENT.into_response(),
            Return::OperationOutcome => {
                let text = format!("Patient/{id} was deleted.");
                response(StatusCode::OK, &operation_outcome(&[Issue::information(text)]))
            }
        },
        stale @ Outcome::Stale { .. } => response(StatusCode::OK, &operation_outcome(&[said(&stale, id)])),
    }
}

/// What there is to say of an outcome that has no resource.
pub(crate) fn said(outcome: &Outcome, id: &str) -> Issue {
    match outcome {
        Outcome::Stale { given, current } => {
            Issue::information(format!("Version {given} is older than {current}; not sent."))
        }
        Outcome::Deleted { .. } => Issue::information(format!("Patient/{id} was deleted.")),
        Outcome::Written { .. } => Issue::information(format!("Patient/{id} was written.")),
    }
}

/// Where a version is found.
pub(crate) fn location(hook: &Hook, id: &str, version: &str) -> String {
    format!("{}/fhir/Patient/{id}/_history/{version}", hook.base())
}
