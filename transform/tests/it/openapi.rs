//! The OpenAPI document and what the hook does agree: each answer that any test of this program gets is looked up.

use std::sync::OnceLock;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::hook::{TestHook, answer};

fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(include_str!("../../openapi.json")).unwrap())
}

/// Fails when the document does not know that this answer is possible.
pub(crate) fn check(method: &Method, path: &str, status: StatusCode) {
    let paths = document()["paths"].as_object().unwrap();
    // Tests of the base path put it before.
    let path = path.strip_prefix("/prod").unwrap_or(path);
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let template = match path.rsplit_once('/') {
        _ if paths.contains_key(path) => path.to_owned(),
        Some((kind @ ("/persistence/Patient" | "/fhir/Patient"), _)) => format!("{kind}/{{id}}"),
        _ => return,
    };
    let operation = &paths[&template][method.as_str().to_ascii_lowercase()];
    let responses = if operation.is_null() { &Value::Null } else { &operation["responses"] };
    // What is not described must not be done either.
    let refused = [401, 405, 406, 429, 501, 503].contains(&status.as_u16());
    let known = if operation.is_null() { refused } else { responses.get(status.as_str()).is_some() };
    assert!(known, "{method} {template} answered {status}, which openapi.json does not have");
}

#[tokio::test]
async fn the_document_is_served_as_it_is_checked_in() {
    let hook = TestHook::start_with(|config| config.base_path = "/prod".to_owned()).await;
    for path in ["/openapi.json", "/prod/openapi.json"] {
        let served = answer(hook.request(Method::GET, path)).await;
        assert_eq!(served.status, 200);
        assert_eq!(&served.body, document());
    }
}

#[test]
#[should_panic(expected = "PUT /fhir/Patient/{id} answered 418")]
fn an_answer_that_is_not_described_is_noticed() {
    check(&Method::PUT, "/prod/fhir/Patient/p-1", StatusCode::IM_A_TEAPOT);
}
