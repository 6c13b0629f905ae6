//! A sender between a queue in memory and a scripted endpoint, watched from both sides.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clock::{Clock, Hands};
use fault_harness::{
    endpoint::Endpoint,
    oracle::{Evidence, Mark, Verdict},
};
use queue::{Attributes, DeduplicationId, Envelope, GroupId, MemoryConfig, MemoryQueue, Queue};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::watched_queue::WatchedQueue;

/// How long anything may take that has no limit of its own; generous, the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How long a sender of a [`Rig`] waits for an acknowledgment.
pub(crate) const ACKNOWLEDGMENT_TIMEOUT: Duration = Duration::from_secs(1);

/// A running sender and its queue.
pub(crate) struct Rig {
    pub(crate) queue: Arc<WatchedQueue>,
    /// Move the clocks of the sender, and of a queue that goes by them.
    pub(crate) hands: Hands,
    pub(crate) clock: Clock,
    accepted: Mutex<Vec<Mark>>,
    config: sender::Config,
    shutdown: CancellationToken,
    sender: Option<JoinHandle<Result<sender::Summary, sender::Error>>>,
}

impl Rig {
    /// Starts a sender to `address`, in the clear unless `change` says otherwise.
    pub(crate) fn start(address: SocketAddr, change: impl FnOnce(&mut sender::Config)) -> Self {
        let (clock, hands) = Clock::settable();
        let config = MemoryConfig { visibility_seconds: 12, ..MemoryConfig::default() };
        let queue = Arc::new(MemoryQueue::with_clock(config, clock.clone()));
        Self::start_with((clock, hands), queue, address, change)
    }

    /// The same with a queue of the test's own.
    pub(crate) fn start_on(
        queue: Arc<dyn Queue>,
        address: SocketAddr,
        change: impl FnOnce(&mut sender::Config),
    ) -> Self {
        Self::start_with(Clock::settable(), queue, address, change)
    }

    /// The same with clocks that the queue goes by, too.
    pub(crate) fn start_with(
        (clock, hands): (Clock, Hands),
        queue: Arc<dyn Queue>,
        address: SocketAddr,
        change: impl FnOnce(&mut sender::Config),
    ) -> Self {
        let mut config = config(address);
        change(&mut config);
        let mut rig = Self {
            queue: Arc::new(WatchedQueue::new(queue)),
            hands,
            clock,
            accepted: Mutex::default(),
            config,
            shutdown: CancellationToken::new(),
            sender: None,
        };
        rig.restart();
        rig
    }

    /// Takes over messages that were accepted elsewhere, by a hook on this queue.
    pub(crate) fn accepted(&self, marks: Vec<Mark>) {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).extend(marks);
    }

    /// Starts the sender again, after [`halt`](Self::halt) or [`abort`](Self::abort).
    pub(crate) fn restart(&mut self) {
        self.shutdown = CancellationToken::new();
        let queue: Arc<dyn Queue> = Arc::clone(&self.queue) as Arc<dyn Queue>;
        let dependencies = sender::Dependencies { queue, clock: self.clock.clone() };
        self.sender =
            Some(tokio::spawn(sender::run(self.config.clone(), dependencies, self.shutdown.clone())));
    }

    /// Queues one message.
    pub(crate) async fn send(&self, mark: Mark) {
        self.queue.send(envelope(mark, 0)).await.expect("the queue takes it");
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
    }

    /// Queues versions 1 to `versions` for groups 1 to `groups`, version by version.
    pub(crate) async fn send_all(&self, groups: u64, versions: u64) {
        for version in 1..=versions {
            for group in 1..=groups {
                self.send(Mark { group, version }).await;
            }
        }
    }

    /// Waits until nothing is queued any more, and the account of the queue says where it went; dead letters do not
    /// count.
    pub(crate) async fn drained(&self) {
        let empty = async |rig: &Self| {
            let now = rig.queue.statistics().await.expect("statistics");
            now.ready + now.in_flight == 0 && rig.queue.is_accounted_for()
        };
        let started = Instant::now();
        while !empty(self).await {
            let state = self.queue.statistics().await;
            assert!(started.elapsed() < DEADLINE, "not drained: {state:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(started.elapsed() < DEADLINE, "never happened: {what}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Stops the sender as SIGTERM does.
    pub(crate) async fn halt(&mut self) -> sender::Summary {
        self.shutdown.cancel();
        let sender = self.sender.take().expect("running");
        let ended = tokio::time::timeout(DEADLINE, sender).await.expect("ends in time");
        ended.expect("no panic").expect("no error")
    }

    /// Compares what was queued with what `endpoint` stored, and checks that no message left the queue before
    /// the endpoint had it.
    pub(crate) async fn judge(&self, endpoint: &Endpoint, ambiguous: u64) -> Verdict {
        let stored = endpoint.stored();
        for control_id in self.queue.deleted() {
            let received = || {
                let all = endpoint.received();
                let of_it = all.windows(2).filter(|pair| pair[1].control_id == control_id);
                of_it.map(|pair| format!("\n{:?} after {:?}", pair[1], pair[0])).collect::<String>()
            };
            let is_stored = stored.iter().any(|one| one.control_id == control_id);
            assert!(is_stored, "{control_id} deleted, never stored: {}", received());
        }
        let evidence = Evidence {
            accepted: self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            stored: Mark::find_all(stored.iter().map(|one| &one.body)),
            dead: Mark::find_all(self.queue.dead().iter().map(|(body, _)| body)),
            ambiguous,
        };
        let resent_changed = endpoint.received().iter().any(|one| {
            endpoint
                .received()
                .iter()
                .any(|other| other.control_id == one.control_id && other.body != one.body)
        });
        assert!(!resent_changed, "a resend differs from the first send");
        evidence.judge()
    }

    /// As [`judge`](Self::judge) after [`drained`](Self::drained), and everything must hold.
    pub(crate) async fn settles(&self, endpoint: &Endpoint, ambiguous: u64) -> Verdict {
        self.drained().await;
        let verdict = self.judge(endpoint, ambiguous).await;
        assert!(verdict.holds(), "{verdict}: {verdict:?}");
        verdict
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A sender to `address`, with limits short enough for tests.
pub(crate) fn config(address: SocketAddr) -> sender::Config {
    let mut config = sender::Config::default();
    config.endpoint.address = address.to_string();
    config.endpoint.connect_timeout_seconds = 1;
    config.endpoint.handshake_timeout_seconds = 1;
    config.endpoint.write_timeout_seconds = 2;
    config.endpoint.acknowledgment_timeout_seconds = ACKNOWLEDGMENT_TIMEOUT.as_secs();
    config.policy.retry_base = Duration::from_millis(10);
    config.policy.retry_cap = Duration::from_millis(200);
    config.poll_wait = Duration::from_secs(1);
    config.drain = Duration::from_secs(3);
    config
}

/// MSH-10 of a message of this test.
pub(crate) fn control_id(mark: Mark) -> String {
    format!("C{}-{}", mark.group, mark.version)
}

/// A message of at least `size_bytes`.
pub(crate) fn envelope(mark: Mark, size_bytes: usize) -> Envelope {
    let id = control_id(mark);
    let mut body = format!(
        "MSH|^~\\&|BRIDGE|TEST|ENDPOINT|TEST|20260101000000||ADT^A31^ADT_A05|{id}|T|2.5.1\r\
         EVN||20260101000000\rPID|1||fault-{}^^^TEST^FW||{mark}^Fault\rPV1|1|N\r",
        mark.group
    );
    if size_bytes > body.len() + 5 {
        let filler = "x".repeat(size_bytes - body.len() - 5);
        body.push_str(&format!("NTE|{filler}\r"));
    }
    let group = mark.group.to_string();
    Envelope {
        body,
        group: GroupId::digest(&[&group]),
        deduplication_id: DeduplicationId::digest(&[&group, &mark.version.to_string()]),
        attributes: Attributes {
            control_id: id,
            event: "ADT^A31".into(),
            version: Some(mark.version),
            enqueued_at: "2026-01-01T00:00:00Z".into(),
            traceparent: None,
        },
    }
}

/// How often a condition is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
