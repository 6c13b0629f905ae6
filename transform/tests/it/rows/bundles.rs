//! Row 55, and what Bundles do.

use reqwest::Method;
use serde_json::{Value, json};

use super::{JSON, asked, of, refused};
use crate::{
    faulty::Fault,
    hook::{Answer, TestHook, events, patient},
};

async fn post(hook: &TestHook, bundle: &Value) -> Answer {
    asked(hook, Method::POST, "/fhir", JSON, bundle.to_string()).await
}

fn entry(method: &str, url: &str, resource: Option<Value>) -> Value {
    let mut entry = json!({ "request": { "method": method, "url": url } });
    if let Some(resource) = resource {
        entry["resource"] = resource;
    }
    entry
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

fn statuses(answer: &Answer) -> Vec<&str> {
    let entries = answer.body["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["response"]["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn row_55_bundles_of_other_types() {
    let hook = TestHook::start().await;
    for kind in ["document", "searchset", "message", "collection"] {
        let text = format!("Bundle type {kind} is not supported.");
        let body = bundle(kind, &[]).to_string();
        let refused = refused(&hook, Method::POST, "/fhir", JSON, body).await;
        assert_eq!(refused, of(400, "not-supported", &text, "Bundle.type"));
    }
    let body = bundle("subscription-notification", &[entry("PUT", "Patient/p-1", Some(patient("p-1", "A")))]);
    assert_eq!(refused(&hook, Method::POST, "/fhir", JSON, body.to_string()).await.1, "invalid");
    let body = patient("p-1", "A").to_string();
    let text = "Body is a Patient, path says Bundle.";
    assert_eq!(refused(&hook, Method::POST, "/fhir", JSON, body).await.2, text);
}

#[tokio::test]
async fn a_transaction_is_queued_in_the_order_delete_post_put() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    hook.put("p-2", &patient("p-2", "A")).await;
    hook.queued().await;
    let mut linked = patient("p-2", "B");
    linked["link"] = json!([{ "other": { "reference": "urn:uuid:new" }, "type": "seealso" }]);
    let mut created = entry("POST", "Patient", Some(patient("x", "New")));
    created["fullUrl"] = json!("urn:uuid:new");
    let answer = post(
        &hook,
        &bundle(
            "transaction",
            &[entry("PUT", "Patient/p-2", Some(linked)), created, entry("DELETE", "Patient/p-1", None)],
        ),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["type"], "transaction-response");
    assert_eq!(statuses(&answer), ["200 OK", "201 Created", "204 No Content"]);
    let queued = hook.queued().await;
    assert_eq!(events(&queued), ["ADT^A29", "ADT^A28", "ADT^A31"]);
}

#[tokio::test]
async fn a_transaction_with_one_bad_entry_queues_nothing() {
    let hook = TestHook::start().await;
    let mut bad = patient("p-2", "B");
    bad["birthDate"] = json!("28.02.1983");
    for (second, status) in [
        (entry("PUT", "Patient/p-2", Some(bad)), 422),
        (entry("PUT", "Patient/p-2", Some(patient("p-9", "B"))), 400),
        (entry("PUT", "Patient/p-1", Some(patient("p-1", "twice"))), 400),
        (entry("POST", "Observation", Some(json!({ "resourceType": "Observation" }))), 400),
        (entry("PATCH", "Patient/p-2", None), 501),
        (entry("GET", "Patient/p-2", None), 501),
        (entry("DELETE", "Patient?identifier=1", None), 501),
        (json!({ "resource": patient("p-2", "B") }), 400),
    ] {
        let entries = [entry("PUT", "Patient/p-1", Some(patient("p-1", "A"))), second];
        let answer = post(&hook, &bundle("transaction", &entries)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.body["resourceType"], "OperationOutcome");
    }
    assert!(hook.queued().await.is_empty());
    assert_eq!(hook.get("p-1").await.status, 404);
}

#[tokio::test]
async fn a_transaction_leaves_out_other_types_where_it_may() {
    let hook = TestHook::start_with(|config| config.skip_unsupported = true).await;
    let other = entry("POST", "Observation", Some(json!({ "resourceType": "Observation" })));
    let entries = [entry("PUT", "Patient/p-1", Some(patient("p-1", "A"))), other];
    assert_eq!(post(&hook, &bundle("transaction", &entries)).await.status, 200);
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_the_queue_cut_in_half_is_whole_after_its_repeat() {
    let hook = TestHook::start().await;
    let version = |id: &str| {
        let mut patient = patient(id, "A");
        patient["meta"] = json!({ "versionId": "4", "lastUpdated": "2024-03-01T09:30:15Z" });
        entry("PUT", &format!("Patient/{id}"), Some(patient))
    };
    let transaction = bundle("transaction", &[version("p-1"), version("p-2")]);
    hook.queue.set(Some(Fault::Wait));
    hook.queue.gate.add_permits(1);
    let cut = async {
        while hook.queue.sends.load(std::sync::atomic::Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        hook.queue.set(Some(Fault::Error(queue::QueueError::Full)));
        hook.queue.gate.close();
    };
    let (answer, ()) = tokio::join!(post(&hook, &transaction), cut);
    assert_ne!(answer.status, 200, "the second one panics or fails at the gate");
    hook.queue.set(None);
    assert_eq!(post(&hook, &transaction).await.status, 200);
    assert_eq!(hook.queued().await.len(), 2, "each of them once");
}

#[tokio::test]
async fn entries_of_a_batch_stand_for_themselves() {
    let hook = TestHook::start().await;
    let mut stale = entry("PUT", "Patient/p-1", Some(patient("p-1", "B")));
    stale["request"]["ifMatch"] = json!("W/\"0\"");
    let mut conditional = entry("POST", "Patient", Some(patient("x", "A")));
    conditional["request"]["ifNoneExist"] = json!("identifier=1");
    let entries = [
        entry("PUT", "Patient/p-1", Some(patient("p-1", "A"))),
        stale,
        entry("POST", "Observation", Some(json!({ "resourceType": "Observation" }))),
        conditional,
        entry("GET", "Patient/p-1", None),
        entry("DELETE", "Patient/never-seen", None),
    ];
    let answer = post(&hook, &bundle("batch", &entries)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["type"]), (200, &json!("batch-response")));
    let expected = [
        "201 Created",
        "412 Precondition Failed",
        "400 Bad Request",
        "412 Precondition Failed",
        "501 Not Implemented",
        "204 No Content",
    ];
    assert_eq!(statuses(&answer), expected);
    assert_eq!(answer.body["entry"][2]["response"]["outcome"]["issue"][0]["code"], "not-supported");
    assert_eq!(events(&hook.queued().await), ["ADT^A28"]);
}

#[tokio::test]
async fn a_history_is_its_newest_entries() {
    let hook = TestHook::start().await;
    let version = |id: &str, version: u32| {
        let mut patient = patient(id, &format!("V{version}"));
        let updated = format!("2024-03-01T09:30:{version:02}Z");
        patient["meta"] = json!({ "versionId": version.to_string(), "lastUpdated": updated });
        entry("PUT", &format!("Patient/{id}"), Some(patient))
    };
    let mut deleted = entry("DELETE", "Patient/p-2", None);
    deleted["response"] =
        json!({ "status": "204", "etag": "W/\"6\"", "lastModified": "2024-03-01T09:30:06Z" });
    let entries = [version("p-1", 3), deleted, version("p-1", 4), version("p-2", 5), version("p-1", 2)];
    let answer = post(&hook, &bundle("history", &entries)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["type"]), (200, &json!("batch-response")));
    assert_eq!(answer.body["entry"].as_array().unwrap().len(), 5);
    assert_eq!(events(&hook.queued().await), ["ADT^A28"], "p-2 was never sent, so its delete is noted only");
    assert_eq!(hook.get("p-1").await.resource()["meta"]["versionId"], "4");
    // What was noted keeps its older versions away.
    post(&hook, &bundle("history", &[version("p-2", 5)])).await;
    assert!(hook.queued().await.is_empty());
    post(&hook, &bundle("history", &[version("p-2", 7)])).await;
    assert_eq!(events(&hook.queued().await), ["ADT^A28"]);
}

#[tokio::test]
async fn a_history_that_the_queue_does_not_take_is_refused_as_a_whole() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Error(queue::QueueError::Full)));
    let history = bundle("history", &[entry("PUT", "Patient/p-1", Some(patient("p-1", "A")))]);
    let answer = post(&hook, &history).await;
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    hook.queue.set(None);
    assert_eq!(post(&hook, &history).await.status, 200);
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn bundles_have_a_most_number_of_entries() {
    let hook = TestHook::start().await;
    let entries: Vec<_> = (0..1001).map(|_| entry("DELETE", "Patient/x", None)).collect();
    let refused = refused(&hook, Method::POST, "/fhir", JSON, bundle("batch", &entries).to_string()).await;
    assert_eq!(refused, of(422, "too-costly", "Bundle has more than 1000 entries.", "Bundle.entry"));
}

#[tokio::test]
async fn metadata_says_what_is_offered() {
    let hook = TestHook::start().await;
    let metadata = asked(&hook, Method::GET, "/fhir/metadata", &[], "").await;
    assert_eq!(
        (metadata.status.as_u16(), &metadata.body["resourceType"]),
        (200, &json!("CapabilityStatement"))
    );
    let patient = &metadata.body["rest"][0]["resource"][0];
    assert_eq!((&patient["type"], &patient["updateCreate"]), (&json!("Patient"), &json!(true)));
}
