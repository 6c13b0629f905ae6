//! The queue misbehaves: nothing is sent twice for it, nothing is lost, and a broken one ends the sender.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use clock::Clock;
use queue::{Delivery, MemoryConfig, MemoryQueue, QueueError, QueueLayer, Receipt, Statistics};
use sender::{Dependencies, Error};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    endpoint::{Act, Endpoint},
    harness::{config, envelope},
};

/// A queue whose calls fail as often as the counters say.
#[derive(Debug)]
struct Flaky {
    inner: Arc<dyn queue::Queue>,
    failing_receives: AtomicU32,
    failing_deletes: AtomicU32,
    /// Deletes that find the lease ended; the message comes again.
    stale_deletes: AtomicU32,
    lost_leases: AtomicU32,
    broken: Notify,
}

impl Flaky {
    fn new() -> Self {
        Self {
            inner: Arc::new(MemoryQueue::new(MemoryConfig {
                visibility_seconds: 3,
                ..MemoryConfig::default()
            })),
            failing_receives: AtomicU32::new(0),
            failing_deletes: AtomicU32::new(0),
            stale_deletes: AtomicU32::new(0),
            lost_leases: AtomicU32::new(0),
            broken: Notify::new(),
        }
    }
}

fn spend(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn away() -> QueueError {
    QueueError::Unavailable { reason: "test".into() }
}

#[async_trait]
impl QueueLayer for Flaky {
    fn inner(&self) -> &dyn queue::Queue {
        self.inner.as_ref()
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        if spend(&self.failing_receives) { Err(away()) } else { self.inner.receive(max, wait).await }
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        if spend(&self.failing_deletes) {
            return Err(away());
        }
        if spend(&self.stale_deletes) {
            self.inner.change_visibility(std::slice::from_ref(receipt), Duration::ZERO).await;
            return Err(QueueError::Stale);
        }
        self.inner.delete(receipt).await
    }

    async fn change_visibility(&self, receipts: &[Receipt], time: Duration) -> Vec<Result<(), QueueError>> {
        if !time.is_zero() && spend(&self.lost_leases) {
            self.inner.change_visibility(receipts, Duration::ZERO).await;
            return receipts.iter().map(|_| Err(QueueError::Stale)).collect();
        }
        self.inner.change_visibility(receipts, time).await
    }

    async fn failed(&self) -> QueueError {
        self.broken.notified().await;
        away()
    }
}

/// Runs a sender until the queue is empty, and stops it.
async fn drain(queue: &Arc<Flaky>, config: sender::Config) {
    let shutdown = CancellationToken::new();
    let deps = Dependencies { queue: Arc::clone(queue) as Arc<dyn queue::Queue>, clock: Clock::system() };
    let empty = async {
        while queue.inner.statistics().await.unwrap() != Statistics::default() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shutdown.cancel();
    };
    let both = async { tokio::join!(sender::run(config, deps, shutdown.clone()), empty) };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap().0.unwrap();
}

#[tokio::test]
async fn failing_calls_are_repeated_and_nothing_is_sent_twice() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Flaky::new());
    queue.failing_receives.store(2, Ordering::SeqCst);
    queue.failing_deletes.store(3, Ordering::SeqCst);
    let sent = [envelope("a", "m1"), envelope("a", "m2")];
    for envelope in &sent {
        queue.send(envelope.clone()).await.unwrap();
    }
    drain(&queue, config(&endpoint.address)).await;
    assert_eq!(endpoint.bodies(), sent.map(|envelope| envelope.body));
}

#[tokio::test]
async fn a_queue_that_cannot_delete_does_not_stop_the_endpoint() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Flaky::new());
    queue.failing_deletes.store(u32::MAX, Ordering::SeqCst);
    for (group, name) in [("a", "m1"), ("a", "m2"), ("b", "m3"), ("c", "m4")] {
        queue.send(envelope(group, name)).await.unwrap();
    }
    let watch = async {
        let frames = endpoint.frames(3).await;
        let mut ids: Vec<_> = frames.iter().filter_map(|frame| frame.body.split('|').nth(9)).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["m1", "m3", "m4"], "every group's first message, over the one connection");
        queue.failing_deletes.store(0, Ordering::SeqCst);
    };
    tokio::join!(drain(&queue, config(&endpoint.address)), watch);
    assert_eq!(endpoint.bodies().len(), 4, "nothing twice");
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn a_delete_that_came_too_late_costs_no_second_send() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Flaky::new());
    queue.stale_deletes.store(1, Ordering::SeqCst);
    queue.send(envelope("a", "m1")).await.unwrap();
    drain(&queue, config(&endpoint.address)).await;
    assert_eq!(endpoint.bodies().len(), 1, "the ledger knew");
}

#[tokio::test]
async fn the_ledger_file_tells_the_next_process() {
    let endpoint = Endpoint::start(vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = sender::Config { ledger: Some(folder.path().join("ledger")), ..config(&endpoint.address) };
    for _ in 0..2 {
        // The same message again, as if the first process had died between acknowledgment and delete.
        let queue = Arc::new(Flaky::new());
        queue.send(envelope("a", "m1")).await.unwrap();
        drain(&queue, settings.clone()).await;
    }
    assert_eq!(endpoint.bodies().len(), 1);
}

#[tokio::test]
async fn a_lease_lost_before_the_write_sends_nothing() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Flaky::new());
    // The lease of 3 s is too short for an exchange, so the first thing is to extend it, which fails once.
    queue.lost_leases.store(1, Ordering::SeqCst);
    queue.send(envelope("a", "m1")).await.unwrap();
    queue.send(envelope("a", "m2")).await.unwrap();
    drain(&queue, config(&endpoint.address)).await;
    assert_eq!(endpoint.bodies(), [envelope("a", "m1").body, envelope("a", "m2").body]);
}

#[tokio::test]
async fn leases_are_kept_over_long_waits() {
    let gate = Arc::new(Notify::new());
    let endpoint = Endpoint::start(vec![Act::Wait(Arc::clone(&gate))]).await;
    let queue = Arc::new(Flaky::new());
    let mut settings = config(&endpoint.address);
    settings.endpoint.acknowledgment_timeout_seconds = 20;
    queue.send(envelope("a", "m1")).await.unwrap();
    // Behind the first message on the one connection, for longer than its lease.
    queue.send(envelope("b", "m2")).await.unwrap();
    let watch = async {
        endpoint.frames(1).await;
        let again = queue.inner.receive(NonZeroUsize::MIN, Duration::from_secs(5)).await.unwrap();
        assert!(again.is_empty(), "both leases hold");
        gate.notify_one();
    };
    tokio::join!(drain(&queue, settings), watch);
    assert_eq!(endpoint.bodies().len(), 2);
}

#[tokio::test]
async fn a_broken_queue_ends_the_sender() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Flaky::new());
    let deps = Dependencies { queue: Arc::clone(&queue) as Arc<dyn queue::Queue>, clock: Clock::system() };
    let run = sender::run(config(&endpoint.address), deps, CancellationToken::new());
    queue.broken.notify_one();
    let result = tokio::time::timeout(Duration::from_secs(10), run).await.unwrap();
    assert!(matches!(result, Err(Error::Queue(QueueError::Unavailable { .. }))));
}
