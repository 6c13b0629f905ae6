//! What an operator does with messages that were given up.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use fault_harness::{
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
    process::{Process, Signal},
};
use serde_json::Value;

use crate::bridge::{Bridge, DEADLINE, command, eventually, patient};

/// A bridge whose endpoint refuses the first version of every patient for good.
async fn with_refusals(data: &Path) -> (Bridge, Endpoint) {
    let refuse = vec![Step::Reply(Reply::new("AE").error("101", "E"))];
    let script = Script::accept().rule(When::Contains("x1z".into()), refuse);
    let endpoint = Endpoint::start(script).await.unwrap();
    let address = endpoint.address().to_string();
    let bridge = Bridge::start(data, &[("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", address.as_str())]).await;
    (bridge, endpoint)
}

fn run(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output: Output = command().args(arguments).arg("--data-dir").arg(data).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn letters(data: &Path) -> Vec<Value> {
    let (code, stdout, stderr) = run(data, &["dlq", "ls", "--json"]);
    assert_eq!(code, 0, "{stderr}");
    let mut answer: Value = serde_json::from_str(&stdout).unwrap();
    serde_json::from_value(answer["dead_letters"].take()).unwrap()
}

async fn given_up(data: &Path, count: usize) -> Vec<String> {
    eventually("dead letters", async || {
        let letters = letters(data);
        (letters.len() == count)
            .then(|| letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_messages_are_shown_redriven_and_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (bridge, endpoint) = with_refusals(data).await;
    let name = |group| Mark { group, version: 1 }.to_string();
    for group in 1..=3 {
        let id = format!("p{group}");
        assert!(bridge.put(&id, &patient(&id, Mark { group, version: 1 })).await.status.is_success());
    }
    let ids = given_up(data, 3).await;

    let (code, listed, _) = run(data, &["dlq", "ls"]);
    assert_eq!(code, 0);
    assert!(listed.contains("negative_acknowledgment") && listed.contains("AE 101"), "{listed}");
    assert!(!listed.contains(&name(1)) && !listed.contains("p1"), "no patient data in a listing");
    let (code, shown, _) = run(data, &["dlq", "show", &ids[0]]);
    assert_eq!(code, 0);
    assert!(shown.contains(&name(1)) && shown.contains("MSA|AE|"), "{shown}");

    // The endpoint was repaired: the first comes again. The second has a newer state meanwhile.
    endpoint.script(Script::accept());
    let (code, done, stderr) = run(data, &["dlq", "redrive", &ids[0]]);
    assert_eq!((code, done.contains("sent again")), (0, true), "{stderr}");
    assert!(bridge.put("p2", &patient("p2", Mark { group: 2, version: 2 })).await.status.is_success());
    eventually("both are delivered", async || (endpoint.stored().len() == 2).then_some(())).await;
    eventually("the second is known to be superseded", async || {
        letters(data).iter().any(|letter| letter["superseded"] == true).then_some(())
    })
    .await;
    let (code, refused, _) = run(data, &["dlq", "redrive", "--all"]);
    assert_eq!(code, 6, "{refused}");
    assert!(refused.contains("newer message"), "{refused}");
    eventually("the third is delivered", async || (endpoint.stored().len() == 3).then_some(())).await;
    let superseded = given_up(data, 1).await.remove(0);

    let file = data.join("letters.jsonl");
    assert_eq!(run(data, &["dlq", "export", file.to_str().unwrap()]).0, 0);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let exported: Value = serde_json::from_str(fs::read_to_string(&file).unwrap().trim()).unwrap();
    assert!(exported["body"].as_str().unwrap().contains(&name(2)));

    assert_eq!(run(data, &["dlq", "redrive", "--force-stale", &superseded]).0, 0);
    eventually("the operator insisted", async || (endpoint.stored().len() == 4).then_some(())).await;
    assert_eq!(run(data, &["dlq", "skip", &superseded]).0, 8, "it is no dead letter any more");
    assert_eq!(run(data, &["dlq", "show", "nonsense"]).0, 8);
    assert_eq!(run(data, &["dlq", "ls"]).1.trim(), "no dead letters");

    let log = bridge.process.output();
    assert!(log.contains("an operator asked for a redrive"), "{log}");
    for group in 1..=3 {
        assert!(!log.contains(&name(group)), "no patient data in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_group_waits_for_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (bridge, endpoint) = with_refusals(data).await;
    assert!(bridge.put("p1", &patient("p1", Mark { group: 1, version: 1 })).await.status.is_success());
    given_up(data, 1).await;
    let group = letters(data)[0]["group"].as_str().unwrap().to_owned();

    assert_eq!(run(data, &["queue", "park", &group]).0, 0);
    assert_eq!(run(data, &["queue", "parked"]).1.trim(), group);
    assert!(bridge.put("p1", &patient("p1", Mark { group: 1, version: 2 })).await.status.is_success());
    assert!(bridge.put("p2", &patient("p2", Mark { group: 2, version: 2 })).await.status.is_success());
    eventually("the other patient", async || (endpoint.stored().len() == 1).then_some(())).await;
    let (code, status, _) = run(data, &["queue", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(
        (code, &status["parked"], &status["parked_groups"], &status["dead"]),
        (0, &1.into(), &1.into(), &1.into())
    );

    assert_eq!(run(data, &["queue", "unpark", &group]).0, 0);
    eventually("the parked one", async || (endpoint.stored().len() == 2).then_some(())).await;
    assert!(run(data, &["queue", "status"]).1.contains("adt-bridge dlq ls"));
}

#[test]
fn a_folder_that_nobody_runs_on_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["queue", "status"][..], &["dlq", "ls"]] {
        let (code, _, stderr) = run(folder.path(), arguments);
        assert_eq!(code, 5, "{stderr}");
        assert!(stderr.contains("adt-bridge up"), "{stderr}");
    }
    // Left behind by a process that was killed.
    fs::write(folder.path().join("admin.json"), r#"{"url":"http://127.0.0.1:1","token":"0"}"#).unwrap();
    assert_eq!(run(folder.path(), &["dlq", "ls"]).0, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_on_its_own_can_be_operated_too() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(Script::accept()).await.unwrap();
    let mut sender = command();
    sender.arg("sender").arg("--data-dir").arg(folder.path().join("run"));
    sender.env("ADT_BRIDGE__QUEUE__PATH", folder.path().join("queue/queue.db"));
    sender.env("ADT_BRIDGE__SENDER__ENDPOINT__ADDRESS", endpoint.address().to_string());
    let mut sender = Process::spawn(sender).unwrap();
    let status = || run(&folder.path().join("run"), &["queue", "status"]);
    eventually("an answer", async || (status().0 == 0).then_some(())).await;
    sender.signal(Signal::TERM).unwrap();
    eventually("the end", async || status().1.is_empty().then_some(())).await;
    let ended = sender.wait(DEADLINE).await.unwrap();
    assert!(ended.success(), "{}", sender.output());
    assert!(!folder.path().join("run/admin.json").exists());
}
