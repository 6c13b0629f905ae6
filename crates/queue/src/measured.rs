//! A queue that measures how long its calls take, and the metrics of this crate.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use async_trait::async_trait;
use instruments::{Family, Histogram, Kind, Label, Metric, REMOTE, Unit};
use tokio::time::Instant;

use crate::{DeadLetter, Delivery, Envelope, Queue, QueueError, QueueLayer, Receipt, Sent};

/// The metrics of this crate.
pub const METRICS: &[Metric] = &[MESSAGES, OLDEST_AGE, OPERATIONS];

const MESSAGES: Metric = Metric {
    name: "adt_bridge_queue_messages",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &[Label { name: "state", values: &["ready", "in_flight", "parked", "dead"] }],
    help: "Messages in the queue, asked for when the metrics are read; approximate in SQS.",
    cloudwatch: true,
};

const OLDEST_AGE: Metric = Metric {
    name: "adt_bridge_queue_oldest_age_seconds",
    kind: Kind::Gauge,
    unit: Unit::Seconds,
    labels: &[],
    help: "Age of the oldest message that is no dead letter; 0 where there is none. Not with SQS, which tells it \
           CloudWatch.",
    cloudwatch: true,
};

const OPERATIONS: Metric = Metric {
    name: "adt_bridge_queue_operation_duration_seconds",
    kind: Kind::Histogram(REMOTE),
    unit: Unit::Seconds,
    labels: &[
        Label { name: "op", values: &["send", "receive", "delete", "change_visibility", "dead_letter"] },
        Label { name: "outcome", values: &["ok", "unavailable", "full", "stale", "error"] },
    ],
    help: "Calls of the queue. A receive that succeeds is not measured: it waits for messages.",
    cloudwatch: false,
};

/// Sets the gauges of a queue. What cannot be asked keeps its last value; the call itself is measured nowhere.
pub async fn measure(queue: &dyn Queue) {
    let statistics = match queue.statistics().await {
        Ok(statistics) => statistics,
        Err(error) => return tracing::debug!(%error, "the queue does not say how long it is"),
    };
    let messages = MESSAGES.gauges();
    for (state, count) in [
        ("ready", statistics.ready),
        ("in_flight", statistics.in_flight),
        ("parked", statistics.parked),
        ("dead", statistics.dead),
    ] {
        messages.with([state]).set(count as f64);
    }
    let is_empty = statistics.ready + statistics.in_flight + statistics.parked == 0;
    if let Some(age) = statistics.oldest_age.or_else(|| is_empty.then_some(Duration::ZERO)) {
        OLDEST_AGE.gauges().with([]).set(age.as_secs_f64());
    }
}

/// What [`Config::connect`](crate::Config::connect) puts around each backend.
#[derive(Debug)]
pub(crate) struct Measured {
    inner: Arc<dyn Queue>,
    operations: Family<Histogram>,
}

impl Measured {
    pub(crate) fn new(inner: Arc<dyn Queue>) -> Self {
        Self { inner, operations: OPERATIONS.histograms() }
    }

    fn record<T>(&self, operation: &str, result: &Result<T, QueueError>, started: Instant) {
        let outcome = match result {
            Ok(_) => "ok",
            Err(QueueError::Unavailable { .. }) => "unavailable",
            Err(QueueError::Full) => "full",
            Err(QueueError::Stale) => "stale",
            Err(_) => "error",
        };
        self.operations.with([operation, outcome]).record(started.elapsed());
    }

    /// Of one call for several messages: the worst of its results speaks for it.
    fn record_worst(&self, operation: &str, results: &[Result<(), QueueError>], started: Instant) {
        if let Some(result) = results.iter().find(|result| result.is_err()).or(results.first()) {
            self.record(operation, result, started);
        }
    }
}

#[async_trait]
impl QueueLayer for Measured {
    fn inner(&self) -> &dyn Queue {
        self.inner.as_ref()
    }

    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        let started = Instant::now();
        let result = self.inner.send(envelope).await;
        self.record("send", &result, started);
        result
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let started = Instant::now();
        let result = self.inner.receive(max, wait).await;
        if result.is_err() {
            self.record("receive", &result, started);
        }
        result
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let started = Instant::now();
        let result = self.inner.delete(receipt).await;
        self.record("delete", &result, started);
        result
    }

    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let started = Instant::now();
        let results = self.inner.delete_all(receipts).await;
        self.record_worst("delete", &results, started);
        results
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        let started = Instant::now();
        let results = self.inner.change_visibility(receipts, visible_in).await;
        self.record_worst("change_visibility", &results, started);
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let started = Instant::now();
        let result = self.inner.dead_letter(delivery, letter).await;
        self.record("dead_letter", &result, started);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{MemoryConfig, MemoryQueue};

    /// Counts the calls that delete several.
    #[derive(Debug)]
    struct Counting {
        inner: MemoryQueue,
        calls: AtomicUsize,
    }

    #[async_trait]
    impl QueueLayer for Counting {
        fn inner(&self) -> &dyn Queue {
            &self.inner
        }

        async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.inner.delete_all(receipts).await
        }
    }

    /// Taken apart, each message would cost a commit, or a call of SQS, of its own.
    #[tokio::test]
    async fn several_are_deleted_in_one_call_of_the_backend() {
        let inner = MemoryQueue::new(MemoryConfig::default());
        let counting = Arc::new(Counting { inner, calls: AtomicUsize::new(0) });
        let measured = Measured::new(Arc::<Counting>::clone(&counting));
        let results = Queue::delete_all(&measured, &[Receipt::new("1-1"), Receipt::new("2-2")]).await;
        assert_eq!(results, [Err(QueueError::Stale), Err(QueueError::Stale)]);
        assert_eq!(counting.calls.load(Ordering::Relaxed), 1);
    }
}
