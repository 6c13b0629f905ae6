//! Senders that know one URL and no path: Medplum and Aidbox.

use serde_json::json;

use super::{said, send};
use crate::hook::{TestHook, events};

const WRITE: &str = include_str!("requests/medplum_write.http");
const DELETE: &str = include_str!("requests/medplum_delete.http");
const AIDBOX: &str = include_str!("requests/aidbox_notification.http");

const ONE: &str = "b7d1a3f0-0000-4c53-9a0a-7f2c1b1e5a6d";
const TWO: &str = "a0000000-0000-4c53-9a0a-7f2c1b1e5a6d";

fn version<'v>(
    interaction: &'v str,
    id: &'v str,
    seconds: &'v str,
    family: &'v str,
) -> [(&'v str, &'v str); 4] {
    [("interaction", interaction), ("version", id), ("seconds", seconds), ("family", family)]
}

#[tokio::test]
async fn medplum_versions_are_uuids_that_compare_by_time() {
    let hook = TestHook::start().await;
    let first = send(&hook, WRITE, &version("create", ONE, "15", "A")).await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert!(first.is_fhir());
    assert!(first.head.contains(&format!("etag: w/\"{ONE}\"")), "{}", first.head);
    assert_eq!(send(&hook, WRITE, &version("update", TWO, "16", "B")).await.status, 200);
    let late = send(&hook, WRITE, &version("update", ONE, "15", "A")).await;
    assert_eq!(said(&late).2, format!("Version {ONE} is older than {TWO}; not sent."));
    assert_eq!(send(&hook, WRITE, &version("update", TWO, "16", "B")).await.status, 200);
    let queued = hook.queued().await;
    assert_eq!(events(&queued), ["ADT^A28", "ADT^A31"]);
    let trace = queued[0].envelope.attributes.traceparent.as_deref().unwrap();
    assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{trace}");
}

#[tokio::test]
async fn medplum_deletes_with_an_empty_object_and_a_header() {
    let hook = TestHook::start().await;
    send(&hook, WRITE, &version("create", ONE, "15", "A")).await;
    for _ in 0..2 {
        let deleted = send(&hook, DELETE, &[]).await;
        assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    }
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29"]);
}

#[tokio::test]
async fn aidbox_sends_a_bundle_of_events() {
    let hook = TestHook::start().await;
    for round in 0..2 {
        let answer = send(&hook, AIDBOX, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let bundle = answer.json();
        assert_eq!(
            (&bundle["type"], bundle["entry"].as_array().unwrap().len()),
            (&json!("batch-response"), 3)
        );
        assert_eq!(hook.queued().await.len(), if round == 0 { 2 } else { 0 });
    }
    assert_eq!(hook.get("p-1").await.resource()["meta"]["versionId"], "31");
}
