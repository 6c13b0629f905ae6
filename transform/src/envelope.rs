//! The answer of the persistence surface: `{"resource": {…}, "message": "…"}`, always.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    answer::{self, Shown},
    record::Version,
};

/// An answer of that shape. The router of FHIR Works on AWS turns every other one into an error or an empty body.
pub(crate) fn response(status: StatusCode, resource: &Value, message: &str) -> Response {
    wrapped(status, json!({ "resource": resource, "message": message }).to_string())
}

fn wrapped(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer that holds a patient, with the headers of its version.
pub(crate) fn patient(status: StatusCode, resource: Shown, version: Option<&Version>) -> Response {
    let body = [r#"{"resource":"#, &resource.text(version), r#","message":""}"#].concat();
    let mut response = wrapped(status, body);
    answer::set_version(&mut response, version);
    response
}
