//! Azure Event Grid: events of the Azure Health Data Services, which name resources and do not hold them.
//!
//! Both schemas are taken, Event Grid's own and CloudEvents 1.0. The endpoint proves itself by the answer to a validation
//! event, or to an `OPTIONS` request (CloudEvents HTTP webhook §4).

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use message_store::PatientKey;
use serde_json::{Value, json};

use super::{done, ignored};
use crate::{error::HookError, hook::Hook, negotiate, source::ReadBack, told::Told, write::Verb};

/// The origin that asks may send, at its own rate.
pub(super) fn handshake(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    if let Some(origin) = headers.get(REQUEST_ORIGIN) {
        answer.insert(ALLOWED_ORIGIN, origin.clone());
        answer.insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    response
}

/// Answers a list of events.
pub(super) async fn answer(hook: &Arc<Hook>, parts: &Parts, events: &[Value]) -> Result<Response, HookError> {
    if let Some(code) = events.iter().find_map(validation_code) {
        let body = json!({ "validationResponse": code }).to_string();
        let mut response = (StatusCode::OK, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }
    let mut jobs = Vec::new();
    let mut deletes = Vec::new();
    for event in events {
        let Some(read) = Event::read(event)? else { continue };
        let patient = PatientKey::new(read.id).map_err(|_| HookError::InvalidId)?;
        if read.deleted {
            let mut write = hook.write(&parts.headers, Verb::Delete, patient, None);
            write.told = Some(Told::new(read.version.as_deref(), read.time));
            deletes.push(write);
        } else {
            jobs.push(ReadBack {
                base: Some(format!("https://{}", read.account)),
                patient,
                version_id: read.version,
                traceparent: negotiate::traceparent(&parts.headers),
            });
        }
    }
    if jobs.is_empty() && deletes.is_empty() {
        return Ok(ignored());
    }
    hook.read_back(jobs).await?;
    for delete in deletes {
        hook.apply(delete).await?;
    }
    Ok(done())
}

/// An event about a Patient.
struct Event<'e> {
    id: &'e str,
    account: &'e str,
    version: Option<String>,
    time: Option<&'e str>,
    deleted: bool,
}

impl<'e> Event<'e> {
    /// `None` where it is about something else.
    fn read(event: &'e Value) -> Result<Option<Self>, HookError> {
        let kind = kind(event).unwrap_or_default();
        let action = kind.strip_prefix("Microsoft.HealthcareApis.FhirResource");
        let Some(action @ ("Created" | "Updated" | "Deleted")) = action else { return Ok(None) };
        let data = |name: &str| event.get("data").and_then(|data| data.get(name));
        let text = |name: &str| data(name).and_then(Value::as_str);
        if text("resourceType") != Some("Patient") {
            return Ok(None);
        }
        let missing = HookError::Event { reason: "The event names no resource." };
        let (Some(id), Some(account)) = (text("resourceFhirId"), text("resourceFhirAccount")) else {
            return Err(missing);
        };
        let version = data("resourceVersionId");
        let version = version.and_then(|version| {
            version.as_str().map(str::to_owned).or(version.as_u64().map(|n| n.to_string()))
        });
        let time = ["eventTime", "time"].into_iter().find_map(|name| event.get(name)?.as_str());
        Ok(Some(Self { id, account, version, time, deleted: action == "Deleted" }))
    }
}

fn kind(event: &Value) -> Option<&str> {
    ["eventType", "type"].into_iter().find_map(|name| event.get(name)?.as_str())
}

fn validation_code(event: &Value) -> Option<&str> {
    let validation = kind(event)? == "Microsoft.EventGrid.SubscriptionValidationEvent";
    event.pointer("/data/validationCode")?.as_str().filter(|_| validation)
}

const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
