//! SIGTERM, no file descriptors left, and peers that take places without using them.

use std::time::Duration;

use fault_harness::{
    deployment::Role,
    endpoint::{Endpoint, Reply, Script, Step},
    oracle::Mark,
    process::Signal,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    processes::{Writers, deployment, load, names_nobody, settles, write_all},
    rig::DEADLINE,
};

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
    names_nobody(&bridge);
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
    names_nobody(&bridge);
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
    names_nobody(&bridge);
}

#[tokio::test]
async fn f39_silent_and_trickling_clients_do_not_lock_a_working_one_out_of_the_hook() {
    let endpoint = Endpoint::start(Script::accept()).await.expect("started");
    let mut bridge = deployment(&endpoint);
    bridge.set("HOOK__MAX_CONNECTIONS", 20).set("HOOK__IDLE_TIMEOUT", "1s").set("HOOK__BODY_TIMEOUT", "1s");
    bridge.start(Role::Up).await.expect("started");
    let load = load(&bridge);
    let head = "PUT /persistence/Patient/fault-9 HTTP/1.1\r\nHost: hook\r\nContent-Length: 900\r\n\r\n{";
    let mut crowd = Vec::new();
    for number in 0..60 {
        let mut stream = TcpStream::connect(bridge.hook_address()).await.expect("connected");
        // Nothing, part of a head, or a head and the first byte of a body.
        let bytes = [0, 40, head.len()][number % 3];
        stream.write_all(&head.as_bytes()[..bytes]).await.expect("written");
        crowd.push(stream);
    }
    write_all(&load, 3, 2).await;
    settles(&load.accepted(), &endpoint, 0).await;
    names_nobody(&bridge);
}
