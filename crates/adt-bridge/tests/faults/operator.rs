//! Row F47 from the command line, when no process answers: straight at the queue.

use std::process::Output;

use fault_harness::{
    aws_stub::{AwsStub, Fault, FaultKind},
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::Mark,
};
use serde_json::Value;

use crate::{
    processes::{deployment, load},
    rig::DEADLINE,
};

/// Group 1 is refused for good, everybody else is accepted.
fn refusing() -> Script {
    let refuse = vec![Step::Reply(Reply::new("AE").error("101", "E"))];
    Script::accept().rule(When::Contains("Mk1x".into()), refuse)
}

/// Runs the command beside the async test.
async fn run(bridge: &Deployment, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = bridge.command_line(arguments);
    let output: Output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Ids and control ids, in the order of the list.
async fn letters(bridge: &Deployment, data: &[&str]) -> Vec<(String, Mark)> {
    let (code, stdout, stderr) = run(bridge, &[&["dlq", "export", "-"], data].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    let letter = |line: &str| {
        let letter: Value = serde_json::from_str(line).expect("JSON");
        let id = letter["id"].as_str().expect("an id").to_owned();
        (id, Mark::find(line.as_bytes()).expect("marked"))
    };
    stdout.lines().map(letter).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_dead_letters_in_sqs_are_looked_at_and_redriven_without_a_process() {
    let endpoint = Endpoint::start(refusing()).await.expect("started");
    let stub = AwsStub::start().await.expect("started");
    let mut bridge = deployment(&endpoint).apart(&stub).expect("a certificate");
    bridge.start(Role::Hook).await.expect("started");
    bridge.start(Role::Sender).await.expect("started");
    let load = load(&bridge);
    for version in 1..=12 {
        // The others keep the endpoint from looking as if it refused everybody.
        for group in 1..=8 {
            assert!(load.write(Mark { group, version }, DEADLINE).await);
        }
    }
    let all =
        |stub: &AwsStub| stub.bodies("bridge-dead.fifo").len() == 12 && stub.bodies("bridge.fifo").is_empty();
    assert!(stub.wait_until(DEADLINE, all).await);
    bridge.kill(Role::Sender);
    bridge.kill(Role::Hook);

    let listed = letters(&bridge, &[]).await;
    let versions: Vec<u64> = listed.iter().map(|(_, mark)| mark.version).collect();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>(), "all of one group, in its order");

    stub.fail(Fault::times(2, "ChangeMessageVisibilityBatch", FaultKind::FailEntries("InternalError")));
    let all = run(&bridge, &["dlq", "ls"]).await;
    assert_eq!(all.0, Some(0), "{}", all.2);
    stub.fail(Fault::always("GetQueueAttributes", FaultKind::Status(500, "InternalError")));
    assert_eq!(run(&bridge, &["dlq", "ls"]).await.0, Some(5), "whether it saw everything is not known");
    stub.heal();
    assert_eq!(run(&bridge, &["dlq", "ls"]).await.1, all.1, "given back all the same");
    stub.fail(Fault::always("ChangeMessageVisibilityBatch", FaultKind::FailEntries("InternalError")));
    assert_eq!(run(&bridge, &["dlq", "ls"]).await.1, all.1, "given back at the third try");
    stub.heal();
    let (code, stdout, stderr) = run(&bridge, &["dlq", "show", &listed[0].0]).await;
    assert_eq!(code, Some(5), "kept from this look by the last one, and not gone: {stdout}{stderr}");
    assert!(stderr.contains("another reader hides"), "{stderr}");
    stub.lapse("bridge-dead.fifo");

    let (first, second) = (listed[0].0.as_str(), listed[1].0.as_str());
    let (code, stdout, _) = run(&bridge, &["dlq", "redrive", second, first]).await;
    assert_eq!(code, Some(6), "{stdout}");
    assert!(stdout.contains("an older dead letter"), "{stdout}");
    let (code, _, stderr) = run(&bridge, &["dlq", "skip", first]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = run(&bridge, &["dlq", "redrive", "--force-stale", second]).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(stub.bodies("bridge-dead.fifo").len(), 10);

    endpoint.script(Script::accept());
    bridge.start(Role::Sender).await.expect("started");
    let redriven = |endpoint: &Endpoint| {
        endpoint.stored().iter().any(|one| Mark::find(&one.body) == Some(Mark { group: 1, version: 2 }))
    };
    assert!(endpoint.wait_until(DEADLINE, redriven).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_dead_letters_of_a_stopped_bridge_are_redriven_at_its_next_start() {
    let endpoint = Endpoint::start(refusing()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    bridge.start(Role::Up).await.expect("started");
    let data = bridge.data().join("data").display().to_string();
    let data = ["--data-dir", data.as_str()];
    assert!(load(&bridge).write(Mark { group: 1, version: 1 }, DEADLINE).await);
    let given_up = async { while letters(&bridge, &data).await.is_empty() {} };
    tokio::time::timeout(DEADLINE, given_up).await.expect("given up");
    bridge.kill(Role::Up);

    let listed = letters(&bridge, &data).await;
    assert_eq!(listed.len(), 1, "the address that the killed process left behind leads nowhere");
    let (code, _, stderr) = run(&bridge, &[&["dlq", "redrive", &listed[0].0], &data[..]].concat()).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(letters(&bridge, &data).await.is_empty());
    endpoint.script(Script::accept());
    bridge.start(Role::Up).await.expect("started");
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 1).await);
}
