//! A queue around another one.

use std::{fmt, num::NonZeroUsize, time::Duration};

use async_trait::async_trait;

use crate::{DeadLetter, DeadLetterQueue, Delivery, Envelope, Queue, QueueError, Receipt, Sent, Statistics};

/// What lies around a queue: watches it, or makes it fail. Every call goes to [`inner`](Self::inner) unless the layer
/// says otherwise; whoever implements this has a [`Queue`].
///
/// The methods have the names of [`Queue`]: in a module that has a layer, import this trait and not that one.
#[async_trait]
#[expect(missing_docs, reason = "what the methods of `Queue` say")]
pub trait QueueLayer: fmt::Debug + Send + Sync + 'static {
    /// The queue below.
    fn inner(&self) -> &dyn Queue;

    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        self.inner().send(envelope).await
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        self.inner().receive(max, wait).await
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        self.inner().delete(receipt).await
    }

    /// One after the other, by way of [`delete`](Self::delete): a layer that says something there says it here.
    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            results.push(self.delete(receipt).await);
        }
        results
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        self.inner().change_visibility(receipts, visible_in).await
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        self.inner().dead_letter(delivery, letter).await
    }

    async fn statistics(&self) -> Result<Statistics, QueueError> {
        self.inner().statistics().await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        self.inner().ready().await
    }

    fn visibility(&self) -> Duration {
        self.inner().visibility()
    }

    fn max_body_bytes(&self) -> usize {
        self.inner().max_body_bytes()
    }

    fn max_batch(&self) -> usize {
        self.inner().max_batch()
    }

    fn receives_at_once(&self) -> usize {
        self.inner().receives_at_once()
    }

    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        self.inner().dead_letters()
    }

    async fn failed(&self) -> QueueError {
        self.inner().failed().await
    }

    async fn close(&self) -> Result<(), QueueError> {
        self.inner().close().await
    }
}

#[async_trait]
impl<L: QueueLayer> Queue for L {
    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        QueueLayer::send(self, envelope).await
    }

    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError> {
        QueueLayer::receive(self, max, wait).await
    }

    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError> {
        QueueLayer::delete(self, receipt).await
    }

    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        QueueLayer::delete_all(self, receipts).await
    }

    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>> {
        QueueLayer::change_visibility(self, receipts, visible_in).await
    }

    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError> {
        QueueLayer::dead_letter(self, delivery, letter).await
    }

    async fn statistics(&self) -> Result<Statistics, QueueError> {
        QueueLayer::statistics(self).await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        QueueLayer::ready(self).await
    }

    fn visibility(&self) -> Duration {
        QueueLayer::visibility(self)
    }

    fn max_body_bytes(&self) -> usize {
        QueueLayer::max_body_bytes(self)
    }

    fn max_batch(&self) -> usize {
        QueueLayer::max_batch(self)
    }

    fn receives_at_once(&self) -> usize {
        QueueLayer::receives_at_once(self)
    }

    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        QueueLayer::dead_letters(self)
    }

    async fn failed(&self) -> QueueError {
        QueueLayer::failed(self).await
    }

    async fn close(&self) -> Result<(), QueueError> {
        QueueLayer::close(self).await
    }
}
