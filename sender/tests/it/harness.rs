//! A sender at work on a queue in memory.

use std::{sync::Arc, time::Duration};

use clock::Clock;
use queue::{Attributes, DeduplicationId, Envelope, GroupId, MemoryConfig, MemoryQueue, Queue};
use sender::{Config, Dependencies, Error, Summary, config::Policy};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Sender {
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<Result<Summary, Error>>,
}

impl Sender {
    pub(crate) fn start(config: Config) -> Self {
        let queue = Arc::new(MemoryQueue::new(MemoryConfig::default()));
        Self::start_on(config, queue)
    }

    pub(crate) fn start_on(config: Config, queue: Arc<MemoryQueue>) -> Self {
        Self::start_by(Clock::system(), config, queue)
    }

    pub(crate) fn start_by(clock: Clock, config: Config, queue: Arc<MemoryQueue>) -> Self {
        let shutdown = CancellationToken::new();
        let deps = Dependencies { queue: queue.clone(), clock };
        let task = tokio::spawn(sender::run(config, deps, shutdown.clone()));
        Self { queue, shutdown, task }
    }

    pub(crate) async fn send(&self, group: &str, id: &str) -> Envelope {
        let envelope = envelope(group, id);
        self.queue.send(envelope.clone()).await.unwrap();
        envelope
    }

    /// Waits until nothing is left in the queue.
    pub(crate) async fn drained(&self) {
        let queue = Arc::clone(&self.queue);
        let empty = async {
            loop {
                let statistics = queue.statistics().await.unwrap();
                if statistics.ready + statistics.in_flight == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), empty).await.expect("the queue drains");
    }

    /// How many messages the queue still has.
    pub(crate) async fn left(&self) -> u64 {
        let statistics = self.queue.statistics().await.unwrap();
        statistics.ready + statistics.in_flight
    }

    pub(crate) async fn queue_in_flight(&self) -> u64 {
        self.queue.statistics().await.unwrap().in_flight
    }

    pub(crate) async fn stop(self) -> Summary {
        self.shutdown.cancel();
        self.finished().await
    }

    pub(crate) async fn finished(self) -> Summary {
        tokio::time::timeout(Duration::from_secs(30), self.task).await.unwrap().unwrap().unwrap()
    }
}

/// Fast retries, short waits.
pub(crate) fn config(address: &str) -> Config {
    Config {
        endpoint: mllp::ClientConfig {
            address: address.to_owned(),
            connect_timeout_seconds: 2,
            handshake_timeout_seconds: 2,
            acknowledgment_timeout_seconds: 1,
            ..mllp::ClientConfig::default()
        },
        drain: Duration::from_secs(5),
        policy: Policy {
            retry_base: Duration::from_millis(20),
            retry_cap: Duration::from_millis(50),
            ..Policy::default()
        },
        ..Config::default()
    }
}

pub(crate) fn envelope(group: &str, id: &str) -> Envelope {
    with_header(group, id, "")
}

/// `fields` are those after MSH-12.
pub(crate) fn with_header(group: &str, id: &str, fields: &str) -> Envelope {
    Envelope {
        body: format!(
            "MSH|^~\\&|A|B|C|D|20260101||ADT^A28^ADT_A05|{id}|P|2.5.1{fields}\rPID|||{group}\t\u{e4}\r"
        ),
        group: GroupId::digest(&[group]),
        deduplication_id: DeduplicationId::digest(&[group, id]),
        attributes: Attributes { control_id: id.into(), event: "ADT^A28".into(), ..Attributes::default() },
    }
}
