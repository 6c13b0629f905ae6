//! Every refusal of the table of errors that the persistence surface knows: status, text, nothing queued.

use reqwest::Method;
use serde_json::{Value, json};

use crate::hook::{Answer, TestHook, answer, patient};

async fn post_raw(hook: &TestHook, content_type: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let mut request = hook.request(Method::POST, "/persistence/Patient").body(body.into());
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    answer(request).await
}

#[tokio::test]
async fn bodies_that_are_no_resource() {
    let hook = TestHook::start().await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let cases: [(&[u8], &str); 12] = [
        (b"{\"resourceType\":", "Body is not valid JSON at line 1 column 16."),
        (b"null", "Body must be a JSON object."),
        (b"[]", "Body must be a JSON object."),
        (b"\"Patient\"", "Body must be a JSON object."),
        (b"{\"resourceType\":\"Patient\",\"id\":\"a\",\"id\":\"b\"}", "Body has a duplicate key at id."),
        (b"{\"resourceType\":\"Patient\",\"x\":\"\xff\"}", "Body is not UTF-8."),
        (deep.as_bytes(), "Body is nested too deeply."),
        (b"", "Body is empty."),
        (b"{}", "resourceType is missing."),
        (b"{\"resourceType\":null}", "resourceType is missing."),
        (b"{\"resourceType\":\"Observation\"}", "Body is a Observation, path says Patient."),
        (b"{\"resourceType\":\"Smith\"}", "Body is a resource of no known type, path says Patient."),
    ];
    for (body, text) in cases {
        let refused = post_raw(&hook, Some("application/json"), body).await;
        assert_eq!(refused.refusal(), (400, text));
    }
    assert!(hook.queued().await.is_empty());
}

#[tokio::test]
async fn formats_that_are_not_json() {
    let hook = TestHook::start().await;
    let body = patient("x", "A").to_string();
    for content_type in ["application/fhir+xml", "text/plain", "application/x-www-form-urlencoded"] {
        let refused = post_raw(&hook, Some(content_type), body.clone()).await;
        let text = format!("Content-Type {content_type} is not supported. Send application/fhir+json.");
        assert_eq!(refused.refusal(), (415, text.as_str()));
    }
    assert_eq!(post_raw(&hook, Some("application/json; charset=latin1"), body.clone()).await.status, 415);
    assert_eq!(post_raw(&hook, None, body.clone()).await.status, 201, "no word about it is JSON");
    assert_eq!(post_raw(&hook, Some("application/fhir+json"), body.clone()).await.status, 201);
    let empty = post_raw(&hook, Some("application/x-www-form-urlencoded"), "").await;
    assert_eq!(empty.refusal(), (400, "Body is empty."));
    let packed =
        hook.request(Method::POST, "/persistence/Patient").header("content-encoding", "gzip").body(body);
    assert_eq!(answer(packed).await.status, 415);
}

#[tokio::test]
async fn answers_that_cannot_be_given() {
    let hook = TestHook::start().await;
    for (accept, status) in [
        ("application/fhir+xml", 406),
        ("text/html", 406),
        ("*/*", 404),
        ("text/plain, */*", 404),
        ("application/fhir+json", 404),
    ] {
        let request = hook.request(Method::GET, "/persistence/Patient/nobody").header("accept", accept);
        assert_eq!(answer(request).await.refusal().0, status, "{accept}");
    }
}

#[tokio::test]
async fn ids_that_do_not_fit() {
    let hook = TestHook::start().await;
    let without = json!({ "resourceType": "Patient" });
    let missing = "Can not update Patient/p-1: body id is missing.";
    let different = "Can not update Patient/p-1: body id is different.";
    let cases: [(&str, Value, &str); 6] = [
        ("p-1", without, missing),
        ("p-1", patient("p-2", "A"), different),
        ("p-1", json!({ "resourceType": "Patient", "id": 1 }), different),
        ("p-1", patient("a b", "A"), "id is not a FHIR id."),
        ("a_b", patient("a_b", "A"), "id is not a FHIR id."),
        ("a%2Fb", patient("a/b", "A"), "id is not a FHIR id."),
    ];
    for (id, resource, text) in cases {
        assert_eq!(hook.put(id, &resource).await.refusal(), (400, text), "{id}");
    }
    let long = "x".repeat(65);
    assert_eq!(hook.get(&long).await.refusal(), (400, "id is not a FHIR id."));
    assert_eq!(hook.delete(&long).await.refusal(), (400, "id is not a FHIR id."));
    assert_eq!(hook.queue.sends.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn content_that_the_mapping_refuses_names_its_place_and_no_value() {
    let hook = TestHook::start().await;
    let cases = [
        (json!({ "birthDate": "28.Secret.1983" }), "Patient.birthDate"),
        (json!({ "name": "Secret" }), "Patient.name"),
        (
            json!({ "modifierExtension": [{ "url": "http://secret", "valueBoolean": true }] }),
            "Patient.modifierExtension",
        ),
    ];
    for (members, place) in cases {
        let mut resource = patient("p-1", "A");
        for (name, value) in members.as_object().unwrap() {
            resource[name] = value.clone();
        }
        let refused = hook.put("p-1", &resource).await;
        let (status, text) = refused.refusal();
        assert_eq!(status, 400);
        assert!(text.starts_with("Unable to parse resource Patient: ") && text.contains(place), "{text}");
        assert!(!text.to_lowercase().contains("secret"), "{text}");
    }
    assert_eq!(hook.get("p-1").await.status, 404, "nothing was remembered");
}

#[tokio::test]
async fn types_and_interactions_that_are_not_offered() {
    let hook = TestHook::start().await;
    for (method, path, status, text) in [
        (Method::POST, "/persistence/Observation", 400, "ResourceType Observation is not supported."),
        (Method::GET, "/persistence/Observation/1", 400, "ResourceType Observation is not supported."),
        (Method::GET, "/persistence/Nonsense/1", 404, "ResourceType Nonsense is not supported."),
        (Method::GET, "/persistence/Patient", 501, "search-type is not supported."),
        (Method::POST, "/persistence/Patient/_search", 501, "_search is not supported."),
        (Method::GET, "/persistence/Patient/1/_history/2", 501, "_history is not supported."),
        (Method::PUT, "/persistence/Patient?identifier=1", 501, "Conditional update is not supported."),
        (Method::DELETE, "/persistence/Patient?identifier=1", 501, "Conditional update is not supported."),
        (Method::GET, "/persistence", 404, "No such path."),
        (Method::GET, "/persistence/Patient/1/2", 404, "No such path."),
    ] {
        let request = hook.request(method.clone(), path).json(&patient("1", "A"));
        assert_eq!(answer(request).await.refusal(), (status, text), "{method} {path}");
    }
}

#[tokio::test]
async fn methods_that_are_not_allowed_say_which_are() {
    let hook = TestHook::start().await;
    for (method, path, allow) in [
        (Method::PATCH, "/persistence/Patient/1", "DELETE, GET, HEAD, PUT"),
        (Method::POST, "/persistence/Patient/1", "DELETE, GET, HEAD, PUT"),
        (Method::TRACE, "/persistence/Patient/1", "DELETE, GET, HEAD, PUT"),
        (Method::PUT, "/persistence/Patient", "POST"),
        (Method::PATCH, "/persistence/Patient", "POST"),
    ] {
        let refused = answer(hook.request(method.clone(), path)).await;
        assert_eq!(refused.refusal(), (405, format!("{method} is not allowed here.").as_str()));
        assert_eq!(refused.headers["allow"], allow);
    }
    let head = answer(hook.request(Method::HEAD, "/persistence/Patient")).await;
    assert_eq!((head.status.as_u16(), head.headers["allow"].to_str().unwrap()), (405, "POST"));
}

#[tokio::test]
async fn conditional_create_is_refused_and_not_ignored() {
    let hook = TestHook::start().await;
    let request = hook.request(Method::POST, "/persistence/Patient").header("if-none-exist", "identifier=1");
    let refused = answer(request.json(&patient("x", "A"))).await;
    assert_eq!(refused.refusal(), (412, "Conditional create is not supported."));
    assert!(hook.queued().await.is_empty());
}
