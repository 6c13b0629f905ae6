//! Create, read, update and delete of a Patient.

use std::sync::Arc;

use axum::{
    http::{Method, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use message_store::PatientKey;

use super::{noted, response, written};
use crate::{
    answer,
    error::HookError,
    given::Given,
    hook::{self, Hook},
    lookup, negotiate,
    record::Record,
    routes::{self, Place, Resources},
    source::ReadBack,
    told::Told,
    write::Verb,
};

pub(super) async fn answer(
    hook: &Arc<Hook>,
    resources: Resources<'_>,
    parts: &Parts,
    content: &Bytes,
) -> Result<Response, HookError> {
    let key = |id: &str| PatientKey::new(id).map_err(|_| HookError::InvalidId);
    match (resources, &parts.method) {
        (Resources::Patients, &Method::POST) => create(hook, parts, content).await,
        (Resources::Patient { id }, &Method::PUT) => update(hook, key(id)?, parts, content).await,
        (Resources::Patient { id }, &Method::DELETE) => {
            let patient = key(id)?;
            let mut write = hook.write(&parts.headers, Verb::Delete, patient.clone(), None);
            write.told = Some(Told::default());
            write.request = hook::fingerprint(&parts.headers, Verb::Delete, &[]);
            let outcome = hook.apply(write).await?;
            Ok(written(hook, &parts.headers, patient.id(), outcome))
        }
        (Resources::Patient { id }, &(Method::GET | Method::HEAD)) => read(hook, &key(id)?, parts).await,
        (resources, method) => {
            Err(routes::refused_method(Place::Fhir(resources), method, parts.uri.query().is_some()))
        }
    }
}

/// The hook names the patient; an id and a version in the body are those of another server.
async fn create(hook: &Arc<Hook>, parts: &Parts, content: &Bytes) -> Result<Response, HookError> {
    let headers = &parts.headers;
    if content.is_empty() {
        return Err(HookError::EmptyBody);
    }
    if headers.contains_key(negotiate::IF_NONE_EXIST) {
        return Err(HookError::ConditionalCreate);
    }
    let resource = Given::read(content)?;
    let request = hook::fingerprint(headers, Verb::Create, content);
    let patient = hook::new_patient(request.as_deref())?;
    let mut write = hook.write(headers, Verb::Create, patient.clone(), Some(resource));
    write.request = request;
    let outcome = hook.apply(write).await?;
    Ok(written(hook, headers, patient.id(), outcome))
}

/// A whole resource, or an empty body: the sender names the patient only.
async fn update(
    hook: &Arc<Hook>,
    patient: PatientKey,
    parts: &Parts,
    content: &Bytes,
) -> Result<Response, HookError> {
    let headers = &parts.headers;
    if content.is_empty() {
        let traceparent = negotiate::traceparent(headers);
        let version_id = negotiate::if_match(headers);
        hook.read_back(vec![ReadBack { base: None, patient, version_id, traceparent }]).await?;
        return Ok(noted("The patient will be read from the source server."));
    }
    let resource = Given::read(content)?;
    hook::check_id(&patient, resource.id())?;
    let told = resource.told().clone();
    let mut write = hook.write(headers, Verb::Update, patient.clone(), Some(resource));
    write.told = Some(told);
    write.replay = negotiate::replay(parts.uri.query());
    write.request = hook::fingerprint(headers, Verb::Update, content);
    let outcome = hook.apply(write).await?;
    Ok(written(hook, headers, patient.id(), outcome))
}

async fn read(hook: &Hook, patient: &PatientKey, parts: &Parts) -> Result<Response, HookError> {
    match lookup::patient(hook, patient).await? {
        Record::Patient { mut resource, version } => {
            let known =
                version.as_ref().is_some_and(|version| negotiate::has_version(&parts.headers, &version.id));
            answer::set_meta(&mut resource, version.as_ref());
            let mut response = if known {
                StatusCode::NOT_MODIFIED.into_response()
            } else {
                response(StatusCode::OK, &resource)
            };
            answer::set_version(&mut response, version.as_ref());
            Ok(response)
        }
        Record::Deleted => Err(HookError::Gone { id: patient.id().to_owned() }),
        Record::Unknown => Err(HookError::NotFound { id: patient.id().to_owned() }),
    }
}
