//! Azure Health Data Services over Event Grid.

use serde_json::json;

use super::{needs_source, send};
use crate::hook::{TestHook, events};

const VALIDATION: &str = include_str!("requests/event_grid_validation.http");
const EVENT: &str = include_str!("requests/event_grid_event.http");
const CLOUD_EVENT: &str = include_str!("requests/cloud_event.http");
const OPTIONS: &str = include_str!("requests/event_grid_options.http");

#[tokio::test]
async fn the_validation_code_is_given_back() {
    let answer = send(&TestHook::start().await, VALIDATION, &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "validationResponse": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6" }));
}

#[tokio::test]
async fn the_options_handshake_allows_the_origin_that_asks() {
    let answer = send(&TestHook::start().await, OPTIONS, &[]).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("webhook-allowed-origin: eventgrid.azure.net"), "{}", answer.head);
    assert!(answer.head.contains("webhook-allowed-rate: *"), "{}", answer.head);
}

#[tokio::test]
async fn creates_and_updates_are_read_back() {
    let hook = TestHook::start().await;
    for action in ["Created", "Updated"] {
        let values = [("action", action), ("type", "Patient"), ("version", "2")];
        needs_source(&send(&hook, EVENT, &values).await);
        needs_source(&send(&hook, CLOUD_EVENT, &values).await);
    }
}

#[tokio::test]
async fn deletes_are_deleted_and_other_types_acknowledged() {
    for request in [EVENT, CLOUD_EVENT] {
        let hook = TestHook::start().await;
        let mut patient = crate::hook::patient("p-1", "A");
        patient["meta"] = json!({ "versionId": "2", "lastUpdated": "2024-03-01T09:30:15Z" });
        let put = hook.request(reqwest::Method::PUT, "/fhir/Patient/p-1").json(&patient);
        assert_eq!(crate::hook::answer(put).await.status, 201);
        for _ in 0..2 {
            let values = [("action", "Deleted"), ("type", "Patient"), ("version", "3")];
            assert_eq!(send(&hook, request, &values).await.status, 204);
        }
        assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29"]);
        patient["meta"]["versionId"] = json!("2");
        let put = hook.request(reqwest::Method::PUT, "/fhir/Patient/p-1").json(&patient);
        let late = crate::hook::answer(put).await;
        assert_eq!(late.body["issue"][0]["code"], "informational", "{late:?}");
    }
    let hook = TestHook::start().await;
    let values = [("action", "Created"), ("type", "Observation"), ("version", "1")];
    assert_eq!(send(&hook, EVENT, &values).await.status, 200);
}
