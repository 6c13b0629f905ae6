//! Bodies that are kept instead of refused.

use message_store::{MessageStore, RefusedKey};
use reqwest::Method;
use serde_json::json;
use transform::OnRefused;

use crate::{
    hook::{TestHook, patient},
    rows::{JSON, asked},
};

#[tokio::test]
async fn a_body_refused_for_good_is_kept_with_its_reason_and_answered_202() {
    let hook = TestHook::start_with(|config| config.on_refused = OnRefused::Park).await;
    let mut bad = patient("p-1", "Canary");
    bad["birthDate"] = json!("28.02.1983");
    let bodies = [
        (
            "/fhir/Patient/p-1",
            Method::PUT,
            bad.to_string(),
            "status: 422",
            "Patient.birthDate is not a FHIR date.",
        ),
        ("/hook", Method::POST, "{\"resourceType\":".to_owned(), "status: 400", "Body is not valid JSON"),
        (
            "/fhir",
            Method::POST,
            json!({ "resourceType": "Bundle", "type": "history", "entry": [
                { "resource": bad, "request": { "method": "PUT", "url": "Patient/p-1" } },
                { "resource": patient("p-2", "Good"), "request": { "method": "PUT", "url": "Patient/p-2" } },
            ] })
            .to_string(),
            "status: 422",
            "Bundle.entry[0]",
        ),
    ];
    for (path, method, body, status, reason) in bodies {
        for _ in 0..2 {
            let answer = asked(&hook, method.clone(), path, JSON, body.clone()).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["issue"][0]["severity"]),
                (202, &json!("information"))
            );
        }
        let kept = hook.store.refused(&RefusedKey::of(body.as_bytes())).await.unwrap().unwrap();
        let kept = String::from_utf8(kept.to_vec()).unwrap();
        let (head, content) = kept.split_once("\n\n").unwrap();
        assert_eq!(content, body);
        assert!(head.starts_with("refused 1\n") && head.contains(status) && head.contains(reason), "{head}");
        assert!(!head.contains("Canary") && !head.contains("p-1"), "{head}");
    }
    assert_eq!(hook.queued().await.len(), 1, "what is good in a bundle is sent");
}

#[tokio::test]
async fn what_may_pass_and_what_the_operator_must_mend_is_refused_all_the_same() {
    let hook = TestHook::start_with(|config| config.on_refused = OnRefused::Park).await;
    assert_eq!(asked(&hook, Method::PUT, "/fhir/Patient/p-1", &[], "").await.status, 501);
    assert_eq!(asked(&hook, Method::GET, "/fhir/Patient/p-1", &[], "").await.status, 404);
    hook.queue.set(Some(crate::faulty::Fault::Error(queue::QueueError::Full)));
    let body = patient("p-1", "A").to_string();
    assert_eq!(asked(&hook, Method::PUT, "/fhir/Patient/p-1", JSON, body).await.status, 503);
    let sample = hook.put("p-1", &json!({ "resourceType": "Patient", "id": "p-1", "name": "x" })).await;
    assert_eq!(sample.status, 400, "the router of FHIR Works does not repeat");
}

#[tokio::test]
async fn a_body_that_cannot_be_kept_is_refused() {
    let hook = TestHook::start_with(|config| config.on_refused = OnRefused::Park).await;
    hook.store.away.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(asked(&hook, Method::POST, "/hook", JSON, "[").await.status, 400);
}
