//! A queue that tells the inspector what passes through it, and changes nothing about it.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use inspector::{Feed, Queued};
use queue::{DeadLetter, Delivery, Envelope, Queue, QueueError, QueueLayer, Receipt, Sent};

/// Hook, sender and operator use this one.
#[derive(Debug)]
pub(crate) struct ObservedQueue {
    inner: Arc<dyn Queue>,
    feed: Feed,
    /// How the inspector names what is on lease.
    leased: Mutex<HashMap<Receipt, String>>,
}

impl ObservedQueue {
    pub(crate) fn new(inner: Arc<dyn Queue>, feed: Feed) -> Self {
        Self { inner, feed, leased: Mutex::default() }
    }

    fn leased(&self) -> MutexGuard<'_, HashMap<Receipt, String>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, delivery: &Delivery) {
        let (body, control_id) = (&delivery.envelope.body, &delivery.envelope.attributes.control_id);
        self.feed.leased(body, control_id, delivery.receive_count);
        let mut leased = self.leased();
        if leased.len() >= MOST_LEASED {
            // Leases that ended by themselves; what is lost is a step on a page.
            leased.clear();
        }
        leased.insert(delivery.receipt.clone(), Queued::id(body, control_id));
    }
}

#[async_trait]
impl QueueLayer for ObservedQueue {
    fn inner(&self) -> &dyn Queue {
        self.inner.as_ref()
    }

    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        let told = envelope.clone();
        let sent = self.inner.send(envelope).await?;
        self.feed.queued(&Queued {
            body: &told.body,
            control_id: &told.attributes.control_id,
            group: told.group.as_str(),
            accepted_at: &told.attributes.enqueued_at,
            repeated: matches!(sent, Sent::Duplicate { .. }),
        });
        Ok(sent)
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        let deliveries = self.inner.receive(max, wait).await?;
        deliveries.iter().for_each(|delivery| self.lease(delivery));
        Ok(deliveries)
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.inner.delete(receipt).await?;
        let id = self.leased().remove(receipt);
        if let Some(id) = id {
            self.feed.delivered(&id);
        }
        Ok(())
    }

    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let results = self.inner.delete_all(receipts).await;
        for (receipt, _) in receipts.iter().zip(&results).filter(|(_, result)| result.is_ok()) {
            let id = self.leased().remove(receipt);
            if let Some(id) = id {
                self.feed.delivered(&id);
            }
        }
        results
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        let told = letter.clone();
        self.inner.dead_letter(delivery, letter).await?;
        self.leased().remove(&delivery.receipt);
        let envelope = &delivery.envelope;
        self.feed.dead(
            &Queued::id(&envelope.body, &envelope.attributes.control_id),
            told.reason.as_str(),
            (told.ack_code.as_deref(), told.error_code.as_deref()),
            told.attempts,
            told.text.as_deref(),
        );
        Ok(())
    }
}

/// Far more than a sender holds.
const MOST_LEASED: usize = 100_000;
