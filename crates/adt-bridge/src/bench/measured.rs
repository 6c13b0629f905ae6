//! A queue that tells when each message was acknowledged and when it was gone for good.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use queue::{DeadLetter, Delivery, Queue, QueueError, QueueLayer, Receipt};
use tokio::sync::mpsc::UnboundedSender;

use super::{load, monotonic, part::Told};

/// The sender deletes a message after a positive acknowledgment of it, and of nothing else.
#[derive(Debug)]
pub(super) struct MeasuredQueue {
    inner: Arc<dyn Queue>,
    leased: Mutex<HashMap<Receipt, u64>>,
    told: UnboundedSender<Told>,
}

impl MeasuredQueue {
    pub(super) fn new(inner: Arc<dyn Queue>, told: UnboundedSender<Told>) -> Self {
        Self { inner, leased: Mutex::default(), told }
    }

    fn leased(&self) -> MutexGuard<'_, HashMap<Receipt, u64>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They are out of the queue from now on.
    fn gone<'r>(&self, receipts: impl IntoIterator<Item = &'r Receipt>, acknowledged: u64) {
        let deleted = monotonic::now();
        let mut leased = self.leased();
        for receipt in receipts {
            if let Some(number) = leased.remove(receipt) {
                self.tell(Told::Delivered { number, acknowledged, deleted });
            }
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when the run is over.
        self.told.send(told).ok();
    }
}

#[async_trait]
impl QueueLayer for MeasuredQueue {
    fn inner(&self) -> &dyn Queue {
        self.inner.as_ref()
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deliveries = self.inner.receive(max, wait).await?;
        let mut leased = self.leased();
        for delivery in &deliveries {
            if let Some(number) = load::number(&delivery.envelope.body) {
                leased.insert(delivery.receipt.clone(), number);
            }
        }
        drop(leased);
        Ok(deliveries)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        let acknowledged = monotonic::now();
        self.inner.delete(receipt).await?;
        self.gone([receipt], acknowledged);
        Ok(())
    }

    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let acknowledged = monotonic::now();
        let results = self.inner.delete_all(receipts).await;
        let gone = receipts.iter().zip(&results).filter(|(_, result)| result.is_ok());
        self.gone(gone.map(|(receipt, _)| receipt), acknowledged);
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        self.inner.dead_letter(delivery, letter).await?;
        self.tell(Told::GivenUp);
        Ok(())
    }
}
