//! `{base}/hook`: one URL for senders that add no path. What a request is follows from its body.
//!
//! | body | sender | what is done |
//! | --- | --- | --- |
//! | a resource | Medplum | written |
//! | `{}` with `X-Medplum-Deleted-Resource` | Medplum | deleted |
//! | a Bundle | Aidbox, HAPI FHIR | as at `{base}/fhir` |
//! | `{"message":{"attributes":…}}` | Google Pub/Sub | written, deleted or read back |
//! | a list of events, or one CloudEvent | Azure Event Grid | deleted or read back |
//! | nothing | any | what changed is searched for |

mod event_grid;
mod medplum;
mod pub_sub;

use std::sync::Arc;

use axum::{
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    body,
    error::HookError,
    fhir,
    given::Given,
    hook::Hook,
    outcome::{Issue, operation_outcome},
    routes::{self, Place},
};

/// Answers one request.
pub(crate) async fn answer(hook: &Arc<Hook>, parts: &Parts, content: &Bytes) -> Result<Response, HookError> {
    match parts.method {
        Method::OPTIONS => Ok(event_grid::handshake(&parts.headers)),
        Method::POST if content.is_empty() => fhir::something_changed(hook, parts).await,
        Method::POST if let Some(patient) = Given::scan(content) => {
            medplum::write(hook, parts, patient, content).await
        }
        Method::POST => match body::parse(content)? {
            Value::Array(events) => event_grid::answer(hook, parts, &events).await,
            Value::Object(members) if members.contains_key("resourceType") => {
                match body::resource_type(&members)? {
                    Some("Bundle") => fhir::bundle::answer(hook, parts, &members).await,
                    Some("Patient") => medplum::write(hook, parts, members.into(), content).await,
                    Some(kind) => Err(HookError::UnsupportedType { name: kind.to_owned() }),
                    None => Err(HookError::UnsupportedType { name: "of no known name".to_owned() }),
                }
            }
            Value::Object(members) if parts.headers.contains_key(medplum::DELETED) => {
                if members.is_empty() {
                    medplum::delete(hook, parts).await
                } else {
                    Err(HookError::Event { reason: "A deleted resource has an empty body." })
                }
            }
            Value::Object(members) if members.contains_key("message") => {
                pub_sub::answer(hook, parts, &members).await
            }
            event @ Value::Object(_) if event.get("specversion").is_some() => {
                event_grid::answer(hook, parts, &[event]).await
            }
            Value::Object(_) => Err(HookError::ResourceTypeMissing),
            _ => Err(HookError::NotObject),
        },
        ref method => Err(routes::refused_method(Place::Webhook, method, parts.uri.query().is_some())),
    }
}

/// An event about something else: taken, or its sender would repeat it for ever.
fn ignored() -> Response {
    let text = "The event is not about a Patient; nothing is sent.";
    fhir::response(StatusCode::OK, &operation_outcome(&[Issue::information(text)]))
}

/// Nothing more to say.
fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
