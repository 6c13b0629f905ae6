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
        let deleted = monotonic::now();
        let number = self.leased().remove(receipt);
        if let Some(number) = number {
            self.tell(Told::Delivered { number, acknowledged, deleted });
        }
        Ok(())
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        self.inner.dead_letter(delivery, letter).await?;
        self.tell(Told::GivenUp);
        Ok(())
    }
}
