//! Google Cloud Healthcare API over a Pub/Sub push subscription.

use std::sync::Arc;

use axum::{http::request::Parts, response::Response};
use data_encoding::BASE64;
use serde_json::{Map, Value};

use super::{done, ignored};
use crate::{
    body, error::HookError, fhir::reference::Target, given::Given, hook::Hook, negotiate, source::ReadBack,
    told::Told, write::Verb,
};

/// Answers one message; any 2xx acknowledges it.
pub(super) async fn answer(
    hook: &Arc<Hook>,
    parts: &Parts,
    push: &Map<String, Value>,
) -> Result<Response, HookError> {
    let message = push.get("message").and_then(Value::as_object);
    let message = message.ok_or(HookError::Event { reason: "message must be an object." })?;
    let attribute =
        |name: &str| message.get("attributes").and_then(|all| all.get(name)).and_then(Value::as_str);
    match attribute("resourceType") {
        Some("Patient") => {}
        Some(_) => return Ok(ignored()),
        None => return Err(HookError::Event { reason: "message.attributes.resourceType is missing." }),
    }
    let data = message.get("data").and_then(Value::as_str).unwrap_or_default();
    let unreadable = HookError::Event { reason: "message.data is not base64." };
    let data = BASE64.decode(data.as_bytes()).map_err(|_| unreadable)?;
    let deleted = attribute("action") == Some("DeleteResource");
    let time = attribute("lastUpdatedTime").or_else(|| message.get("publishTime")?.as_str());
    let version = attribute("versionId");

    // A delete may hold the resource as it was, and any event a resource or its name.
    if data.first() == Some(&b'{') {
        let resource = Given::read(&data.into())?;
        let id = resource.id().text().unwrap_or_default();
        let patient = message_store::PatientKey::new(id).map_err(|_| HookError::InvalidId)?;
        let mut write = if deleted {
            let mut write = hook.write(&parts.headers, Verb::Delete, patient, None);
            write.told = Some(Told::new(version, time));
            write
        } else {
            let told = resource.told().clone();
            let mut write = hook.write(&parts.headers, Verb::Update, patient, Some(resource));
            write.told = Some(told);
            write
        };
        write.replay = negotiate::replay(parts.uri.query());
        hook.apply(write).await?;
        return Ok(done());
    }
    let name = body::text(&data)?;
    let target = Target::parse(name).filter(Target::is_patient);
    let target = target.ok_or(HookError::Event { reason: "message.data names no Patient." })?;
    let patient = target.patient()?;
    if deleted {
        let mut write = hook.write(&parts.headers, Verb::Delete, patient, None);
        write.told = Some(Told::new(version.or(target.version), time));
        hook.apply(write).await?;
    } else {
        let job = ReadBack {
            base: base(name),
            patient,
            version_id: version.or(target.version).map(str::to_owned),
            traceparent: negotiate::traceparent(&parts.headers),
        };
        hook.read_back(vec![job]).await?;
    }
    Ok(done())
}

/// `projects/…/fhirStores/x/fhir/Patient/id` without the last two steps, on the API's host.
fn base(name: &str) -> Option<String> {
    let (store, _) = name.split_once("/fhir/Patient/")?;
    store.starts_with("projects/").then(|| format!("https://healthcare.googleapis.com/v1/{store}/fhir"))
}
