//! No value of a patient may appear anywhere but in the queue, the store and the answers to who asked.

use std::{fs, path::Path};

use fault_harness::process::Signal;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bridge::{Bridge, DEADLINE, eventually, received};

/// Every text of the patient holds this, so one search finds any of them.
const MARKER: &str = "Qzxcanary";
/// The date of birth and of death, in both notations.
const DATES: [&str; 4] = ["1847-02-28", "18470228", "1847-03-01", "18470301"];

fn patient() -> Value {
    let mut n = 0;
    let mut marked = || {
        n += 1;
        format!("{MARKER}{n}")
    };
    json!({
        "resourceType": "Patient",
        "identifier": [{ "system": format!("urn:{}", marked()), "value": marked(), "assigner": { "display": marked() } }],
        "active": true,
        "name": [{
            "use": "official", "text": marked(), "family": marked(), "given": [marked(), marked()],
            "prefix": [marked()], "suffix": [marked()]
        }],
        "telecom": [
            { "system": "phone", "value": marked(), "use": "home" },
            { "system": "email", "value": format!("{}@example.org", marked()) }
        ],
        "gender": "female",
        "birthDate": DATES[0],
        "deceasedDateTime": format!("{}T01:02:03Z", DATES[2]),
        "address": [{
            "use": "home", "text": marked(), "line": [marked(), marked()], "city": marked(),
            "district": marked(), "state": marked(), "postalCode": marked(), "country": marked()
        }],
        "maritalStatus": { "text": marked() },
        "multipleBirthInteger": 2,
        "contact": [{
            "relationship": [{ "text": marked() }],
            "name": { "family": marked(), "given": [marked()] },
            "telecom": [{ "system": "phone", "value": marked() }],
            "address": { "line": [marked()], "city": marked() },
            "organization": { "display": marked() }
        }],
        "communication": [{ "language": { "text": marked() }, "preferred": true }],
        "generalPractitioner": [{ "display": marked() }],
        "managingOrganization": { "display": marked() }
    })
}

fn leaks(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains(&MARKER.to_ascii_lowercase()) || DATES.iter().any(|date| text.contains(date))
}

fn assert_clean(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!leaks(line), "{what}: {line}");
    }
}

/// Every file and folder name below `folder`, except the contract's `Patient/{id}`.
fn names(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a type").is_dir() && name != "Patient" {
            names(&entry.path(), found);
        }
        found.push(name);
    }
}

#[tokio::test]
async fn no_patient_value_leaves_queue_and_store() {
    let data = tempfile::tempdir().unwrap();
    let mut bridge = Bridge::start(data.path(), &[("RUST_LOG", "trace")]).await;
    let id = format!("{MARKER}-id");
    let path = format!("/persistence/Patient/{id}");
    let mut body = patient();
    body["id"] = json!(id);

    assert_eq!(bridge.put(&id, &body).await.status, StatusCode::CREATED);
    let created = bridge.ask(Method::POST, "/persistence/Patient", Some(&body)).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert!(leaks(&bridge.read(&id).await.text), "the reader who asks gets the values");
    eventually("both are delivered", async || (received(data.path()).len() == 2).then_some(())).await;
    assert!(received(data.path()).iter().all(|message| leaks(message)), "the messages hold the values");
    assert!(bridge.ask(Method::DELETE, &path, None).await.status.is_success());
    eventually("the delete is delivered", async || (received(data.path()).len() == 3).then_some(())).await;

    // Refusals: the error body names the element, never the value.
    let mut broken = Vec::new();
    for (element, value) in [
        ("birthDate", json!(format!("{MARKER}{}", DATES[0]))),
        ("gender", json!(MARKER)),
        ("name", json!(MARKER)),
        ("active", json!(MARKER)),
        ("modifierExtension", json!([{ "url": format!("http://{MARKER}"), "valueString": MARKER }])),
    ] {
        let mut body = body.clone();
        body[element] = value;
        broken.push(body.to_string());
    }
    broken.push(format!("{{\"resourceType\":\"Patient\",\"name\":[{{\"family\":\"{MARKER}\"")); // cut off
    broken.push(format!("{{\"resourceType\":\"{MARKER}\"}}"));
    for body in broken {
        let answer = bridge
            .client
            .post(format!("{}/persistence/Patient", bridge.client().1))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error());
        let text = answer.text().await.unwrap();
        // An unknown resource type is named: it is a type, not a value of a patient.
        if !text.contains("ResourceType") {
            assert_clean("error body", &text);
        }
    }

    bridge.process.signal(Signal::TERM).unwrap();
    bridge.process.wait(DEADLINE).await.unwrap();
    let output = bridge.process.output();
    assert!(output.contains("TRACE") || output.contains("DEBUG"), "the log was at its loudest");
    assert_clean("output", &output);

    let mut found = Vec::new();
    names(data.path(), &mut found);
    assert!(found.iter().any(|name| name == "received"));
    assert_clean("file names", &found.join("\n"));
}
