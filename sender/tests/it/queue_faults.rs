//! The queue misbehaves: nothing is sent twice for it, nothing is lost, and a broken one ends the sender.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
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

/// A queue that does not delete the message `m1` before the test says so.
#[derive(Debug)]
struct Stubborn {
    inner: MemoryQueue,
    /// Whether its delete fails meanwhile; otherwise it takes long.
    fails: bool,
    asked: AtomicU32,
    yields: AtomicBool,
    gate: Notify,
    leased: Mutex<HashMap<Receipt, String>>,
}

impl Stubborn {
    fn new(fails: bool) -> Self {
        Self {
            // As SQS does: several of a patient at once, so that it is the sender who keeps the others back.
            inner: MemoryQueue::new(MemoryConfig { max_per_group: 10, ..MemoryConfig::default() }),
            fails,
            asked: AtomicU32::new(0),
            yields: AtomicBool::new(false),
            gate: Notify::new(),
            leased: Mutex::default(),
        }
    }

    fn yields(&self) {
        self.yields.store(true, Ordering::SeqCst);
        self.gate.notify_one();
    }

    async fn left(&self) -> u64 {
        let statistics = queue::Queue::statistics(&self.inner).await.unwrap();
        statistics.ready + statistics.in_flight
    }
}

#[async_trait]
impl QueueLayer for Stubborn {
    fn inner(&self) -> &dyn queue::Queue {
        &self.inner
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deliveries = queue::Queue::receive(&self.inner, max, wait).await?;
        let known = |one: &Delivery| (one.receipt.clone(), one.envelope.attributes.control_id.clone());
        self.leased.lock().unwrap().extend(deliveries.iter().map(known));
        Ok(deliveries)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let held_up = self.leased.lock().unwrap().get(receipt).is_some_and(|id| id == "m1");
        if held_up && !self.yields.load(Ordering::SeqCst) {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.fails {
                return Err(away());
            }
            self.gate.notified().await;
        }
        queue::Queue::delete(&self.inner, receipt).await
    }
}

/// Waits until `condition` holds.
async fn until(condition: impl AsyncFn() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time");
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

/// Of messages that leave together, one does not.
#[tokio::test]
async fn a_failed_delete_locks_its_own_patient_only() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Stubborn::new(true));
    for number in 1..=40 {
        // `m1` and `m21` are of the same patient.
        queue.send(envelope(&format!("p{}", number % 20), &format!("m{number}"))).await.unwrap();
    }
    let shutdown = CancellationToken::new();
    let deps = Dependencies { queue: Arc::clone(&queue) as Arc<dyn queue::Queue>, clock: Clock::system() };
    let settings = sender::Config { connections: 4, ..config(&endpoint.address) };
    let sending = tokio::spawn(sender::run(settings, deps, shutdown.clone()));
    until(async || queue.left().await == 2).await;
    let locked = envelope("p1", "m21").body;
    assert!(!endpoint.bodies().contains(&locked), "its patient's last message is not gone yet");
    assert!(queue.asked.load(Ordering::SeqCst) > 0);
    queue.yields();
    until(async || queue.left().await == 0).await;
    shutdown.cancel();
    sending.await.unwrap().unwrap();
    let mut bodies = endpoint.bodies();
    assert_eq!(bodies.last(), Some(&locked));
    bodies.sort_unstable();
    bodies.dedup();
    assert_eq!((bodies.len(), endpoint.bodies().len()), (40, 40), "nothing twice");
}

#[tokio::test]
async fn a_delete_that_takes_long_holds_up_its_patient_and_the_shutdown_only() {
    let endpoint = Endpoint::start(vec![]).await;
    let queue = Arc::new(Stubborn::new(false));
    for (patient, id) in [("a", "m1"), ("a", "m2")] {
        queue.send(envelope(patient, id)).await.unwrap();
    }
    let shutdown = CancellationToken::new();
    let deps = Dependencies { queue: Arc::clone(&queue) as Arc<dyn queue::Queue>, clock: Clock::system() };
    let sending = tokio::spawn(sender::run(config(&endpoint.address), deps, shutdown.clone()));
    until(async || queue.asked.load(Ordering::SeqCst) == 1).await;
    queue.send(envelope("b", "m3")).await.unwrap();
    until(async || queue.left().await == 2).await;
    assert_eq!(endpoint.bodies(), [envelope("a", "m1").body, envelope("b", "m3").body]);
    shutdown.cancel();
    queue.yields();
    let summary = sending.await.unwrap().unwrap();
    assert_eq!((summary.delivered, summary.ambiguous), (2, 0));
    let statistics = queue::Queue::statistics(&queue.inner).await.unwrap();
    assert_eq!((statistics.ready, statistics.in_flight), (1, 0), "m1 is gone, m2 handed back");
    assert_eq!(endpoint.bodies().len(), 2, "nothing new after the shutdown");
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
