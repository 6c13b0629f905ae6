//! `POST /fhir/$backfill`: a stream of lines in, one row per line that failed and a summary out.

use std::{io::Write as _, sync::atomic::Ordering, time::Duration};

use message_store::MessageStore;
use queue::QueueError;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    faulty::Fault,
    hook::{TestHook, answer, events, patient},
};

fn version(id: &str, version: u32) -> String {
    let mut patient = patient(id, &format!("V{version}"));
    patient["meta"] = json!({ "versionId": version.to_string() });
    patient.to_string()
}

async fn send(hook: &TestHook, path: &str, body: Vec<u8>, gzip: bool) -> Vec<Value> {
    let mut request =
        hook.request(Method::POST, path).header(header::CONTENT_TYPE, "application/fhir+ndjson");
    if gzip {
        request = request.header(header::CONTENT_ENCODING, "gzip");
    }
    let response = request.body(body).send().await.unwrap();
    crate::openapi::check(&Method::POST, "/fhir/$backfill", response.status());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/fhir+ndjson");
    let text = response.text().await.unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn summary(rows: &[Value]) -> Value {
    let last = rows.last().unwrap();
    assert_eq!(last["resourceType"], "Parameters");
    let parameters = last["parameter"].as_array().unwrap();
    let pair = |parameter: &Value| {
        let value =
            ["valueInteger", "valueBoolean", "valueString"].iter().find_map(|name| parameter.get(name));
        (parameter["name"].as_str().unwrap().to_owned(), value.unwrap().clone())
    };
    Value::Object(parameters.iter().map(pair).collect())
}

fn counts(accepted: u64, skipped: u64, failed: u64, lines: u64) -> Value {
    json!({ "accepted": accepted, "skipped": skipped, "failed": failed, "lines": lines, "complete": true })
}

#[tokio::test]
async fn lines_are_written_as_history_and_each_failure_is_told() {
    let hook = TestHook::start().await;
    let lines = [
        version("p-1", 2),
        version("p-1", 1),
        String::new(),
        "{".to_owned(),
        json!({ "resourceType": "Observation", "id": "o" }).to_string(),
        patient("no_id!", "X").to_string(),
        json!({ "resourceType": "Patient", "id": "p-2", "gender": "SecretValue" }).to_string(),
        version("p-3", 1),
        version("p-3", 1),
    ];
    let rows = send(&hook, "/fhir/$backfill", lines.join("\n").into_bytes(), false).await;
    assert_eq!(summary(&rows), counts(2, 2, 4, 9));
    let told: Vec<_> = rows.iter().filter(|row| row["resourceType"] == "OperationOutcome").collect();
    let places: Vec<_> = told.iter().map(|row| row["issue"][0]["location"][0].as_str().unwrap()).collect();
    assert_eq!(places, ["line 4", "line 5", "line 6", "line 7"]);
    assert!(!told.iter().any(|row| row.to_string().contains("SecretValue")), "no values");
    let queued = hook.queued().await;
    assert_eq!(events(&queued), ["ADT^A31", "ADT^A31"]);
    assert!(queued.iter().all(|delivery| delivery.envelope.body.contains("|T^I|")));

    // What happens after it is live again.
    let live = answer(hook.request(Method::PUT, "/fhir/Patient/p-1").json(&patient("p-1", "Live"))).await;
    assert_eq!(live.status, 200);
    assert!(hook.queued().await[0].envelope.body.contains("|T|"));
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_an_offset_passes_over_what_was_settled() {
    let hook = TestHook::start().await;
    let file: Vec<_> = (0..100).map(|index| version(&format!("p-{index}"), 1)).collect();
    let file = file.join("\n").into_bytes();
    assert_eq!(summary(&send(&hook, "/fhir/$backfill", file.clone(), false).await), counts(100, 0, 0, 100));
    assert_eq!(summary(&send(&hook, "/fhir/$backfill", file.clone(), false).await), counts(0, 100, 0, 100));
    assert_eq!(summary(&send(&hook, "/fhir/$backfill?offset=90", file, false).await), counts(0, 10, 0, 100));
    assert_eq!(hook.queued().await.len(), 100);
}

#[tokio::test]
async fn gzip_is_read_and_other_forms_are_refused() {
    let hook = TestHook::start().await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(version("p-1", 1).as_bytes()).unwrap();
    let rows = send(&hook, "/fhir/$backfill", packed.finish().unwrap(), true).await;
    assert_eq!(summary(&rows), counts(1, 0, 0, 1));
    let broken = send(&hook, "/fhir/$backfill", b"not gzip".to_vec(), true).await;
    assert_eq!(summary(&broken)["complete"], false);

    let post = || hook.request(Method::POST, "/fhir/$backfill").body("{}");
    let json = answer(post().header(header::CONTENT_TYPE, "application/fhir+json")).await;
    assert_eq!((json.status.as_u16(), &json.body["resourceType"]), (415, &json!("OperationOutcome")));
    let ndjson = || post().header(header::CONTENT_TYPE, "application/x-ndjson");
    assert_eq!(answer(ndjson().header(header::CONTENT_ENCODING, "br")).await.status, 415);
    let offset = hook
        .request(Method::POST, "/fhir/$backfill?offset=x")
        .header(header::CONTENT_TYPE, "application/ndjson");
    assert_eq!(answer(offset).await.status, 400);
    assert_eq!(answer(hook.request(Method::GET, "/fhir/$backfill")).await.status, 405);
}

#[tokio::test]
async fn a_queue_that_is_away_is_waited_for() {
    let hook = TestHook::start().await;
    hook.queue.set(Some(Fault::Error(QueueError::Full)));
    let begun = hook.queue.begun.notified();
    let sending = send(&hook, "/fhir/$backfill", version("p-1", 1).into_bytes(), false);
    let back = async {
        begun.await;
        hook.queue.set(None);
    };
    let (rows, ()) = tokio::join!(sending, back);
    assert_eq!(summary(&rows), counts(1, 0, 0, 1));
    assert!(hook.queue.sends.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_full_queue_holds_history_back() {
    let hook =
        TestHook::start_with(|config| (config.backfill.max_queued, config.backfill.at_once) = (1, 1)).await;
    let lines = [version("p-1", 1), version("p-2", 1)].join("\n").into_bytes();
    let sending = send(&hook, "/fhir/$backfill", lines, false);
    let making_room = async {
        // The second line waits until the first message has left the queue.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        let mut all = Vec::new();
        while all.len() < 2 {
            let some = hook.queued().await;
            assert!(some.len() <= 1, "one at a time");
            all.extend(some);
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let (rows, ()) = tokio::join!(sending, making_room);
    assert_eq!(summary(&rows), counts(2, 0, 0, 2));
    assert!(hook.store.accepted(&message_store::PatientKey::new("p-2").unwrap()).await.unwrap().is_some());
}
