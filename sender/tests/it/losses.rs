//! No answer: the message stays, the same bytes go out again, on a new connection.

use std::time::{Duration, Instant};

use queue::Reason;
use tokio::net::TcpListener;

use crate::{
    endpoint::{Act, Endpoint},
    harness::{Sender, config},
};

#[tokio::test]
async fn whatever_is_no_acknowledgment_deletes_nothing() {
    let half_frame: &'static [u8] = b"\x0bMSH|^~\\&|S|F";
    for act in [
        Act::Silence,
        Act::Close,
        Act::Reset,
        Act::Half,
        Act::Bytes(vec![b"hello"]),
        Act::Bytes(vec![half_frame]),
        Act::Bytes(vec![b"\x0b\x1c\r"]),
        Act::Bytes(vec![&[b'x'; 8192]]),
        Act::Answer("MSA|XX|{id}"),
        Act::Answer("PID|1"),
        Act::Frames(vec!["PID|1"; 4]),
    ] {
        let endpoint = Endpoint::start(vec![act.clone(), act.clone()]).await;
        let sender = Sender::start(config(&endpoint.address));
        let sent = sender.send("a", "m1").await;
        let follower = sender.send("a", "m2").await;
        endpoint.frames(2).await;
        assert_eq!(sender.left().await, 2, "{act:?}: nothing deleted");
        sender.drained().await;
        let bodies = endpoint.bodies();
        assert_eq!(bodies, [sent.body.clone(), sent.body.clone(), sent.body, follower.body], "{act:?}");
        let connections: Vec<_> = endpoint.received().iter().map(|received| received.connection).collect();
        assert_eq!(connections, [1, 2, 3, 3], "{act:?}: a connection in doubt is not used again");
        assert!(sender.queue.dead().is_empty(), "{act:?}");
    }
}

#[tokio::test]
async fn a_lost_message_waits_longer_each_time() {
    let endpoint = Endpoint::start(vec![Act::Close; 30]).await;
    let mut config = config(&endpoint.address);
    config.policy.pause_after_failures = 5;
    let sender = Sender::start(config);
    sender.send("a", "m1").await;
    let frames = endpoint.frames(5).await;
    assert!(frames.len() < 8);
    // The breaker is open now: no storm, and the message is still there.
    let opened = Instant::now();
    endpoint.frames(6).await;
    assert!(
        opened.elapsed() > Duration::from_millis(800),
        "a paused sender probes after a second at the earliest"
    );
    assert_eq!(sender.left().await, 1);
}

#[tokio::test]
async fn a_message_that_kills_the_endpoint_is_isolated() {
    let endpoint = Endpoint::start(vec![]).await;
    endpoint.always("|killer|", Act::Reset);
    let sender = Sender::start(config(&endpoint.address));
    sender.send("bad", "killer").await;
    for number in 0.. {
        sender.send("good", &format!("m{number}")).await;
        if !sender.queue.dead().is_empty() {
            break;
        }
        endpoint.frames(number + 1).await;
    }
    assert_eq!(sender.queue.dead()[0].1.reason, Reason::KillsPeer);
    sender.drained().await;
    let kills = endpoint.bodies().iter().filter(|body| body.contains("killer")).count();
    assert!((3..=4).contains(&kills), "{kills} kills before isolation");
}

#[tokio::test]
async fn an_endpoint_that_comes_late_gets_everything() {
    // A bound socket that does not listen refuses connections and keeps the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let sender = Sender::start(config(&address));
    let sent = sender.send("a", "m1").await;
    while sender.queue_in_flight().await == 0 {
        tokio::task::yield_now().await;
    }
    let endpoint = Endpoint::serve(socket.listen(16).unwrap(), vec![], None);
    sender.drained().await;
    assert_eq!(endpoint.bodies(), [sent.body]);
}

#[tokio::test]
async fn an_endpoint_that_closes_idle_connections_loses_nothing() {
    let endpoint = Endpoint::start(vec![Act::AcceptAndReset; 5]).await;
    let sender = Sender::start(config(&endpoint.address));
    for number in 0..5 {
        sender.send("a", &format!("m{number}")).await;
    }
    sender.drained().await;
    let bodies = endpoint.bodies();
    assert_eq!(bodies.len(), 5, "closed between two messages: nothing is sent twice");
}

#[tokio::test]
async fn a_listener_that_never_accepts_holds_nothing_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sender = Sender::start(config(&listener.local_addr().unwrap().to_string()));
    sender.send("a", "m1").await;
    let (_socket, _) = listener.accept().await.unwrap();
    let began = Instant::now();
    sender.shutdown.cancel();
    let summary = sender.finished().await;
    assert!(began.elapsed() < Duration::from_secs(7));
    assert_eq!(summary.delivered, 0);
}
