//! SIGKILL of each process and of all, pauses, and a disk that fails.

use std::{collections::HashMap, sync::Arc, time::Duration};

use fault_harness::{
    deployment::{Deployment, Role},
    endpoint::{Endpoint, Reply, Script, Step, When},
    oracle::{Evidence, Mark},
    process::Signal,
};

use crate::{
    processes::{Writers, deployment, load, names_nobody, settles, sqs, write_all},
    rig::{DEADLINE, LOOK},
};

// What a sender that is killed can leave unclear is one message of each patient: the one on the wire, or the one that was
// acknowledged and whose delete is on its way.

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
    settles(&load.accepted(), &endpoint, kills * 5).await;
    names_nobody(&bridge);
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
        names_nobody(&bridge);
    }
}

#[tokio::test]
async fn f03_a_hook_killed_at_random_queues_each_write_once() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, mut bridge) = sqs(&endpoint, &[Role::Hook]).await;
    let load = load(&bridge);
    let writers = Writers::start(Arc::clone(&load), 4);
    for round in 1..=4 {
        let before = load.accepted().len();
        let more = async {
            while load.accepted().len() < before + 6 {
                tokio::time::sleep(LOOK).await
            }
        };
        tokio::time::timeout(DEADLINE, more).await.expect("it accepts writes");
        tokio::time::sleep(Duration::from_millis(61 * round)).await;
        bridge.kill(Role::Hook);
        bridge.start(Role::Hook).await.expect("started");
    }
    let accepted = writers.stop().await;
    let mut queued: HashMap<Mark, u64> = HashMap::new();
    for mark in Mark::find_all(stub.bodies("bridge.fifo")) {
        *queued.entry(mark).or_default() += 1;
    }
    for mark in accepted {
        assert_eq!(queued.get(&mark), Some(&1), "{mark}");
    }
    names_nobody(&bridge);
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
    settles(&accepted, &endpoint, 4 * 6).await;
    names_nobody(&bridge);
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
    names_nobody(&bridge);
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
    names_nobody(&bridge);
}

#[tokio::test]
async fn f30_four_senders_killed_and_paused_keep_the_order_of_each_group() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let (stub, bridge) = sqs(&endpoint, &[Role::Hook]).await;
    let load = load(&bridge);
    let mut senders: Vec<Deployment> =
        (0..4).map(|_| deployment(&endpoint).apart(&stub).expect("a certificate")).collect();
    for sender in &mut senders {
        sender.start(Role::Sender).await.expect("started");
    }
    let writers = Writers::start(Arc::clone(&load), 20);
    let mut unclear = 0;
    for round in 0..6 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let sender = senders.get_mut(round % 4).expect("one of four");
        if round % 3 == 0 {
            unclear += 20;
            // Its leases end by themselves.
            sender.kill(Role::Sender);
            sender.start(Role::Sender).await.expect("started");
        } else {
            unclear += 1;
            // Shorter than a lease; what happens after a longer one is row F31.
            let process = sender.process(Role::Sender).expect("running");
            process.signal(Signal::STOP).expect("sent");
            tokio::time::sleep(Duration::from_millis(300 * round as u64)).await;
            process.signal(Signal::CONT).expect("sent");
        }
    }
    let accepted = writers.stop().await;
    settles(&accepted, &endpoint, unclear).await;
    assert!(stub.wait_until(DEADLINE, |stub| stub.bodies("bridge.fifo").is_empty()).await);
}

#[tokio::test]
async fn f34_a_failed_write_of_the_queue_ends_the_process_and_a_restart_recovers() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    endpoint.down();
    let mut bridge = deployment(&endpoint);
    // Writes past this size fail, as on a broken disk: 768 KiB in a shell that counts half kilobytes.
    bridge.set("QUEUE__RESERVE_BYTES", 4096).through_shell("trap '' XFSZ; ulimit -f 1536");
    bridge.start(Role::Up).await.expect("started");
    let load = load(&bridge);
    let mut version = 0;
    let process = async |bridge: &mut Deployment| bridge.process(Role::Up).expect("started").ended();
    while !process(&mut bridge).await {
        version += 1;
        assert!(version < 5000, "the write never failed");
        let status = load.put(Mark { group: version % 7, version }).await;
        assert!(matches!(status, None | Some(200 | 201 | 503)), "{status:?}");
    }
    let code = bridge.process(Role::Up).expect("started").wait(DEADLINE).await.expect("ended").code();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(load.put(Mark { group: 1, version: 9999 }).await.is_none(), "nobody answers after the failure");
    assert!(load.accepted().len() > 10);
    bridge.through_shell("ulimit -f unlimited");
    bridge.start(Role::Up).await.expect("recovers");
    endpoint.up();
    settles(&load.accepted(), &endpoint, 0).await;
    names_nobody(&bridge);
}
