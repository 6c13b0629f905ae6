//! FHIR Works on AWS: the persistence API behind its router, and its Subscriptions.

use serde_json::json;

use super::{needs_source, send};
use crate::hook::{TestHook, events};

const CREATE: &str = include_str!("requests/fhir_works_create.http");
const READ: &str = include_str!("requests/fhir_works_read.http");
const UPDATE: &str = include_str!("requests/fhir_works_update.http");
const DELETE: &str = include_str!("requests/fhir_works_delete.http");
const ID_ONLY: &str = include_str!("requests/fhir_works_subscription_id_only.http");
const EMPTY: &str = include_str!("requests/fhir_works_subscription_empty.http");

async fn prod() -> TestHook {
    TestHook::start_with(|config| config.base_path = "/prod/".to_owned()).await
}

#[tokio::test]
async fn the_router_creates_reads_updates_and_deletes() {
    let hook = prod().await;
    let created = send(&hook, CREATE, &[]).await;
    assert_eq!(created.status, 201);
    let id = created.json()["resource"]["id"].as_str().unwrap().to_owned();
    assert_ne!(id, "example");
    assert_eq!(created.json()["message"], "");
    let values = [("id", id.as_str())];

    let read = send(&hook, READ, &values).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.json(), created.json());
    // The one-element array of the original's example, taken for the object it should be.
    assert_eq!(read.json()["resource"]["contact"][0]["name"]["family"], "du Marché");

    let updated = send(&hook, UPDATE, &values).await;
    assert_eq!((updated.status, &updated.json()["resource"]["meta"]["versionId"]), (200, &json!("2")));
    assert_eq!(send(&hook, DELETE, &values).await.status, 200);
    let gone = send(&hook, READ, &values).await;
    let text = format!("Unable to find resource Patient with {id}");
    assert_eq!((gone.status, gone.json()), (404, json!({ "resource": {}, "message": text })));
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31", "ADT^A29"]);
}

#[tokio::test]
async fn every_answer_is_one_that_the_router_understands() {
    let hook = prod().await;
    for (request, values) in [
        (CREATE, vec![]),
        (READ, vec![("id", "unknown")]),
        (UPDATE, vec![("id", "new")]),
        (DELETE, vec![("id", "new")]),
    ] {
        let answer = send(&hook, request, &values).await;
        let body = answer.json();
        assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
        assert!(body["resource"].is_object() && body["message"].is_string(), "{body}");
        assert!(![204, 302, 304, 410].contains(&answer.status));
        let meta = &body["resource"]["meta"];
        assert_eq!(meta["versionId"].is_string(), meta["lastUpdated"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_subscription_names_the_patient_in_the_path_and_sends_a_form_of_no_bytes() {
    needs_source(&send(&prod().await, ID_ONLY, &[]).await);
}

#[tokio::test]
async fn a_subscription_without_payload_sends_nothing_at_all() {
    needs_source(&send(&prod().await, EMPTY, &[]).await);
}
