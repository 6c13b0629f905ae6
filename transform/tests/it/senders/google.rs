//! Google Cloud Healthcare API over Pub/Sub push.

use data_encoding::BASE64;
use serde_json::json;

use super::{Raw, needs_source, send};
use crate::hook::{TestHook, events};

const PUSH: &str = include_str!("requests/pub_sub.http");
const NAME: &str =
    "projects/example/locations/us-central1/datasets/hospital/fhirStores/main/fhir/Patient/p-1";

async fn push(hook: &TestHook, action: &str, payload: &str, time: &str, data: &str) -> Raw {
    let data = BASE64.encode(data.as_bytes());
    let values =
        [("action", action), ("payload", payload), ("time", time), ("type", "Patient"), ("data", &data)];
    send(hook, PUSH, &values).await
}

fn patient(family: &str, version: &str, time: &str) -> String {
    json!({ "resourceType": "Patient", "id": "p-1", "meta": { "versionId": version, "lastUpdated": time },
        "name": [{ "family": family }] })
    .to_string()
}

#[tokio::test]
async fn full_resources_are_written_newest_last() {
    let hook = TestHook::start().await;
    let (one, two) = ("2024-03-01T09:30:15.456Z", "2024-03-01T09:31:15.456Z");
    let newer = patient("B", "MTcwOTI4NTQ3NTQ1NjAwMDAwMA", two);
    for (action, data) in [
        ("UpdateResource", &newer),
        ("CreateResource", &patient("A", "MTcwOTI4NTQxNTQ1NjAwMDAwMA", one)),
        ("PatchResource", &newer),
    ] {
        let answer = push(&hook, action, "FullResource", one, data).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text);
    }
    assert_eq!(events(&hook.queued().await), ["ADT^A28"], "the older one and the repeat are acknowledged");
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "B");
}

#[tokio::test]
async fn names_are_read_back() {
    let hook = TestHook::start().await;
    needs_source(&push(&hook, "UpdateResource", "NameOnly", "2024-03-01T09:30:15.456Z", NAME).await);
}

#[tokio::test]
async fn deletes_come_with_the_name_or_with_the_resource_as_it_was() {
    let time = "2024-03-01T09:30:15.456Z";
    let was = patient("A", "MTcwOTI4NTQxNTQ1NjAwMDAwMA", time);
    for (payload, data) in [("NameOnly", NAME), ("FullResource", was.as_str())] {
        let hook = TestHook::start().await;
        push(&hook, "CreateResource", "FullResource", time, &was).await;
        let deleted = push(&hook, "DeleteResource", payload, "2024-03-01T09:32:00Z", data).await;
        assert_eq!(deleted.status, 204, "{payload}: {}", deleted.text);
        assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29"], "{payload}");
    }
}

#[tokio::test]
async fn other_types_are_acknowledged_and_not_sent() {
    let hook = TestHook::start().await;
    let values = [
        ("action", "CreateResource"),
        ("payload", "NameOnly"),
        ("time", "2024-03-01T09:30:15Z"),
        ("type", "Observation"),
        ("data", "eA=="),
    ];
    assert_eq!(send(&hook, PUSH, &values).await.status, 200);
    assert!(hook.queued().await.is_empty());
}
