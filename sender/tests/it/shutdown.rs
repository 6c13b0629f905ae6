//! A clean end: what is on the wire is answered, the rest is handed back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use queue::Queue;
use tokio::sync::Notify;

use crate::{
    endpoint::{Act, Endpoint},
    harness::{Sender, config},
};

#[tokio::test]
async fn shutdown_waits_for_acknowledgment() {
    let gate = Arc::new(Notify::new());
    let endpoint = Endpoint::start(vec![Act::Wait(Arc::clone(&gate))]).await;
    let mut settings = config(&endpoint.address);
    settings.endpoint.acknowledgment_timeout_seconds = 10;
    let sender = Sender::start(settings);
    sender.send("a", "m1").await;
    sender.send("a", "m2").await;
    sender.send("b", "m3").await;
    endpoint.frames(1).await;
    sender.shutdown.cancel();
    gate.notify_one();
    let queue = Arc::clone(&sender.queue);
    let summary = sender.finished().await;
    assert_eq!((summary.delivered, summary.ambiguous), (1, 0));
    assert_eq!(endpoint.bodies().len(), 1, "nothing new after the shutdown");
    let statistics = queue.statistics().await.unwrap();
    assert_eq!((statistics.ready, statistics.in_flight), (2, 0), "the rest is handed back at once");
}

#[tokio::test]
async fn an_unanswered_message_is_left_in_doubt_and_reported() {
    let endpoint = Endpoint::start(vec![Act::Silence]).await;
    let mut settings = config(&endpoint.address);
    settings.endpoint.acknowledgment_timeout_seconds = 30;
    settings.drain = Duration::from_millis(200);
    let sender = Sender::start(settings.clone());
    let sent = sender.send("a", "m1").await;
    endpoint.frames(1).await;
    let began = Instant::now();
    let queue = Arc::clone(&sender.queue);
    let summary = sender.stop().await;
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!((summary.delivered, summary.ambiguous), (0, 1));
    assert_eq!(service::Finished::exit_code(&summary), 3);
    // The next process sends the same bytes.
    let sender = Sender::start_on(settings, queue);
    sender.drained().await;
    assert_eq!(endpoint.bodies(), [sent.body.clone(), sent.body]);
}

#[tokio::test]
async fn an_idle_sender_stops_at_once_and_connects_no_more() {
    let endpoint = Endpoint::start(vec![]).await;
    let sender = Sender::start(config(&endpoint.address));
    sender.send("a", "m1").await;
    sender.drained().await;
    let began = Instant::now();
    sender.stop().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(endpoint.connections(), 1);
}
