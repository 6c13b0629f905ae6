//! Medplum Subscriptions: the resource to one URL; a delete is `{}` and a header.

use std::sync::Arc;

use axum::{
    http::{HeaderName, request::Parts},
    response::Response,
};
use message_store::PatientKey;

use crate::{
    error::HookError,
    fhir::{self, reference::Target},
    given::{Given, Id},
    hook::{self, Hook},
    negotiate,
    told::Told,
    write::Verb,
};

/// Names the resource that was deleted.
pub(super) const DELETED: HeaderName = HeaderName::from_static("x-medplum-deleted-resource");

/// A create or an update; which of them is what is known of the patient here, not `X-Medplum-Interaction`.
pub(super) async fn write(
    hook: &Arc<Hook>,
    parts: &Parts,
    resource: Given,
    content: &[u8],
) -> Result<Response, HookError> {
    let id = match resource.id() {
        Id::Missing => return Err(HookError::Event { reason: "The resource has no id." }),
        Id::Text(id) => id,
        Id::Other => return Err(HookError::InvalidId),
    };
    let patient = PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
    let told = resource.told().clone();
    let mut write = hook.write(&parts.headers, Verb::Update, patient.clone(), Some(resource));
    write.told = Some(told);
    write.replay = negotiate::replay(parts.uri.query());
    write.request = hook::fingerprint(&parts.headers, Verb::Update, content);
    let outcome = hook.apply(write).await?;
    Ok(fhir::written(hook, &parts.headers, patient.id(), outcome))
}

pub(super) async fn delete(hook: &Arc<Hook>, parts: &Parts) -> Result<Response, HookError> {
    let named = parts.headers.get(DELETED).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = Target::parse(named)
        .ok_or(HookError::Event { reason: "X-Medplum-Deleted-Resource names no resource." })?;
    if !target.is_patient() {
        return Err(HookError::UnsupportedType { name: target.kind.to_owned() });
    }
    let patient = target.patient()?;
    let mut write = hook.write(&parts.headers, Verb::Delete, patient.clone(), None);
    write.told = Some(Told::default());
    let outcome = hook.apply(write).await?;
    Ok(fhir::written(hook, &parts.headers, patient.id(), outcome))
}
