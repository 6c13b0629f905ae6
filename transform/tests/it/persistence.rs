//! The contract of the persistence surface: create, read, update, delete, as FHIR Works on AWS calls them.

use message_store::{MessageStore, OrderingKey, PatientKey};
use reqwest::Method;
use serde_json::json;
use transform::OrderingScope;

use crate::hook::{TestHook, answer, events, patient};

#[tokio::test]
async fn create_answers_201_with_the_resource_in_the_envelope() {
    let hook = TestHook::start().await;
    let created = hook
        .post(&json!({ "resourceType": "Patient", "id": "theirs", "name": [{ "family": "Chalmers" }] }))
        .await;
    assert_eq!(created.status, 201);
    let id = created.id();
    assert!(id != "theirs" && id.len() == 36, "the server names a new resource: {id}");
    let resource = created.resource();
    assert_eq!(resource["name"][0]["family"], "Chalmers");
    assert_eq!(resource["meta"]["versionId"], "1");
    assert!(resource["meta"]["lastUpdated"].is_string());
    assert_eq!(created.body["message"], "");
    assert_eq!(created.headers["location"], format!("/persistence/Patient/{id}"));
    assert_eq!(created.headers["etag"], "W/\"1\"");
    assert!(created.headers["last-modified"].to_str().unwrap().ends_with(" GMT"));
}

#[tokio::test]
async fn the_signature_of_an_aws_client_is_tolerated() {
    let hook = TestHook::start_with(|config| config.base_path = "/prod".to_owned()).await;
    let request = hook
        .request(Method::POST, "/prod/persistence/Patient")
        .header("content-type", "application/json;charset=utf-8")
        .header("x-amz-date", "20240301T093015Z")
        .header("x-amz-security-token", "token")
        .header("user-agent", "axios/0.20.0")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIA/20240301/us-east-1/execute-api/aws4_request, \
             SignedHeaders=content-length;content-type;host;x-amz-date, Signature=00",
        )
        .body(patient("x", "Chalmers").to_string());
    let created = answer(request).await;
    assert_eq!(created.status, 201);
    let location = created.headers["location"].to_str().unwrap().to_owned();
    assert!(location.starts_with("/prod/persistence/Patient/"));
    assert_eq!(answer(hook.request(Method::GET, &location)).await.status, 200);
}

#[tokio::test]
async fn the_base_path_and_the_last_slash_are_both_optional() {
    let hook = TestHook::start_with(|config| config.base_path = "/prod/".to_owned()).await;
    for path in ["/prod/persistence/Patient", "/prod/persistence/Patient/", "/persistence/Patient"] {
        let created = answer(hook.request(Method::POST, path).json(&patient("x", "A"))).await;
        assert_eq!(created.status, 201, "{path}");
        let id = created.id();
        for path in [format!("/prod/persistence/Patient/{id}/"), format!("/persistence/Patient/{id}")] {
            assert_eq!(answer(hook.request(Method::GET, &path)).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_read_right_after_a_write_sees_it() {
    let hook = TestHook::start().await;
    let id = hook.post(&patient("x", "First")).await.id().to_owned();
    assert_eq!(hook.get(&id).await.resource()["name"][0]["family"], "First");
    hook.deliver(&id).await;
    assert_eq!(hook.put(&id, &patient(&id, "Second")).await.status, 200);
    let read = hook.get(&id).await;
    assert_eq!(read.resource()["name"][0]["family"], "Second", "before it is delivered");
    assert_eq!(read.resource()["meta"]["versionId"], "2");
    hook.deliver(&id).await;
    let read = hook.get(&id).await;
    assert_eq!(read.resource()["name"][0]["family"], "Second", "and after");
    assert_eq!(read.headers["etag"], "W/\"2\"");
}

#[tokio::test]
async fn reading_is_what_was_answered_to_the_write() {
    let hook = TestHook::start().await;
    let written = hook.put("p-1", &patient("p-1", "O'Brien|X^~\\&Y")).await;
    assert_eq!(written.resource()["name"][0]["family"], "O'Brien|X^~\\&Y");
    assert_eq!(hook.get("p-1").await.resource(), written.resource());
    hook.deliver("p-1").await;
    assert_eq!(hook.get("p-1").await.resource(), written.resource());
}

#[tokio::test]
async fn update_is_201_for_a_new_patient_and_200_for_a_known_one() {
    let hook = TestHook::start().await;
    assert_eq!(hook.put("p-1", &patient("p-1", "A")).await.status, 201);
    let second = hook.put("p-1", &patient("p-1", "B")).await;
    assert_eq!(second.status, 200);
    assert!(!second.headers.contains_key("location"));
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A31"]);
}

#[tokio::test]
async fn a_patient_known_only_from_the_message_store_is_known() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "Elsewhere")).await;
    let body = hook.queued().await.remove(0).envelope.body;
    let other = TestHook::start().await;
    let key = PatientKey::new("p-1").unwrap();
    other.store.put_current(&key, &OrderingKey::new("1").unwrap(), body.into()).await.unwrap();
    let read = other.get("p-1").await;
    assert_eq!(read.resource()["name"][0]["family"], "Elsewhere");
    assert!(read.resource().get("meta").is_none(), "no version is known, so no meta: {read:?}");
    assert!(!read.headers.contains_key("etag"));
    assert_eq!(other.put("p-1", &patient("p-1", "B")).await.status, 200);
    assert_eq!(events(&other.queued().await), ["ADT^A31"]);
}

#[tokio::test]
async fn a_newer_delivered_message_of_somebody_else_counts() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "Ours")).await;
    let other = TestHook::start().await;
    other.put("p-1", &patient("p-1", "Theirs")).await;
    let body = other.queued().await.remove(0).envelope.body;
    let key = PatientKey::new("p-1").unwrap();
    hook.store.put_current(&key, &OrderingKey::new("9").unwrap(), body.into()).await.unwrap();
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "Theirs");
}

#[tokio::test]
async fn delete_is_read_delete_gone() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    assert_eq!(hook.get("p-1").await.status, 200);
    let deleted = hook.delete("p-1").await;
    assert!(deleted.status.is_success());
    assert_eq!(deleted.resource(), &json!({}));
    for delivered in [false, true] {
        if delivered {
            assert_eq!(events(&hook.deliver("p-1").await), ["ADT^A28", "ADT^A29"]);
        }
        let gone = hook.get("p-1").await;
        assert_eq!(gone.refusal(), (404, "Unable to find resource Patient with p-1"));
    }
}

#[tokio::test]
async fn deleting_twice_sends_one_message_and_deleting_the_unknown_none() {
    let hook = TestHook::start().await;
    assert!(hook.delete("p-1").await.status.is_success());
    assert_eq!(hook.get("p-1").await.status, 404);
    hook.put("p-1", &patient("p-1", "A")).await;
    hook.delete("p-1").await;
    assert!(hook.delete("p-1").await.status.is_success());
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29"]);
}

#[tokio::test]
async fn a_patient_written_after_a_delete_is_created_again() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    hook.delete("p-1").await;
    let again = hook.put("p-1", &patient("p-1", "B")).await;
    assert_eq!(again.status, 201);
    assert_eq!(again.resource()["meta"]["versionId"], "3");
    assert_eq!(hook.get("p-1").await.resource()["name"][0]["family"], "B");
    assert_eq!(events(&hook.queued().await), ["ADT^A28", "ADT^A29", "ADT^A28"]);
}

#[tokio::test]
async fn an_unknown_patient_is_404_with_an_object() {
    let hook = TestHook::start().await;
    assert_eq!(hook.get("nobody").await.refusal(), (404, "Unable to find resource Patient with nobody"));
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "A")).await;
    let head = answer(hook.request(Method::HEAD, "/persistence/Patient/p-1")).await;
    assert_eq!((head.status.as_u16(), head.body), (200, json!("")));
    assert_eq!(head.headers["etag"], "W/\"1\"");
}

#[tokio::test]
async fn meta_is_whole_whatever_the_client_sent() {
    let hook = TestHook::start().await;
    for meta in [json!({ "profile": ["http://example.org/p"] }), json!({ "versionId": "7" }), json!(null)] {
        let mut resource = patient("p-1", "A");
        resource["meta"] = meta;
        let written = hook.put("p-1", &resource).await;
        let meta = &written.resource()["meta"];
        assert!(meta["versionId"].is_string() && meta["lastUpdated"].is_string(), "{written:?}");
    }
    let messages = hook.queued().await;
    let ids: std::collections::HashSet<_> =
        messages.iter().map(|delivery| &delivery.envelope.attributes.control_id).collect();
    assert_eq!(ids.len(), 3, "a version that the client has read does not name its write");
}

#[tokio::test]
async fn health_answers_with_and_without_the_base_path() {
    let hook = TestHook::start_with(|config| config.base_path = "/prod".to_owned()).await;
    for path in ["/livez", "/readyz", "/prod/livez", "/prod/readyz"] {
        assert_eq!(answer(hook.request(Method::GET, path)).await.status, 200, "{path}");
    }
    hook.store.away.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(answer(hook.request(Method::GET, "/readyz")).await.status, 503);
    assert_eq!(answer(hook.request(Method::GET, "/livez")).await.status, 200);
}

#[tokio::test]
async fn the_delete_message_says_who_it_was_and_when() {
    let hook = TestHook::start().await;
    hook.put("p-1", &patient("p-1", "Chalmers")).await;
    hook.delete("p-1").await;
    let queued = hook.queued().await;
    let segment = |index: usize, name: &str| {
        let body = &queued[index].envelope.body;
        body.split('\r').find(|segment| segment.starts_with(name)).unwrap().to_owned()
    };
    assert!(segment(1, "PID").contains("|Chalmers"), "{}", segment(1, "PID"));
    assert!(segment(1, "EVN") > segment(0, "EVN"), "a receiver that compares times takes the delete");
}

#[tokio::test]
async fn a_merge_reads_back_as_the_retired_record_and_leaves_the_survivor() {
    let hook = TestHook::start().await;
    hook.put("p-204", &patient("p-204", "Survivor")).await;
    hook.put("p-9", &patient("p-9", "Retired")).await;
    let mut retired = patient("p-9", "Retired");
    retired["link"] = json!([{ "other": { "reference": "Patient/p-204" }, "type": "replaced-by" }]);
    assert_eq!(hook.put("p-9", &retired).await.status, 200);
    let queued = hook.queued().await;
    assert_eq!(events(&queued).last(), Some(&"ADT^A40"));
    let merge = &queued.last().unwrap().envelope.body;
    let pid = merge.split('\r').find(|segment| segment.starts_with("PID")).unwrap();
    assert!(pid.contains("p-204^^^") && pid.contains("Survivor"), "the survivor was looked up: {pid}");
    let read = hook.get("p-9").await;
    assert_eq!(read.resource()["active"], false);
    assert_eq!(read.resource()["link"][0]["other"]["reference"], "Patient/p-204");
    assert_eq!(hook.get("p-204").await.resource()["name"][0]["family"], "Survivor");
}

#[tokio::test]
async fn mrg_k_ordering_by_destination_puts_every_patient_into_one_group() {
    let groups = async |ordering: OrderingScope| {
        let hook = TestHook::start_with(|config| config.ordering = ordering).await;
        for id in ["p-204", "p-9"] {
            assert_eq!(hook.put(id, &patient(id, "Chalmers")).await.status, 201);
        }
        let groups = hook.queued().await.into_iter().map(|delivery| delivery.envelope.group);
        groups.collect::<std::collections::HashSet<_>>().len()
    };
    assert_eq!(groups(OrderingScope::Patient).await, 2);
    assert_eq!(groups(OrderingScope::Destination).await, 1);
}

#[tokio::test]
async fn a_stored_message_is_utf_8_whatever_character_set_it_names() {
    let hook = TestHook::start().await;
    let message = "MSH|^~\\&|A|B|C|D|20240301093015+0000||ADT^A28^ADT_A05|1|T|2.5.1||||||8859/1\r\
                   EVN||20240301093015+0000\rPID|1||p-9^^^FHIR^FW||Bénédicte\rPV1|1|N\r";
    let order = OrderingKey::new("2024-03-01T09:30:15Z").unwrap();
    hook.store.put_current(&PatientKey::new("p-9").unwrap(), &order, message.into()).await.unwrap();
    assert_eq!(hook.get("p-9").await.resource()["name"][0]["family"], "Bénédicte");
}
