//! The persistence API of FHIR Works on AWS: `{base}/persistence/Patient[/{id}]`.
//!
//! Its requests tell no versions: every write is a new one, in the order of arrival.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::Response,
};
use message_store::PatientKey;
use serde_json::json;

use crate::{
    envelope,
    error::HookError,
    given::Given,
    hook::{self, Hook},
    lookup, negotiate,
    record::Record,
    routes::{self, Place, Resources},
    write::{Outcome, Verb},
};

/// Answers one request.
pub(crate) async fn answer(
    hook: &Arc<Hook>,
    resources: Resources<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, HookError> {
    let headers = &parts.headers;
    match (resources, &parts.method) {
        (Resources::Patients, &Method::POST) => {
            let content = hook.receive(parts, body).await?.json(headers)?;
            if headers.contains_key(negotiate::IF_NONE_EXIST) {
                return Err(HookError::ConditionalCreate);
            }
            let resource = Given::read(&content.bytes)?;
            let request = hook::fingerprint(headers, Verb::Create, &content.bytes);
            let patient = hook::new_patient(request.as_deref())?;
            let mut write = hook.write(headers, Verb::Create, patient.clone(), Some(resource));
            write.request = request;
            let outcome = hook.apply(write).await?;
            Ok(written(hook, &patient, outcome))
        }
        (Resources::Patient { id }, &Method::PUT) => {
            let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
            let content = hook.receive(parts, body).await?.json(headers)?;
            let resource = Given::read(&content.bytes)?;
            hook::check_id(&patient, resource.id())?;
            let mut write = hook.write(headers, Verb::Update, patient.clone(), Some(resource));
            write.request = hook::fingerprint(headers, Verb::Update, &content.bytes);
            let outcome = hook.apply(write).await?;
            Ok(written(hook, &patient, outcome))
        }
        (Resources::Patient { id }, &Method::DELETE) => {
            let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
            let mut write = hook.write(headers, Verb::Delete, patient.clone(), None);
            write.request = hook::fingerprint(headers, Verb::Delete, &[]);
            let outcome = hook.apply(write).await?;
            Ok(written(hook, &patient, outcome))
        }
        // 404 for a deleted patient too: the router makes a 500 of a 410.
        (Resources::Patient { id }, &(Method::GET | Method::HEAD)) => {
            let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
            match lookup::patient(hook, &patient).await? {
                Record::Patient { resource, version } => {
                    Ok(envelope::patient(StatusCode::OK, resource.into(), version.as_ref()))
                }
                Record::Deleted | Record::Unknown => Err(HookError::NotFound { id: patient.id().to_owned() }),
            }
        }
        (resources, method) => {
            Err(routes::refused_method(Place::Persistence(resources), method, parts.uri.query().is_some()))
        }
    }
}

/// The answer to a write.
fn written(hook: &Hook, patient: &PatientKey, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Deleted { .. } => {
            let text = format!("Patient/{} was deleted.", patient.id());
            envelope::response(StatusCode::OK, &json!({}), &text)
        }
        Outcome::Written { resource, version, new, .. } => {
            let status = if new { StatusCode::CREATED } else { StatusCode::OK };
            let mut response = envelope::patient(status, resource, Some(&version));
            let place = format!("{}/persistence/Patient/{}", hook.base(), patient.id());
            if let (true, Ok(place)) = (new, HeaderValue::try_from(place)) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            response
        }
        Outcome::Stale { given, current } => {
            let text = format!("Version {given} is older than {current}; not sent.");
            envelope::response(StatusCode::OK, &json!({}), &text)
        }
    }
}
