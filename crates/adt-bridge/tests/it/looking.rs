//! `ls`, `search`, `get`, `explain`, `diff`, `tail` and `wait` against a running `up`.

use std::{path::Path, process::Output};

use serde_json::{Value, json};

use crate::bridge::{Bridge, command};

fn run(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        command().args(arguments).arg("--data-dir").arg(data).output().expect("run");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("a code"), text(stdout), text(stderr))
}

fn patient(street: &str) -> Value {
    json!({
        "resourceType": "Patient", "id": "look-1",
        "identifier": [{ "system": "urn:oid:1.2.3.4", "value": "mrn-1" }],
        "name": [{ "use": "official", "family": "Example", "given": ["Anna"] }],
        "gender": "female", "address": [{ "line": [street], "city": "Springfield" }]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_says_what_the_page_shows() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let bridge = Bridge::start(data, &[]).await;
    assert!(bridge.put("look-1", &patient("1 Old Street")).await.status.is_success());
    let (code, waited, stderr) = run(data, &["wait", "ids:mrn-1", "--timeout", "60"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(waited.starts_with("delivered  ADT^A28   AA"), "{waited}");
    let id = waited.split_whitespace().last().unwrap().to_owned();

    let (_, listed, _) = run(data, &["ls"]);
    assert!(listed.contains("Example, Anna") && listed.contains(&id), "{listed}");
    assert_eq!(run(data, &["search", "anna", "event:A28"]).1, listed);
    assert_eq!(run(data, &["search", "nobody"]).0, 8);
    let (_, message, _) = run(data, &["get", &id]);
    assert!(message.starts_with("MSH|^~\\&|") && message.contains("\nPID|1||"), "{message}");
    let (_, fhir, _) = run(data, &["get", &id, "--side", "fhir"]);
    assert_eq!(serde_json::from_str::<Value>(&fhir).unwrap()["name"][0]["family"], "Example");
    assert!(run(data, &["get", &id, "--side", "ack"]).1.contains("MSA|AA|"));
    let (_, timeline, _) = run(data, &["get", &id, "--side", "timeline"]);
    for step in ["accepted", "queued", "sending", "received", "stored", "delivered"] {
        assert!(timeline.contains(step), "{step}: {timeline}");
    }
    let (_, explained, _) = run(data, &["explain", &id, "--only", "PID-8"]);
    assert_eq!(explained.trim(), "PID-8  Administrative sex  F (female)  <- Patient.gender  (rule 5.1)");
    assert_eq!(run(data, &["explain", &id, "--only", "ZZZ"]).0, 8);
    assert_eq!(run(data, &["diff", &id]).0, 8, "it is the first of its patient");

    assert!(bridge.put("look-1", &patient("22 New Road")).await.status.is_success());
    assert_eq!(run(data, &["wait", "event:A31", "--timeout", "60"]).0, 0);
    let newest = run(data, &["ls", "-n", "1", "--json"]).1;
    let newest: Value = serde_json::from_str(&newest).unwrap();
    let newest = newest["messages"][0]["id"].as_str().unwrap();
    let (_, changed, _) = run(data, &["diff", newest, "--only", "PID-11"]);
    assert!(changed.contains("1 Old Street  ->  22 New Road"), "{changed}");
    assert_eq!(run(data, &["get", "NOSUCHMESSAGE"]).0, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tail_follows_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_owned();
    let bridge = Bridge::start(&data, &[]).await;
    let following = {
        let data = data.clone();
        tokio::task::spawn_blocking(move || run(&data, &["tail", "-n", "1"]))
    };
    // Changes until the follower, whenever it is connected, has seen one.
    let mut round = 0;
    while !following.is_finished() {
        round += 1;
        assert!(bridge.put("look-1", &patient(&format!("{round} Street"))).await.status.is_success());
        assert!(round < 2000, "tail printed nothing");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let (code, seen, stderr) = following.await.unwrap();
    assert_eq!(code, 0, "{stderr}");
    assert!(seen.contains("ADT^A") && !seen.contains("Example"), "{seen}");
}
