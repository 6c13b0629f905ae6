//! The built binary, killed, stopped and starved; SQS and S3 that fail.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use fault_harness::{
    aws_stub::{AwsStub, Fault, FaultKind},
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Reply, Script, Step, When},
    load::Load,
    oracle::{Evidence, Mark, Verdict},
    process::Signal,
};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::rig::DEADLINE;

fn deployment(endpoint: &Endpoint) -> Deployment {
    Deployment::new(env!("CARGO_BIN_EXE_adt-bridge"), endpoint.address()).expect("a folder and two ports")
}

fn load(deployment: &Deployment) -> Arc<Load> {
    Arc::new(Load::new(deployment.hook_url(), Duration::from_secs(5)).expect("a client"))
}

/// Writes every version of every group, each until it is accepted.
async fn write_all(load: &Load, groups: u64, versions: u64) {
    for version in 1..=versions {
        for group in 1..=groups {
            assert!(load.write(Mark { group, version }, DEADLINE).await, "never accepted");
        }
    }
}

/// Writers that go on until told to stop, one per group.
struct Writers {
    load: Arc<Load>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(load: Arc<Load>, groups: u64) -> Self {
        let stop = CancellationToken::new();
        let tasks = (1..=groups)
            .map(|group| {
                let (load, stop) = (Arc::clone(&load), stop.clone());
                tokio::spawn(async move {
                    for version in 1.. {
                        if stop.is_cancelled() || !load.write(Mark { group, version }, DEADLINE).await {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                })
            })
            .collect();
        Self { load, stop, tasks }
    }

    async fn stop(self) -> Vec<Mark> {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("no panic");
        }
        self.load.accepted()
    }
}

/// Waits until everything accepted is stored, and judges.
async fn settles(accepted: &[Mark], endpoint: &Endpoint, ambiguous: u64) -> Verdict {
    let evidence = || Evidence {
        accepted: accepted.to_vec(),
        stored: Mark::find_all(endpoint.stored().iter().map(|one| &one.body)),
        dead: Vec::new(),
        ambiguous,
    };
    let complete = |_: &Endpoint| evidence().judge().lost.is_empty();
    endpoint.wait_until(2 * DEADLINE, complete).await;
    let verdict = evidence().judge();
    assert!(verdict.holds(), "{verdict}: {verdict:?}");
    verdict
}

async fn sqs(endpoint: &Endpoint, roles: &[Role]) -> (AwsStub, Deployment) {
    let stub = AwsStub::start().await.expect("started");
    let mut bridge = deployment(endpoint).apart(&stub).expect("a certificate");
    let ledger = bridge.data().join("ledger");
    bridge.set("SENDER__LEDGER", ledger.display());
    for role in roles {
        bridge.start(*role).await.expect("started");
    }
    (stub, bridge)
}

#[tokio::test]
async fn f01_a_sender_killed_at_random_loses_nothing() {
    let slow = vec![Step::Store, Step::Delay(Duration::from_millis(10)), Step::Reply(Reply::new("AA"))];
    let endpoint = Endpoint::start(Script::always(slow)).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook, Role::Sender]).await;
    let load = load(&bridge);
    write_all(&load, 5, 8).await;
    let mut kills = 0;
    while kills < 4 {
        let before = endpoint.stored_count();
        let more = |endpoint: &Endpoint| endpoint.stored_count() > before;
        if !endpoint.wait_until(Duration::from_secs(5), more).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(37 * kills)).await;
        bridge.kill(Role::Sender);
        kills += 1;
        // As if the leases of the dead sender had ended.
        stub.lapse("bridge.fifo");
        bridge.start(Role::Sender).await.expect("started");
        for group in 1..=5 {
            assert!(load.write(Mark { group, version: 8 + kills }, DEADLINE).await, "never accepted");
        }
    }
    settles(&load.accepted(), &endpoint, kills).await;
}

#[tokio::test]
async fn f02_killed_at_each_point_of_a_delivery() {
    let answer = Step::Reply(Reply::new("AA"));
    for (point, then, repeats) in [
        ("before storing", vec![Step::Stall], 0),
        ("stored, no acknowledgment", vec![Step::Store, Step::Stall], 1),
        ("half an acknowledgment", vec![Step::Store, Step::ReplyPart(Reply::new("AA"), 60), Step::Stall], 1),
        ("acknowledged", vec![Step::Store, answer], 1),
    ] {
        let endpoint = Endpoint::start(Script::accept().rule(When::Nth(1), then)).await.expect("started");
        let mut bridge = deployment(&endpoint);
        bridge.start(Role::Up).await.expect("started");
        let load = load(&bridge);
        write_all(&load, 1, 3).await;
        let reached = |endpoint: &Endpoint| !endpoint.received().is_empty();
        assert!(endpoint.wait_until(DEADLINE, reached).await, "{point}");
        bridge.kill(Role::Up);
        bridge.start(Role::Up).await.expect("started");
        let verdict = settles(&load.accepted(), &endpoint, repeats).await;
        assert_eq!(verdict.messages, 3, "{point}");
    }
}

#[tokio::test]
async fn f03_a_hook_killed_at_random_queues_each_write_once() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook]).await;
    let writers = Writers::start(load(&bridge), 4);
    for round in 1..=4 {
        tokio::time::sleep(Duration::from_millis(100 + 61 * round)).await;
        bridge.kill(Role::Hook);
        bridge.start(Role::Hook).await.expect("started");
    }
    let accepted = writers.stop().await;
    let mut queued: HashMap<Mark, u64> = HashMap::new();
    for mark in Mark::find_all(stub.bodies("bridge.fifo")) {
        *queued.entry(mark).or_default() += 1;
    }
    assert!(accepted.len() > 20, "only {} writes", accepted.len());
    for mark in accepted {
        assert_eq!(queued.get(&mark), Some(&1), "{mark}");
    }
}

#[tokio::test]
async fn f06_everything_killed_at_once_loses_nothing() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    bridge.start(Role::Up).await.expect("started");
    let writers = Writers::start(load(&bridge), 6);
    for round in 1..=4 {
        tokio::time::sleep(Duration::from_millis(150 + 73 * round)).await;
        bridge.kill(Role::Up);
        bridge.start(Role::Up).await.expect("started");
    }
    let accepted = writers.stop().await;
    // A kill can also take back a delete that was not committed yet, besides the message on the wire.
    settles(&accepted, &endpoint, 8).await;
}

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
}

#[tokio::test]
async fn f28_an_sqs_delete_that_fails_leads_to_no_second_send() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook]).await;
    stub.fail(Fault::always("DeleteMessage", FaultKind::Status(500, "InternalFailure")));
    let load = load(&bridge);
    write_all(&load, 2, 1).await;
    bridge.start(Role::Sender).await.expect("started");
    assert!(stub.wait_until(DEADLINE, |stub| stub.count("DeleteMessage") >= 2).await);
    bridge.kill(Role::Sender);
    stub.heal();
    stub.lapse("bridge.fifo");
    bridge.start(Role::Sender).await.expect("started");
    assert!(stub.wait_until(DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    settles(&load.accepted(), &endpoint, 0).await;
    assert_eq!(endpoint.received().len(), 2);
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
    assert!(stub.wait_until(DEADLINE, |stub| stub.count("DeleteMessage") >= 1).await);
    stub.lapse("bridge.fifo");
    assert!(stub.wait_until(2 * DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    settles(&load.accepted(), &endpoint, 0).await;
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
}

#[tokio::test]
async fn f43_sigterm_ends_in_time_with_the_right_code() {
    let slow = vec![Step::Store, Step::Delay(Duration::from_millis(5)), Step::Reply(Reply::new("AA"))];
    let endpoint = Endpoint::start(Script::always(slow)).await.expect("started");
    let mut bridge = deployment(&endpoint);
    let mut unclear = 0;
    bridge.start(Role::Up).await.expect("started");
    let writers = Writers::start(load(&bridge), 6);
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(200 + 41 * round)).await;
        let process = bridge.process(Role::Up).expect("running");
        process.signal(Signal::TERM).expect("sent");
        let connections = endpoint.connections().len();
        let code = process.wait(DEADLINE).await.expect("ends in time").code();
        assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", process.output());
        unclear += u64::from(code == Some(3));
        assert!(endpoint.connections().len() <= connections + 1, "no new connections after SIGTERM");
        bridge.start(Role::Up).await.expect("started");
    }
    let accepted = writers.stop().await;
    settles(&accepted, &endpoint, unclear).await;
}

#[tokio::test]
async fn f43_sigterm_with_a_silent_endpoint_says_what_is_unclear() {
    let endpoint = Endpoint::start(Script::always(vec![Step::Store, Step::Stall])).await.expect("started");
    let mut bridge = deployment(&endpoint);
    bridge.set("SENDER__ENDPOINT__ACKNOWLEDGMENT_TIMEOUT_SECONDS", 20).set("SENDER__DRAIN", "1s");
    bridge.start(Role::Up).await.expect("started");
    write_all(&load(&bridge), 1, 1).await;
    assert!(endpoint.wait_until(DEADLINE, |endpoint| endpoint.stored_count() == 1).await);
    let process = bridge.process(Role::Up).expect("running");
    process.signal(Signal::TERM).expect("sent");
    let code = process.wait(Duration::from_secs(10)).await.expect("ends in time").code();
    assert_eq!(code, Some(3), "{}", process.output());
}

#[tokio::test]
async fn f44_without_file_descriptors_it_sheds_and_recovers() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    bridge.through_shell("ulimit -n 64");
    bridge.start(Role::Up).await.expect("started");
    let load = load(&bridge);
    write_all(&load, 2, 1).await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let connect = TcpStream::connect(bridge.hook_address());
        crowd.extend(
            tokio::time::timeout(Duration::from_millis(200), connect).await.ok().and_then(Result::ok),
        );
    }
    assert!(load.put(Mark { group: 3, version: 1 }).await.is_none_or(|status| status != 500));
    drop(crowd);
    write_all(&load, 4, 2).await;
    assert!(!bridge.process(Role::Up).expect("started").ended());
    settles(&load.accepted(), &endpoint, 0).await;
}

#[tokio::test]
async fn f08_a_bridge_whose_endpoint_is_down_accepts_and_delivers_later() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    endpoint.down();
    let mut bridge = deployment(&endpoint);
    bridge.start(Role::Up).await.expect("started");
    let load = load(&bridge);
    write_all(&load, 4, 3).await;
    assert_eq!(endpoint.stored_count(), 0);
    // A restart in the outage changes nothing.
    bridge.kill(Role::Up);
    bridge.start(Role::Up).await.expect("started");
    endpoint.up();
    settles(&load.accepted(), &endpoint, 0).await;
}

#[tokio::test]
async fn f05_the_receiver_killed_under_load_stores_everything_once() {
    let nowhere = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&nowhere, &[]).await;
    let receiver = bridge.receiver_address();
    bridge.set("SENDER__ENDPOINT__ADDRESS", receiver);
    for role in [Role::Hook, Role::Receiver, Role::Sender] {
        bridge.start(role).await.expect("started");
    }
    let writers = Writers::start(load(&bridge), 4);
    for round in 1..=3 {
        tokio::time::sleep(Duration::from_millis(200 + 57 * round)).await;
        bridge.kill(Role::Receiver);
        bridge.start(Role::Receiver).await.expect("started");
    }
    let accepted = writers.stop().await;
    assert!(stub.wait_until(2 * DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
    let stored = Mark::find_all(stub.writes("bridge", "received/"));
    let verdict = Evidence { accepted, stored, ..Evidence::default() }.judge();
    assert!(verdict.holds(), "{verdict}: {verdict:?}");
}
