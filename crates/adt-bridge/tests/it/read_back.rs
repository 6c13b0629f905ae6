//! A notification without the resource that was answered 202, and a process that is killed.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::bridge::{Bridge, current, eventually};

/// A FHIR server that is away until it is told to be there.
async fn source() -> (String, Arc<AtomicBool>) {
    let there = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&there);
    let router = Router::new().fallback(move |request: Request| {
        let there = state.load(Ordering::SeqCst);
        async move {
            let path = request.uri().path();
            match path.strip_prefix("/r4/Patient/") {
                Some(id) if there => json!({
                    "resourceType": "Patient", "id": id, "name": [{ "family": format!("Read-{id}") }],
                    "meta": { "versionId": "1", "lastUpdated": "2024-01-01T00:00:00Z" },
                })
                .to_string()
                .into_response(),
                None if there => r#"{"resourceType":"Bundle","type":"searchset"}"#.into_response(),
                _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, there)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_answered_202_survives_kill_9() {
    let (origin, there) = source().await;
    let data = tempfile::tempdir().unwrap();
    let settings = data.path().join("settings.toml");
    let text = format!(
        "[hook.jobs]\nlease = \"1s\"\nscan = \"200ms\"\n[[hook.source]]\nbase_url = \"{origin}/r4\"\n"
    );
    fs::write(&settings, text).unwrap();
    let environment = [("ADT_BRIDGE_CONFIG", settings.to_str().unwrap())];
    let mut killed = Bridge::start(data.path(), &environment).await;
    for index in 0..10 {
        let promised = killed.ask(Method::PUT, &format!("/fhir/Patient/p-{index}"), None).await;
        assert_eq!(promised.status, 202, "{}", promised.text);
    }
    killed.process.kill().unwrap();
    there.store(true, Ordering::SeqCst);

    let _heir = Bridge::start(data.path(), &environment).await;
    for index in 0..10 {
        let mark = format!("Read-p-{index}");
        eventually("what was promised is delivered", async || {
            current(data.path(), &format!("p-{index}")).filter(|message| message.contains(&mark))
        })
        .await;
    }
}
