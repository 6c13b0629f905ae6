//! The answer of the persistence surface: `{"resource": {…}, "message": "…"}`, always.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::record::Version;

/// An answer of that shape. The router of FHIR Works on AWS turns every other one into an error or an empty body.
pub(crate) fn response(status: StatusCode, resource: &Value, message: &str) -> Response {
    let body = json!({ "resource": resource, "message": message }).to_string();
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer that holds a patient, with the headers of its version.
pub(crate) fn patient(status: StatusCode, mut resource: Value, version: Option<&Version>) -> Response {
    set_meta(&mut resource, version);
    let mut response = response(status, &resource, "");
    if let Some(version) = version {
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::try_from(format!("W/\"{}\"", version.number)) {
            headers.insert(header::ETAG, etag);
        }
        if let Ok(date) = HeaderValue::try_from(version.updated.http_date()) {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }
    response
}

/// `versionId` and `lastUpdated` both or neither: the router makes `ETag: W/"undefined"` of one alone, and of a `meta`
/// that has neither. So without a version the whole `meta` goes.
fn set_meta(resource: &mut Value, version: Option<&Version>) {
    let Some(members) = resource.as_object_mut() else { return };
    match version {
        None => {
            members.remove("meta");
        }
        Some(version) => {
            let meta = members.entry("meta").or_insert_with(|| json!({}));
            meta["versionId"] = json!(version.number.to_string());
            meta["lastUpdated"] = json!(version.updated.to_string());
        }
    }
}
