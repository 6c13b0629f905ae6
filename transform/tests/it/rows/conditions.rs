//! Rows 41 to 50 and 54: conditions, preferences, versions that come late.

use reqwest::Method;
use serde_json::{Value, json};

use super::{JSON, asked, of, refused};
use crate::hook::{Answer, TestHook, patient};

const JSON_TYPE: (&str, &str) = ("content-type", "application/fhir+json");

fn version(id: &str, version: &str, family: &str) -> Value {
    let mut resource = patient(id, family);
    resource["meta"] = json!({ "versionId": version });
    resource
}

async fn put(hook: &TestHook, headers: &[(&str, &str)], resource: &Value) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(JSON_TYPE);
    asked(hook, Method::PUT, "/fhir/Patient/p-1", &headers, resource.to_string()).await
}

#[tokio::test]
async fn row_41_if_match_names_the_version_that_is_there_or_the_one_that_comes() {
    let hook = TestHook::start().await;
    put(&hook, &[], &version("p-1", "3", "A")).await;
    // An editor: the version it has read, in each form of an entity tag; each edit is the next version.
    for (tag, family, next) in [("W/\"3\"", "B", "4"), ("\"4\"", "C", "5"), ("5", "D", "6")] {
        let edited = put(&hook, &[("if-match", tag)], &patient("p-1", family)).await;
        assert_eq!((edited.status.as_u16(), &edited.body["meta"]["versionId"]), (200, &json!(next)), "{tag}");
    }
    // HAPI: the version it delivers.
    let delivered = put(&hook, &[("if-match", "\"9\"")], &version("p-1", "9", "E")).await;
    assert_eq!((delivered.status.as_u16(), &delivered.body["meta"]["versionId"]), (200, &json!("9")));
    // Neither of them.
    let headers = [JSON_TYPE, ("if-match", "W/\"2\"")];
    for body in [patient("p-1", "F"), version("p-1", "12", "F")] {
        let refused = refused(&hook, Method::PUT, "/fhir/Patient/p-1", &headers, body.to_string()).await;
        assert_eq!(refused, of(412, "conflict", "Version 2 expected, 9 is current.", ""));
    }
    let refused =
        refused(&hook, Method::PUT, "/fhir/Patient/p-2", &headers, patient("p-2", "A").to_string()).await;
    assert_eq!(refused, of(412, "conflict", "Version 2 expected, none is current.", ""));
    let delete =
        super::refused(&hook, Method::DELETE, "/fhir/Patient/p-1", &[("if-match", "W/\"2\"")], "").await;
    assert_eq!(delete.0, 412);
    assert_eq!(hook.queued().await.len(), 5);
}

#[tokio::test]
async fn row_42_if_none_match_wants_a_new_patient() {
    let hook = TestHook::start().await;
    assert_eq!(put(&hook, &[("if-none-match", "*")], &patient("p-1", "A")).await.status, 201);
    let headers = [JSON_TYPE, ("if-none-match", "*")];
    let refused =
        refused(&hook, Method::PUT, "/fhir/Patient/p-1", &headers, patient("p-1", "B").to_string()).await;
    assert_eq!(refused, of(412, "conflict", "Patient/p-1 exists.", ""));
}

#[tokio::test]
async fn row_43_a_read_of_what_is_known_already() {
    let hook = TestHook::start().await;
    put(&hook, &[], &version("p-1", "3", "A")).await;
    for tag in ["W/\"3\"", "\"3\"", "\"1\", W/\"3\""] {
        let read = asked(&hook, Method::GET, "/fhir/Patient/p-1", &[("if-none-match", tag)], "").await;
        assert_eq!((read.status.as_u16(), &read.body), (304, &json!("")), "{tag}");
        assert_eq!(read.headers["etag"], "W/\"3\"");
    }
    let read = asked(&hook, Method::GET, "/fhir/Patient/p-1", &[("if-none-match", "W/\"2\"")], "").await;
    assert_eq!(read.status, 200);
    let read =
        asked(&hook, Method::GET, "/persistence/Patient/p-1", &[("if-none-match", "W/\"3\"")], "").await;
    assert_eq!(read.status, 200, "the router makes a 500 of a 304");
}

#[tokio::test]
async fn row_44_conditional_create_is_not_ignored() {
    let hook = TestHook::start().await;
    let headers = [JSON_TYPE, ("if-none-exist", "identifier=1")];
    let refused =
        refused(&hook, Method::POST, "/fhir/Patient", &headers, patient("x", "A").to_string()).await;
    assert_eq!(refused, of(412, "not-supported", "Conditional create is not supported.", ""));
    assert!(hook.queued().await.is_empty());
}

#[tokio::test]
async fn row_45_conditional_update_and_delete() {
    let hook = TestHook::start().await;
    for method in [Method::PUT, Method::DELETE] {
        let body = patient("x", "A").to_string();
        let refused = refused(&hook, method, "/fhir/Patient?identifier=1", JSON, body).await;
        assert_eq!(refused, of(501, "not-supported", "Conditional update is not supported.", ""));
    }
}

#[tokio::test]
async fn row_46_minimal_answers() {
    let hook = TestHook::start().await;
    for status in [201, 200] {
        let body = patient("p-1", &status.to_string());
        let answer = put(&hook, &[("prefer", "return=minimal")], &body).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (status, &json!("")));
        assert!(answer.headers.contains_key("etag") && answer.headers.contains_key("last-modified"));
    }
}

#[tokio::test]
async fn row_47_the_representation_is_what_was_understood() {
    let hook = TestHook::start().await;
    let mut resource = patient("p-1", "A");
    resource["photo"] = json!([{ "url": "http://example.org/photo" }]);
    for headers in [&[][..], &[("prefer", "return=representation")]] {
        let answer = put(&hook, headers, &resource).await;
        assert_eq!(answer.body["name"][0]["family"], "A");
        assert!(answer.body.get("photo").is_none(), "no message carries it");
    }
}

#[tokio::test]
async fn row_48_the_outcome_lists_what_is_not_carried() {
    let hook = TestHook::start().await;
    let mut resource = patient("p-1", "A");
    resource["photo"] = json!([{ "url": "http://secret.example/photo" }]);
    let answer = put(&hook, &[("prefer", "return=OperationOutcome")], &resource).await;
    assert_eq!((answer.status.as_u16(), &answer.body["resourceType"]), (201, &json!("OperationOutcome")));
    let issue = &answer.body["issue"][0];
    assert_eq!(issue["severity"], "information");
    assert_eq!(issue["code"], "informational");
    assert!(issue["expression"][0].as_str().unwrap().starts_with("Patient.photo"), "{issue}");
    assert!(issue["diagnostics"].as_str().unwrap().contains("is not carried by the message."), "{issue}");
    assert!(!answer.body.to_string().contains("secret"));
    let whole = put(&hook, &[("prefer", "return=OperationOutcome")], &patient("p-1", "A")).await;
    assert_eq!(whole.body["issue"][0]["code"], "informational");
}

#[tokio::test]
async fn row_49_preferences_that_mean_nothing_here() {
    let hook = TestHook::start().await;
    for prefer in ["respond-async", "wait=5, respond-async", "return=everything", ""] {
        let answer = put(&hook, &[("prefer", prefer)], &patient("p-1", prefer)).await;
        assert!(answer.status.is_success() && answer.body["resourceType"] == "Patient", "{prefer}");
    }
}

#[tokio::test]
async fn row_50_restricted_and_test_patients_are_taken() {
    let hook = TestHook::start().await;
    let mut resource = patient("p-1", "A");
    resource["meta"] = json!({
        "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }],
        "tag": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST" }],
    });
    assert_eq!(put(&hook, &[], &resource).await.status, 201);
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn row_54_a_late_version_is_answered_200_and_not_sent() {
    let hook = TestHook::start().await;
    put(&hook, &[], &version("p-1", "7", "New")).await;
    let late = put(&hook, &[], &version("p-1", "5", "Old")).await;
    assert_eq!(late.status, 200);
    let issue = &late.body["issue"][0];
    assert_eq!((&issue["severity"], &issue["code"]), (&json!("information"), &json!("informational")));
    assert_eq!(issue["diagnostics"], "Version 5 is older than 7; not sent.");
    assert_eq!(hook.queued().await.len(), 1);
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "New");
    // As JSON says it, on the way of an ordinary request.
    assert_eq!(asked(&hook, Method::GET, "/fhir/Patient/p-1", JSON, "").await.body["meta"]["versionId"], "7");
}
