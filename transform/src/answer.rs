//! What the answers of all surfaces share: the marks of a version, in the body and in the headers.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use serde_json::{Value, json};

use crate::record::Version;

/// A Patient that an answer shows.
#[derive(Clone)]
pub(crate) enum Shown {
    /// The version is still to be put in.
    Value(Value),
    /// JSON that has the marks of its version, the one of the answer.
    Text(String),
}

impl Shown {
    /// As JSON text.
    pub(crate) fn text(self, version: Option<&Version>) -> String {
        match self {
            Self::Text(text) => text,
            Self::Value(mut resource) => {
                set_meta(&mut resource, version);
                resource.to_string()
            }
        }
    }

    /// As a part of another value.
    pub(crate) fn value(&self, version: Option<&Version>) -> Value {
        let mut resource = match self {
            Self::Value(resource) => resource.clone(),
            Self::Text(text) => serde_json::from_str(text).unwrap_or_default(),
        };
        set_meta(&mut resource, version);
        resource
    }
}

impl From<Value> for Shown {
    fn from(resource: Value) -> Self {
        Self::Value(resource)
    }
}

/// `versionId` and `lastUpdated` both or neither: the router of FHIR Works on AWS makes `ETag: W/"undefined"` of one
/// alone, and of a `meta` that has neither. So without a version the whole `meta` goes.
pub(crate) fn set_meta(resource: &mut Value, version: Option<&Version>) {
    let Some(members) = resource.as_object_mut() else { return };
    match version {
        None => {
            members.remove("meta");
        }
        Some(version) => {
            let meta = members.entry("meta").or_insert_with(|| json!({}));
            meta["versionId"] = json!(version.id);
            meta["lastUpdated"] = json!(version.updated.to_string());
        }
    }
}

/// `ETag` and `Last-Modified`.
pub(crate) fn set_version(response: &mut Response, version: Option<&Version>) {
    let Some(version) = version else { return };
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(etag(version)) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(date) = HeaderValue::try_from(version.updated.http_date()) {
        headers.insert(header::LAST_MODIFIED, date);
    }
}

/// As FHIR writes it: weak.
pub(crate) fn etag(version: &Version) -> String {
    format!("W/\"{}\"", version.id)
}
