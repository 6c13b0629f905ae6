//! Nothing of a patient in any log line, whatever happens to the request.

use std::{
    io::Write,
    sync::{Mutex, OnceLock, PoisonError, atomic::Ordering},
};

use queue::QueueError;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    faulty::Fault,
    hook::{TestHook, answer},
};

/// Everything that any test of this program makes the hook log.
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Collects the log lines of this program from now on. One subscriber for all threads: with one per test, `tracing`
/// may remember of a line that nobody listens.
pub(crate) fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        lines.with_writer(Lines::default).init();
    });
}

/// What was logged so far, line by line, as far as it holds `text`.
pub(crate) fn logged(text: &str) -> Vec<String> {
    let all = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&all).lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

/// One line on its way.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.0);
    }
}

/// Every value starts with `Canary` or `canary`.
fn canary() -> Value {
    json!({
        "resourceType": "Patient",
        "id": "canary-id",
        "identifier": [{ "system": "urn:canary-system", "value": "CanaryMrn" }],
        "name": [{ "family": "CanaryFamily", "given": ["CanaryGiven"] }],
        "telecom": [{ "system": "phone", "value": "CanaryPhone" }],
        "address": [{ "line": ["CanaryLine"], "city": "CanaryCity", "postalCode": "CanaryCode" }],
    })
}

#[tokio::test]
async fn no_log_line_holds_anything_of_a_patient() {
    let hook = TestHook::start().await;
    let change = |members: Value| {
        let mut resource = canary();
        for (name, value) in members.as_object().unwrap() {
            resource[name] = value.clone();
        }
        resource
    };
    assert_eq!(hook.put("canary-id", &canary()).await.status, 201);
    assert_eq!(hook.put("canary-id", &canary()).await.status, 200);
    assert_eq!(hook.post(&canary()).await.status, 201);
    assert_eq!(hook.get("canary-id").await.status, 200);
    assert_eq!(hook.get("canary-unknown").await.status, 404);
    assert_eq!(hook.put("canary-other", &canary()).await.status, 400);
    assert_eq!(hook.put("canary-id", &change(json!({ "birthDate": "Canary" }))).await.status, 400);
    assert_eq!(hook.put("canary-id", &change(json!({ "name": "Canary" }))).await.status, 400);
    assert_eq!(hook.put("canary-id", &change(json!({ "gender": "CanaryGender" }))).await.status, 400);
    assert_eq!(hook.put("canary-id", &change(json!({ "resourceType": "CanaryType" }))).await.status, 400);
    for body in ["{\"CanaryKey\":1,\"CanaryKey\":2}", "Canary", "{\"a\":\"Canary\u{1}\"}"] {
        let request = hook.request(Method::POST, "/persistence/Patient?canary=Canary").body(body);
        assert_eq!(answer(request.header("x-request-id", "CanaryRequest")).await.status, 400);
    }
    let odd = hook.request(Method::from_bytes(b"CANARY").unwrap(), "/CanaryPath");
    assert_eq!(answer(odd.header("traceparent", "CanaryTrace")).await.status, 404);
    hook.queue.set(Some(Fault::Error(QueueError::Unavailable { reason: "away".to_owned() })));
    assert_eq!(hook.put("canary-id", &canary()).await.status, 503);
    hook.queue.set(Some(Fault::Panic));
    assert_eq!(hook.put("canary-id", &canary()).await.status, 500);
    hook.queue.set(None);
    hook.store.forgetful.store(true, Ordering::SeqCst);
    assert_eq!(hook.put("canary-id", &canary()).await.status, 200);
    hook.store.away.store(true, Ordering::SeqCst);
    assert_eq!(hook.get("canary-id").await.status, 503);
    hook.store.away.store(false, Ordering::SeqCst);
    assert_eq!(hook.delete("canary-id").await.status, 200);

    let captured = String::from_utf8(LINES.lock().unwrap().clone()).unwrap();
    // What this test's own client logs (below `hyper_util::client` and `reqwest`) is not the hook's.
    let ours: Vec<_> = captured
        .lines()
        .filter(|line| !line.contains("hyper_util::client") && !line.contains("reqwest"))
        .collect();
    for line in &ours {
        assert!(!line.to_lowercase().contains("canary"), "{line}");
    }
    assert!(ours.iter().any(|line| line.contains("queued ADT^A28")), "it does log");
    assert!(ours.iter().any(|line| line.contains("http.route=\"/persistence/Patient/{id}\"")));
}
