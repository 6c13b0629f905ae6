//! HAPI FHIR and Smile CDR: Subscriptions with payload, without, with a search, and by topic.

use serde_json::json;

use super::{Raw, needs_source, said, send};
use crate::hook::{TestHook, events};

const UPDATE: &str = include_str!("requests/hapi_update.http");
const DELETE: &str = include_str!("requests/hapi_delete.http");
const NO_PAYLOAD: &str = include_str!("requests/hapi_no_payload.http");
const SEARCH: &str = include_str!("requests/hapi_search_criteria.http");
const TOPIC_R4: &str = include_str!("requests/hapi_topic_r4.http");
const TOPIC_R5: &str = include_str!("requests/hapi_topic_r5.http");

async fn deliver(hook: &TestHook, version: &str, family: &str) -> Raw {
    let seconds = format!("{:0>2}", version);
    let values = [("id", "p-1"), ("version", version), ("seconds", &seconds), ("family", family)];
    let answer = send(hook, UPDATE, &values).await;
    assert!(answer.is_fhir(), "HAPI parses every JSON answer as a resource: {}", answer.text);
    answer
}

#[tokio::test]
async fn if_match_is_the_version_that_is_delivered() {
    let hook = TestHook::start().await;
    let first = deliver(&hook, "1", "A").await;
    assert_eq!(first.status, 201);
    assert!(first.head.contains("etag: w/\"1\""), "{}", first.head);
    assert!(first.head.contains("location: /fhir/patient/p-1/_history/1"), "{}", first.head);
    assert_eq!(deliver(&hook, "2", "B").await.status, 200);
    let jump = deliver(&hook, "7", "C").await;
    assert_eq!((jump.status, &jump.json()["meta"]["versionId"]), (200, &json!("7")));
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31", "ADT^A31"]);
}

#[tokio::test]
async fn a_version_that_comes_twice_is_sent_once() {
    let hook = TestHook::start().await;
    let first = deliver(&hook, "3", "A").await;
    let again = deliver(&hook, "3", "A").await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json(), "the same answer as before");
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn a_version_that_comes_late_is_not_sent() {
    let hook = TestHook::start().await;
    deliver(&hook, "10", "New").await;
    let late = deliver(&hook, "9", "Old").await;
    let expected = (200, "informational".to_owned(), "Version 9 is older than 10; not sent.".to_owned());
    assert_eq!(said(&late), expected);
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn evn_2_is_the_time_of_the_version_and_msh_10_its_name() {
    let (one, two) = (TestHook::start().await, TestHook::start().await);
    for hook in [&one, &two] {
        deliver(hook, "4", "A").await;
    }
    let (one, two) = (one.queued().await.remove(0).envelope, two.queued().await.remove(0).envelope);
    assert!(one.body.contains("EVN||20240301093004"), "{}", one.body);
    assert_eq!(one.body, two.body, "whoever takes the delivery makes the same message");
    assert_eq!(one.deduplication_id, two.deduplication_id);
    assert!(one.attributes.control_id.len() <= 20);
    assert_eq!(one.attributes.version, Some(4));
}

#[tokio::test]
async fn a_delete_is_answered_2xx_however_often_it_comes() {
    let hook = TestHook::start().await;
    deliver(&hook, "1", "A").await;
    for _ in 0..2 {
        let deleted = send(&hook, DELETE, &[("id", "p-1")]).await;
        assert!(deleted.status == 204 && deleted.is_fhir());
    }
    assert_eq!(send(&hook, DELETE, &[("id", "never-seen")]).await.status, 204);
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29"]);
}

#[tokio::test]
async fn after_a_delete_old_versions_stay_away_and_a_new_one_is_a_create() {
    let hook = TestHook::start().await;
    let wall: std::time::SystemTime = "2024-03-01T09:30:05Z".parse::<jiff::Timestamp>().unwrap().into();
    hook.hands.set_back(wall.elapsed().unwrap());
    deliver(&hook, "2", "A").await;
    send(&hook, DELETE, &[("id", "p-1")]).await;
    for late in ["1", "2", "3"] {
        // Version 3 is from before the delete, which told no version of its own.
        assert_eq!(said(&deliver(&hook, late, "A").await).1, "informational", "{late}");
    }
    let again = deliver(&hook, "59", "B").await;
    assert_eq!(again.status, 201);
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29", "ADT^A28"]);
}

#[tokio::test]
async fn a_subscription_without_payload_posts_nothing() {
    needs_source(&send(&TestHook::start().await, NO_PAYLOAD, &[]).await);
}

#[tokio::test]
async fn a_payload_by_search_is_a_transaction() {
    let hook = TestHook::start().await;
    let answer = send(&hook, SEARCH, &[]).await;
    assert_eq!(answer.status, 200);
    let bundle = answer.json();
    assert_eq!(
        (&bundle["resourceType"], &bundle["type"]),
        (&json!("Bundle"), &json!("transaction-response"))
    );
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 2);
    assert_eq!(bundle["entry"][0]["response"]["etag"], "W/\"3\"");
    assert_eq!(hook.queued().await.len(), 2);
}

#[tokio::test]
async fn topics_send_a_status_and_the_resource_whatever_the_bundle_is_called() {
    for kind in ["history", "transaction", "subscription-notification"] {
        let hook = TestHook::start().await;
        let answer = send(&hook, TOPIC_R4, &[("type", kind)]).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text);
        let bundle = answer.json();
        assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("batch-response")));
        assert_eq!(bundle["entry"].as_array().unwrap().len(), 2, "one for each that was sent");
        assert_eq!(events(&hook.queued().await), ["ADT^A28"]);
        assert_eq!(hook.get("p-1").await.resource()["meta"]["versionId"], "2");
    }
}

#[tokio::test]
async fn r5_topics_send_a_subscription_status_and_what_belongs_to_it() {
    let hook = TestHook::start().await;
    send(&hook, TOPIC_R4, &[("type", "history")]).await;
    let answer = send(&hook, TOPIC_R5, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31"], "the organization is not ours");
    for _ in 0..2 {
        assert_eq!(send(&hook, TOPIC_R5, &[]).await.status, 200);
    }
    assert!(hook.queued().await.is_empty(), "a repeat is not sent again");
}
