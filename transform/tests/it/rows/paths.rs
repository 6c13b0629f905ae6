//! Rows 30 to 34: what is not there, and what is not offered.

use reqwest::Method;

use super::{envelope, of, refused};
use crate::hook::{TestHook, patient};

#[tokio::test]
async fn row_30_an_unknown_patient() {
    let hook = TestHook::start().await;
    let text = "Unable to find resource Patient with nobody";
    let refused = refused(&hook, Method::GET, "/fhir/Patient/nobody", &[], "").await;
    assert_eq!(refused, of(404, "not-found", text, ""));
    assert_eq!(envelope(&hook, Method::GET, "/persistence/Patient/nobody", "").await, (404, text.to_owned()));
}

#[tokio::test]
async fn row_31_a_deleted_patient() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    hook.delete("p-1").await;
    let gone = refused(&hook, Method::GET, "/fhir/Patient/p-1", &[], "").await;
    assert_eq!(gone, of(410, "deleted", "Patient/p-1 was deleted.", ""));
    assert_eq!(hook.get("p-1").await.status, 404, "the router makes a 500 of a 410");
}

#[tokio::test]
async fn row_32_no_such_path() {
    let hook = TestHook::start().await;
    for path in ["/", "/nowhere", "/hook/x", "/fhir/Patient/a/b"] {
        let refused = refused(&hook, Method::GET, path, &[], "").await;
        assert_eq!(refused, of(404, "not-found", "No such path.", ""), "{path}");
    }
    let envelope = envelope(&hook, Method::GET, "/persistence", "").await;
    assert_eq!(envelope, (404, "No such path.".to_owned()));
}

#[tokio::test]
async fn row_33_methods_that_are_not_allowed() {
    let hook = TestHook::start().await;
    for (method, path, allow) in [
        (Method::PATCH, "/fhir/Patient/1", "DELETE, GET, HEAD, PUT"),
        (Method::TRACE, "/fhir/Patient/1", "DELETE, GET, HEAD, PUT"),
        (Method::PUT, "/fhir/Patient", "POST"),
        (Method::GET, "/fhir", "POST"),
        (Method::POST, "/fhir/metadata", "GET, HEAD"),
        (Method::GET, "/hook", "OPTIONS, POST"),
    ] {
        let text = format!("{method} is not allowed here.");
        let asked = super::asked(&hook, method.clone(), path, &[], "").await;
        assert_eq!(asked.headers["allow"], allow, "{method} {path}");
        assert_eq!(
            (asked.status.as_u16(), asked.body["issue"][0]["diagnostics"].as_str()),
            (405, Some(&*text))
        );
    }
    assert_eq!(super::asked(&hook, Method::HEAD, "/fhir/Patient", &[], "").await.status, 405);
}

#[tokio::test]
async fn row_34_interactions_that_are_not_offered() {
    let hook = TestHook::start().await;
    for (method, path, name) in [
        (Method::POST, "/fhir/Patient/_search", "_search"),
        (Method::GET, "/fhir/Patient/1/_history", "_history"),
        (Method::GET, "/fhir/Patient/1/_history/2", "_history"),
        (Method::GET, "/fhir/Patient/1/$everything", "$everything"),
        (Method::GET, "/fhir/Patient?name=x", "search-type"),
    ] {
        let text = format!("{name} is not supported.");
        let refused = refused(&hook, method, path, &[], "").await;
        assert_eq!(refused, of(501, "not-supported", &text, ""), "{path}");
    }
}
