//! Notifications without the resource: what is promised, what is asked of the source, and what becomes of it.

use std::{sync::Arc, time::Duration};

use message_store::{MemoryStore, MessageStore};
use queue::{MemoryConfig, MemoryQueue};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use transform::{HookConfig, JobsConfig};

use crate::{
    hook::{Answer, TestHook, answer, events, patient},
    source::{FakeSource, endless, resource, searchset, status},
};

const DEADLINE: Duration = Duration::from_secs(20);

fn times() -> JobsConfig {
    JobsConfig { lease: Duration::from_secs(1), scan: Duration::from_millis(100) }
}

async fn with_source(source: &FakeSource) -> TestHook {
    let config = source.config();
    TestHook::start_with(|hook| set(hook, config)).await
}

fn set(hook: &mut HookConfig, source: transform::SourceConfig) {
    hook.source = vec![source];
    hook.jobs = times();
}

/// As FHIR Works on AWS sends it: no body, and the content type of a form.
async fn notify(hook: &TestHook, id: &str) -> Answer {
    let request = hook.request(Method::PUT, &format!("/fhir/Patient/{id}"));
    answer(request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("")).await
}

async fn state(hook: &TestHook) -> Value {
    answer(hook.request(Method::GET, "/readyz?verbose")).await.body["sources"]["main"].clone()
}

/// Waits until the jobs are as said.
async fn until(hook: &TestHook, pending: u64, parked: u64) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let state = state(hook).await;
        if state["jobs"]["pending"] == pending && state["jobs"]["parked"] == parked {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn version(id: &str, family: &str, version: &str) -> Value {
    let mut patient = patient(id, family);
    patient["meta"] = json!({ "versionId": version, "lastUpdated": format!("2024-03-0{version}T10:00:00Z") });
    patient
}

#[tokio::test]
async fn row_51_without_a_source_nothing_is_promised() {
    let hook = TestHook::start().await;
    let empty_post = answer(hook.request(Method::POST, "/fhir").body("")).await;
    for refused in [notify(&hook, "p-1").await, empty_post] {
        assert_eq!(refused.status, 501);
        assert_eq!(refused.body["issue"][0]["code"], "not-supported");
        assert_eq!(refused.body["issue"][0]["diagnostics"], "Id-only notifications need a source server.");
    }
}

#[tokio::test]
async fn an_id_is_promised_read_and_passed_on_with_the_version_of_the_source() {
    let source = FakeSource::start(|_| resource(&version("p-1", "Source", "3"))).await;
    let hook = with_source(&source).await;
    let promised = notify(&hook, "p-1").await;
    assert_eq!(promised.status, 202);
    assert_eq!(promised.body["resourceType"], "OperationOutcome");
    until(&hook, 0, 0).await;
    let queued = hook.queued().await;
    assert_eq!(events(&queued), ["ADT^A28"]);
    assert!(queued[0].envelope.body.contains("Source"));
    let asked = source.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("GET", "/r4/Patient/p-1"));
    assert_eq!(asked[0].headers[header::ACCEPT], "application/fhir+json");
    assert!(!asked[0].headers.contains_key(header::AUTHORIZATION));

    // The same version again is read, and not sent; an older one neither.
    for (family, told) in [("Source", "3"), ("Older", "2")] {
        source.answer(move |_| resource(&version("p-1", family, told)));
        notify(&hook, "p-1").await;
        until(&hook, 0, 0).await;
    }
    assert_eq!(source.asked().len(), 3);
    assert!(hook.queued().await.is_empty());
}

#[tokio::test]
async fn a_bearer_token_goes_along_as_the_file_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let source = FakeSource::start(|_| status(404)).await;
    let mut config = source.config();
    config.credentials = transform::CredentialsConfig::Bearer { token_file: file.clone() };
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    notify(&hook, "p-1").await;
    until(&hook, 0, 0).await;
    std::fs::write(&file, "second").unwrap();
    notify(&hook, "p-2").await;
    until(&hook, 0, 0).await;
    let sent: Vec<_> =
        source.asked().iter().map(|asked| asked.headers[header::AUTHORIZATION].clone()).collect();
    assert_eq!(sent, ["Bearer first", "Bearer second"]);
}

#[tokio::test]
async fn row_53_credentials_that_are_refused_park_the_job() {
    for code in [401, 403] {
        let source = FakeSource::start(move |_| status(code)).await;
        let hook = with_source(&source).await;
        assert_eq!(notify(&hook, "p-1").await.status, 202);
        until(&hook, 0, 1).await;
        assert_eq!(source.asked().len(), 1, "{code}: not tried again");
        let reasons = state(&hook).await["jobs"]["reasons"].to_string();
        assert!(reasons.contains(&format!("the source answers {code}")), "{reasons}");
        assert!(hook.queued().await.is_empty());
    }
}

#[tokio::test]
async fn row_53_what_is_gone_is_no_delete() {
    let source = FakeSource::start(|_| resource(&version("p-1", "Kept", "1"))).await;
    let hook = with_source(&source).await;
    notify(&hook, "p-1").await;
    until(&hook, 0, 0).await;
    assert_eq!(hook.queued().await.len(), 1);
    for code in [404, 410] {
        source.answer(move |_| status(code));
        notify(&hook, "p-1").await;
        until(&hook, 0, 0).await;
    }
    assert_eq!(source.asked().len(), 3);
    assert!(hook.queued().await.is_empty());
    assert_eq!(answer(hook.request(Method::GET, "/fhir/Patient/p-1")).await.status, 200);
}

#[tokio::test]
async fn row_53_an_outage_is_retried() {
    let source = FakeSource::start(|_| status(503)).await;
    let hook = with_source(&source).await;
    notify(&hook, "p-1").await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while source.asked().is_empty() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    source.answer(|_| resource(&version("p-1", "Late", "1")));
    until(&hook, 0, 0).await;
    assert_eq!(events(&hook.queued().await), ["ADT^A28"]);
    assert_eq!(source.asked().len(), 2);
}

#[tokio::test]
async fn row_53_an_answer_that_is_something_else_parks_the_job() {
    let answers: [fn() -> axum::response::Response; 6] = [
        || resource(&patient("p-2", "Other")),
        || resource(&json!({ "resourceType": "Observation", "id": "p-1" })),
        || resource(&json!([patient("p-1", "List")])),
        || axum::response::IntoResponse::into_response("<Patient/>"),
        || {
            axum::response::IntoResponse::into_response(
                "{\"resourceType\":\"Patient\",\"id\":\"p-1\",\"id\":\"p-1\"}",
            )
        },
        || resource(&json!({ "resourceType": "Patient", "id": "p-1", "gender": "M" })),
    ];
    for (index, body) in answers.into_iter().enumerate() {
        let source = FakeSource::start(move |_| body()).await;
        let hook = with_source(&source).await;
        notify(&hook, "p-1").await;
        until(&hook, 0, 1).await;
        assert!(hook.queued().await.is_empty(), "answer {index}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakeSource::start(|_| resource(&patient("p-1", "Elsewhere"))).await;
    let place = format!("{}/r4/Patient/p-1", elsewhere.origin);
    for code in [301, 302, 303, 307, 308] {
        let place = place.clone();
        let source = FakeSource::start(move |_| {
            let mut answer = status(code);
            answer.headers_mut().insert(header::LOCATION, place.parse().unwrap());
            answer
        })
        .await;
        let hook = with_source(&source).await;
        notify(&hook, "p-1").await;
        until(&hook, 0, 1).await;
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_answer_over_the_limit_parks_the_job() {
    for announced in [true, false] {
        let source = FakeSource::start(move |_| {
            let large = version("p-1", &"x".repeat(20_000), "1").to_string();
            if announced {
                return axum::response::IntoResponse::into_response(large);
            }
            let chunks = large
                .into_bytes()
                .chunks(1000)
                .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                .collect::<Vec<_>>();
            axum::response::IntoResponse::into_response(axum::body::Body::from_stream(futures::stream::iter(
                chunks,
            )))
        })
        .await;
        let mut config = source.config();
        config.max_answer_bytes = 10_000;
        let hook = TestHook::start_with(|hook| set(hook, config)).await;
        notify(&hook, "p-1").await;
        until(&hook, 0, 1).await;
        assert!(hook.queued().await.is_empty());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_in_time() {
    let source = FakeSource::start(|_| endless()).await;
    let mut config = source.config();
    (config.timeout, config.retry_for) = (Duration::from_millis(300), Duration::ZERO);
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    assert_eq!(notify(&hook, "p-1").await.status, 202, "the answer does not wait for the source");
    until(&hook, 0, 1).await;
}

#[tokio::test]
async fn a_dead_source_is_left_alone_and_does_not_hold_another_one_up() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = FakeSource::start(|_| status(500)).await.config();
    config.base_url = format!("http://{dead}/r4");
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    for index in 0..8 {
        assert_eq!(notify(&hook, &format!("p-{index}")).await.status, 202);
    }
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while state(&hook).await["reachable"] != false {
        assert!(tokio::time::Instant::now() < deadline, "{}", state(&hook).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(hook.put("p-9", &patient("p-9", "Live")).await.status, 201, "the hook itself is well");
    assert_eq!(state(&hook).await["jobs"]["pending"], 8);
}

#[tokio::test]
async fn a_promise_outlives_the_process() {
    let source = FakeSource::start(|_| status(503)).await;
    let store: Arc<dyn MessageStore> = Arc::new(MemoryStore::new());
    let start = || {
        let (store, config) = (Arc::clone(&store), source.config());
        let queue = MemoryQueue::new(MemoryConfig { max_per_group: 10, ..MemoryConfig::default() });
        async move { TestHook::start_on(Arc::new(queue), store, |hook| set(hook, config)).await }
    };
    let mut stopped = start().await;
    for id in ["p-1", "p-2"] {
        assert_eq!(notify(&stopped, id).await.status, 202);
    }
    stopped.shutdown.cancel();
    (&mut stopped.running).await.unwrap().unwrap();

    source.answer(|asked| {
        if asked.target.contains('?') {
            // The search of the start.
            return searchset(&[], None);
        }
        let id = asked.target.rsplit('/').next().unwrap().to_owned();
        resource(&version(&id, "Later", "1"))
    });
    let heir = start().await;
    let mut queued = Vec::new();
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while queued.len() < 2 {
        queued.extend(heir.queued().await);
        assert!(tokio::time::Instant::now() < deadline, "{} of 2", queued.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until(&heir, 0, 0).await;
}

#[tokio::test]
async fn a_store_that_is_away_promises_nothing() {
    let source = FakeSource::start(|_| status(404)).await;
    let hook = with_source(&source).await;
    hook.store.away.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(notify(&hook, "p-1").await.status, 503);
    assert!(source.asked().is_empty());
}

#[tokio::test]
async fn many_notifications_of_one_patient_are_few_reads() {
    let source = FakeSource::start(|_| resource(&version("p-1", "Often", "1"))).await;
    let mut config = source.config();
    config.max_requests = 1;
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    let all = (0..30).map(|_| notify(&hook, "p-1"));
    assert!(futures::future::join_all(all).await.iter().all(|answer| answer.status == 202));
    until(&hook, 0, 0).await;
    assert!(source.asked().len() <= 30);
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn an_empty_post_searches_for_what_changed_page_by_page() {
    let source = FakeSource::start(|_| searchset(&[], None)).await;
    let hook = with_source(&source).await;
    let next = format!("{}/r4/Patient?_page=2", source.origin);
    source.answer(move |asked| {
        if asked.target.contains("_page=2") {
            searchset(&[version("p-3", "Three", "3")], None)
        } else {
            searchset(&[version("p-1", "One", "1"), version("p-2", "Two", "2")], Some(&next))
        }
    });
    // The mark is set at the first start.
    let promised = answer(hook.request(Method::POST, "/fhir").body("")).await;
    assert_eq!(promised.status, 202);
    until(&hook, 0, 0).await;
    assert_eq!(hook.queued().await.len(), 3);
    let asked = source.asked();
    assert!(asked[0].target.starts_with("/r4/Patient?_lastUpdated=ge20"), "{}", asked[0].target);
    assert!(asked[0].target.contains("&_sort=_lastUpdated&_count=100"), "{}", asked[0].target);
    assert_eq!(asked[1].target, "/r4/Patient?_page=2");
}

#[tokio::test]
async fn a_page_of_another_server_is_not_read() {
    let elsewhere = FakeSource::start(|_| searchset(&[patient("p-1", "Elsewhere")], None)).await;
    let link = format!("{}/r4/Patient?_page=2", elsewhere.origin);
    let source = FakeSource::start(move |_| searchset(&[], Some(&link))).await;
    let hook = with_source(&source).await;
    answer(hook.request(Method::POST, "/fhir").body("")).await;
    until(&hook, 0, 1).await;
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn one_patient_that_is_refused_does_not_keep_the_others_back() {
    let bad = json!({ "resourceType": "Patient", "id": "p-bad", "gender": "M" });
    let source = FakeSource::start(move |asked| {
        if asked.target.contains('?') {
            searchset(&[bad.clone(), version("p-good", "Good", "1")], None)
        } else {
            resource(&bad)
        }
    })
    .await;
    let hook = with_source(&source).await;
    answer(hook.request(Method::POST, "/fhir").body("")).await;
    until(&hook, 0, 1).await;
    assert_eq!(hook.queued().await.len(), 1);
}

#[tokio::test]
async fn our_subscription_is_made_and_watched() {
    let source = FakeSource::start(|_| status(404)).await;
    let mut config = source.config();
    config.subscription = Some(
        serde_json::from_value(json!({
            "id": "adt_bridge", "endpoint": "https://bridge.example/fhir", "trigger_history": true,
        }))
        .unwrap(),
    );
    let made = std::sync::Mutex::new(None::<Value>);
    source.answer(move |asked| {
        let mut made = made.lock().unwrap();
        if asked.target.ends_with("$trigger-subscription") {
            return resource(&json!({ "resourceType": "Parameters" }));
        }
        if asked.method == Method::PUT {
            *made = Some(asked.body.clone());
        }
        match &mut *made {
            None => status(404),
            Some(made) => {
                let answer = resource(made);
                made["status"] = json!("active");
                answer
            }
        }
    });
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while state(&hook).await["subscription"] != "active"
        || !source.asked().iter().any(|asked| asked.target.contains("$trigger"))
    {
        assert!(tokio::time::Instant::now() < deadline, "{}", state(&hook).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = source.asked();
    let put = asked.iter().find(|asked| asked.method == Method::PUT).unwrap();
    assert_eq!(put.target, "/r4/Subscription/adt-bridge");
    assert_eq!(put.headers[header::CONTENT_TYPE], "application/fhir+json");
    let channel = &put.body["channel"];
    assert_eq!(put.body["id"], "adt-bridge");
    assert_eq!(put.body["criteria"], "Patient?");
    assert_eq!(
        (&channel["type"], &channel["endpoint"]),
        (&json!("rest-hook"), &json!("https://bridge.example/fhir"))
    );
    assert_eq!(channel["payload"], "application/fhir+json");
    assert_eq!(channel["extension"][0]["valueBoolean"], true);
    let triggered = asked.iter().find(|asked| asked.target.contains("$trigger")).unwrap();
    assert_eq!(triggered.target, "/r4/Subscription/adt-bridge/$trigger-subscription");
    assert_eq!(triggered.body["parameter"][0]["valueString"], "Patient?");
}

#[tokio::test]
async fn a_source_that_is_away_never_blocks_the_start() {
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = FakeSource::start(|_| status(500)).await.config();
    config.base_url = format!("http://{dead}/r4");
    config.subscription =
        Some(serde_json::from_value(json!({ "endpoint": "https://bridge.example/fhir" })).unwrap());
    let hook = TestHook::start_with(|hook| set(hook, config)).await;
    assert_eq!(answer(hook.request(Method::GET, "/readyz")).await.status, 200);
    assert_eq!(hook.put("p-1", &patient("p-1", "Live")).await.status, 201);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !state(&hook).await["subscription"].as_str().unwrap().contains("cannot be connected to") {
        assert!(tokio::time::Instant::now() < deadline, "{}", state(&hook).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
