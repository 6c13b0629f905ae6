//! Rows 1 to 13: what a body must be before anybody looks at the patient in it.

use reqwest::Method;
use serde_json::json;

use super::{JSON, asked, envelope, of, refused};
use crate::hook::{TestHook, patient};

async fn put(body: impl Into<Vec<u8>>) -> (u16, String, String, String) {
    let hook = TestHook::start().await;
    let refused = refused(&hook, Method::PUT, "/fhir/Patient/p-1", JSON, body).await;
    assert!(hook.queued().await.is_empty());
    refused
}

#[tokio::test]
async fn row_01_not_json() {
    let text = "Body is not valid JSON at line 2 column 12.";
    assert_eq!(put("{\n  \"id\": tru }").await, of(400, "invalid", text, ""));
}

#[tokio::test]
async fn row_02_not_an_object() {
    for body in ["null", "[]", "\"Patient\"", "1"] {
        assert_eq!(put(body).await, of(400, "invalid", "Body must be a JSON object.", ""));
    }
}

#[tokio::test]
async fn row_03_duplicate_keys_bad_utf_8_and_deep_nesting() {
    let key = "name[0].family";
    let text = "Body has a duplicate key at name[0].family.";
    let body = r#"{"resourceType":"Patient","name":[{"family":"A","family":"B"}]}"#;
    assert_eq!(put(body).await, of(400, "invalid", text, key));
    assert_eq!(put(&b"{\"id\":\"\xff\"}"[..]).await, of(400, "invalid", "Body is not UTF-8.", ""));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(64), "]".repeat(64));
    assert_eq!(put(deep).await, of(400, "invalid", "Body is nested too deeply.", ""));
}

#[tokio::test]
async fn row_04_empty_body() {
    let hook = TestHook::start().await;
    let empty = of(400, "required", "Body is empty.", "");
    assert_eq!(refused(&hook, Method::POST, "/fhir/Patient", &[], "").await, empty);
    for (method, path) in [(Method::POST, "/persistence/Patient"), (Method::PUT, "/persistence/Patient/p-1")]
    {
        assert_eq!(envelope(&hook, method, path, "").await, (400, "Body is empty.".to_owned()));
    }
}

#[tokio::test]
async fn row_05_a_body_that_is_not_json_by_its_type() {
    let hook = TestHook::start().await;
    let body = patient("p-1", "A").to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json;charset=latin1"] {
        let text = format!("Content-Type {kind} is not supported. Send application/fhir+json.");
        let headers = [("content-type", kind)];
        let refused = refused(&hook, Method::PUT, "/fhir/Patient/p-1", &headers, body.clone()).await;
        assert_eq!(refused, of(415, "not-supported", &text, ""));
    }
    for kind in ["application/fhir+json", "application/json", "text/json", "application/vnd.example+json"] {
        let headers = [("content-type", kind)];
        let taken = asked(&hook, Method::PUT, "/fhir/Patient/p-1", &headers, body.clone()).await;
        assert!(taken.status.is_success(), "{kind}");
    }
    let silent = asked(&hook, Method::PUT, "/fhir/Patient/p-2", &[], patient("p-2", "A").to_string()).await;
    assert_eq!(silent.status, 201, "no type is JSON");
}

#[tokio::test]
async fn row_06_xml() {
    let hook = TestHook::start().await;
    let headers = [("content-type", "application/fhir+xml")];
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\"/>";
    let text = "Content-Type application/fhir+xml is not supported. Send application/fhir+json.";
    let refused = refused(&hook, Method::PUT, "/fhir/Patient/p-1", &headers, xml).await;
    assert_eq!(refused, of(415, "not-supported", text, ""));
}

#[tokio::test]
async fn row_07_an_answer_that_is_not_json() {
    let hook = TestHook::start().await;
    let text = "Only application/fhir+json can be produced.";
    for accept in ["application/fhir+xml", "text/html"] {
        let refused = refused(&hook, Method::GET, "/fhir/Patient/p-1", &[("accept", accept)], "").await;
        assert_eq!(refused, of(406, "not-supported", text, ""));
    }
    for accept in ["*/*", "text/plain, */*", "application/fhir+json;q=0.9, application/fhir+xml"] {
        let asked = asked(&hook, Method::GET, "/fhir/Patient/p-1", &[("accept", accept)], "").await;
        assert_eq!(asked.status, 404, "{accept}");
    }
    for format in ["xml", "application/fhir%2Bxml", "html"] {
        let path = format!("/fhir/Patient/p-1?_format={format}");
        assert_eq!(refused_status(&hook, &path).await, 406, "{format}");
    }
    for format in ["json", "application/fhir%2Bjson", "application/fhir+json"] {
        let path = format!("/fhir/Patient/p-1?_format={format}");
        assert_eq!(refused_status(&hook, &path).await, 404, "{format}");
    }
}

async fn refused_status(hook: &TestHook, path: &str) -> u16 {
    refused(hook, Method::GET, path, &[], "").await.0
}

#[tokio::test]
async fn row_08_no_resource_type() {
    let expected = of(400, "required", "resourceType is missing.", "Resource.resourceType");
    assert_eq!(put("{}").await, expected);
}

#[tokio::test]
async fn row_09_another_type_than_the_path() {
    let expected = of(400, "invalid", "Body is a Observation, path says Patient.", "Resource.resourceType");
    assert_eq!(put(r#"{"resourceType":"Observation"}"#).await, expected);
}

#[tokio::test]
async fn row_10_a_type_that_is_not_ours() {
    let hook = TestHook::start().await;
    let text = "ResourceType Observation is not supported.";
    let expected = of(400, "not-supported", text, "");
    assert_eq!(refused(&hook, Method::POST, "/fhir/Observation", JSON, "{}").await, expected);
    let body = r#"{"resourceType":"Observation","id":"1"}"#;
    assert_eq!(refused(&hook, Method::POST, "/hook", JSON, body).await, expected);
    let envelope = envelope(&hook, Method::POST, "/persistence/Observation", "{}").await;
    assert_eq!(envelope, (400, text.to_owned()));
}

#[tokio::test]
async fn row_11_a_type_that_nobody_knows() {
    let hook = TestHook::start().await;
    let text = "ResourceType Nonsense is not supported.";
    assert_eq!(
        refused(&hook, Method::GET, "/fhir/Nonsense/1", &[], "").await,
        of(404, "not-found", text, "")
    );
    let body = r#"{"resourceType":"Nonsense"}"#;
    assert_eq!(refused(&hook, Method::POST, "/hook", JSON, body).await.0, 400);
}

#[tokio::test]
async fn row_12_ids_that_do_not_match() {
    let without = json!({ "resourceType": "Patient" }).to_string();
    let text = "Can not update Patient/p-1: body id is missing.";
    assert_eq!(put(without).await, of(400, "invalid", text, "Patient.id"));
    let text = "Can not update Patient/p-1: body id is different.";
    assert_eq!(put(patient("p-2", "A").to_string()).await, of(400, "invalid", text, "Patient.id"));
}

#[tokio::test]
async fn row_13_ids_that_are_none() {
    let hook = TestHook::start().await;
    let expected = of(400, "value", "id is not a FHIR id.", "Patient.id");
    for id in ["a_b", &"x".repeat(65), "a%20b"] {
        let path = format!("/fhir/Patient/{id}");
        assert_eq!(refused(&hook, Method::GET, &path, &[], "").await, expected);
        assert_eq!(refused(&hook, Method::DELETE, &path, &[], "").await, expected);
    }
    assert_eq!(put(patient("a b", "A").to_string()).await, expected);
}
