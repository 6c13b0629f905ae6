//! SQS and S3 that fail under the built binary, and repeated requests.

use std::time::{Duration, Instant};

use fault_harness::{
    aws_stub::{AwsStub, Fault, FaultKind},
    deployment::Role,
    endpoint::{Endpoint, Script},
    oracle::Mark,
};

use crate::{
    processes::{load, names_nobody, settles, sqs, write_all},
    rig::DEADLINE,
};

#[tokio::test]
async fn f27_the_hook_answers_503_at_once_while_the_queue_is_away() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, bridge) = sqs(&endpoint, &[Role::Hook]).await;
    let load = load(&bridge);
    let mark = |version| Mark { group: 1, version };
    assert!(load.write(mark(1), DEADLINE).await);
    let kinds = [
        FaultKind::Status(500, "InternalFailure"),
        FaultKind::Status(403, "RequestThrottled"),
        FaultKind::Hang,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
    ];
    for (version, kind) in (2..).zip(kinds) {
        stub.fail(Fault::always("SendMessage", kind));
        let asked = Instant::now();
        let status = load.put(mark(version)).await;
        assert_eq!(status, Some(503), "{kind:?}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{kind:?}: {:?}", asked.elapsed());
        stub.heal();
        assert!(load.write(mark(version), DEADLINE).await, "{kind:?}: heals");
    }
    stub.down();
    let asked = Instant::now();
    assert_eq!(load.put(mark(9)).await, Some(503));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    stub.up();
    assert!(load.write(mark(9), DEADLINE).await);
    let queued = Mark::find_all(stub.bodies("bridge.fifo"));
    assert_eq!(queued, [1, 2, 3, 4, 5, 6, 9].map(mark), "no 2xx without a message, no message twice");
    names_nobody(&bridge);
}

#[tokio::test]
async fn f28_an_sqs_delete_that_fails_leads_to_no_second_send() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook]).await;
    for operation in ["DeleteMessage", "DeleteMessageBatch"] {
        stub.fail(Fault::always(operation, FaultKind::Status(500, "InternalFailure")));
    }
    let load = load(&bridge);
    write_all(&load, 2, 1).await;
    bridge.start(Role::Sender).await.expect("started");
    // A delete is asked for when the ledger holds the outcome; attempts at one message do not count twice.
    assert!(stub.wait_until(DEADLINE, |stub| stub.deletes_asked() == 2).await);
    bridge.kill(Role::Sender);
    stub.heal();
    stub.lapse("bridge.fifo");
    bridge.start(Role::Sender).await.expect("started");
    assert!(stub.wait_until(DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    settles(&load.accepted(), &endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 2);
    names_nobody(&bridge);
}

#[tokio::test]
async fn f29_an_expired_receipt_leads_to_no_second_send() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook]).await;
    stub.fail(Fault::times(1, "DeleteMessage", FaultKind::ExpiredReceipt));
    stub.fail(Fault::times(2, "ChangeMessageVisibilityBatch", FaultKind::FailEntries("InternalError")));
    let load = load(&bridge);
    write_all(&load, 1, 3).await;
    bridge.start(Role::Sender).await.expect("started");
    assert!(stub.wait_until(DEADLINE, |stub| stub.deletes_asked() >= 1).await);
    stub.lapse("bridge.fifo");
    assert!(stub.wait_until(2 * DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    settles(&load.accepted(), &endpoint, 0).await;
    names_nobody(&bridge);
}

#[tokio::test]
async fn f32_a_bucket_that_fails_is_answered_and_heals() {
    let nowhere = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&nowhere, &[]).await;
    let receiver = bridge.receiver_address();
    bridge.set("SENDER__ENDPOINT__ADDRESS", receiver);
    for role in [Role::Hook, Role::Receiver, Role::Sender] {
        bridge.start(role).await.expect("started");
    }
    let load = load(&bridge);
    write_all(&load, 1, 1).await;
    let stored = |stub: &AwsStub| stub.write_count("bridge", "received/");
    for (version, kind) in [
        (2, FaultKind::Status(503, "SlowDown")),
        (3, FaultKind::ResetAfter),
        (4, FaultKind::Slow(Duration::from_millis(300))),
    ] {
        assert!(stub.wait_until(DEADLINE, |stub| stored(stub) == version - 1).await, "{kind:?}");
        // The hook writes to the bucket too; these calls are the receiver's or the hook's, both must cope.
        stub.fail(Fault::times(6, "PutObject", kind));
        assert!(load.write(Mark { group: 1, version }, DEADLINE).await, "{kind:?}");
    }
    assert!(stub.wait_until(2 * DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    assert_eq!(Mark::find_all(stub.writes("bridge", "received/")).len(), 4, "each stored once");
    assert!(stub.bodies("bridge-dead.fifo").is_empty());
    names_nobody(&bridge);
}

#[tokio::test]
async fn f36_the_same_request_is_one_message_and_a_value_that_comes_back_is_three() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, bridge) = sqs(&endpoint, &[Role::Hook]).await;
    let load = load(&bridge);
    let first = Mark { group: 1, version: 1 };
    for _ in 0..3 {
        assert_eq!(load.put(first).await.map(|status| status / 100), Some(2));
    }
    assert_eq!(stub.bodies("bridge.fifo").len(), 1);
    // A, B and A again, as different requests.
    let client = reqwest::Client::new();
    for mark in [Mark { group: 2, version: 1 }, Mark { group: 2, version: 2 }, Mark { group: 2, version: 1 }]
    {
        let url = format!("{}/Patient/{}", bridge.hook_url(), fault_harness::load::patient_id(2));
        let body = fault_harness::load::patient(mark).to_string();
        let answer = client.put(url).header("content-type", "application/json").body(body).send().await;
        assert!(answer.expect("an answer").status().is_success());
    }
    assert_eq!(stub.bodies("bridge.fifo").len(), 4);
    names_nobody(&bridge);
}
