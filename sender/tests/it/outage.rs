//! An endpoint that refuses connections for an hour, in simulated time: the real settings, the real sockets.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use clock::Clock;
use queue::{Delivery, MemoryConfig, MemoryQueue, QueueError, QueueLayer, Sent, Statistics};
use sender::{Config, Dependencies};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::{endpoint::Endpoint, harness::envelope};

const MINUTE: Duration = Duration::from_secs(60);
const GROUPS: usize = 50;

#[tokio::test(start_paused = true)]
async fn an_hour_without_the_endpoint_costs_one_receive_a_message_and_few_connects() {
    let failures = Arc::new(AtomicU64::new(0));
    let _log = tracing::subscriber::set_default(FailedConnects(Arc::clone(&failures)));
    // Bound and not listening: the port is ours, and refuses.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut config = Config::default();
    config.endpoint.address = socket.local_addr().unwrap().to_string();
    let (clock, _) = Clock::settable();
    let memory = MemoryQueue::with_clock(MemoryConfig::default(), clock.clone());
    let queue = Arc::new(Counting { inner: Arc::new(memory), receives: Mutex::default() });
    let deps = Dependencies { queue: Arc::clone(&queue) as Arc<dyn queue::Queue>, clock };
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(sender::run(config, deps, shutdown.clone()));

    let mut sent = Vec::new();
    let mut most = 0;
    for minute in 0..60 {
        for group in 0..GROUPS {
            let message = envelope(&format!("g{group}"), &format!("g{group}-{minute:02}"));
            sent.push(message.attributes.control_id.clone());
            assert!(matches!(queue.send(message).await, Ok(Sent::New { .. })), "accepted all the while");
        }
        let before = failures.load(Ordering::SeqCst);
        tokio::time::sleep(MINUTE).await;
        most = most.max(failures.load(Ordering::SeqCst) - before);
    }
    let connects = failures.load(Ordering::SeqCst);
    // Full jitter up to a minute: two a minute on average, more only in the first minutes.
    assert!((30..=240).contains(&connects) && most <= 20, "{connects} connects, at most {most} a minute");
    assert!(queue.most_receives() <= 1, "the outage itself costs what was held one receive");
    assert_eq!(queue.inner.statistics().await.unwrap().in_flight, 0, "and everything was handed back");

    let endpoint = Endpoint::serve(socket.listen(16).unwrap(), vec![], None);
    let drained = async {
        while queue.inner.statistics().await.unwrap() != Statistics::default() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(10 * MINUTE, drained).await.expect("drains");
    assert!(queue.most_receives() <= 2);
    let ids: Vec<_> =
        endpoint.bodies().iter().map(|body| body.split('|').nth(9).unwrap().to_owned()).collect();
    for group in 0..GROUPS {
        let of_group = |ids: &[String]| -> Vec<String> {
            ids.iter().filter(|id| id.starts_with(&format!("g{group}-"))).cloned().collect()
        };
        assert_eq!(of_group(&ids), of_group(&sent), "each once, in order");
    }
    shutdown.cancel();
    let summary = running.await.unwrap().unwrap();
    assert_eq!((summary.delivered, summary.dead, summary.ambiguous), (sent.len() as u64, 0, 0));
    println!("{connects} connects in an hour, at most {most} a minute; {} messages drained", sent.len());
}

/// Counts how often each message is handed out.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn queue::Queue>,
    receives: Mutex<HashMap<String, u32>>,
}

impl Counting {
    fn most_receives(&self) -> u32 {
        self.receives.lock().unwrap().values().copied().max().unwrap_or_default()
    }
}

#[async_trait]
impl QueueLayer for Counting {
    fn inner(&self) -> &dyn queue::Queue {
        self.inner.as_ref()
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deliveries = self.inner.receive(max, wait).await?;
        for delivery in &deliveries {
            let id = delivery.envelope.attributes.control_id.clone();
            *self.receives.lock().unwrap().entry(id).or_default() += 1;
        }
        Ok(deliveries)
    }
}

/// Counts the warnings of connects that failed: the refusals leave no other trace at a port that does not listen.
struct FailedConnects(Arc<AtomicU64>);

impl Subscriber for FailedConnects {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sender::connection" && *metadata.level() == Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
