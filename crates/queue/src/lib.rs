//! The durable queue between the hook and the sender.
//!
//! One trait, [`Queue`], in SQS FIFO words, and three backends that pass one suite (`queue::contract`): SQS,
//! one SQLite file owned by one process, and memory for tests. The body is the final ER7 text; ids and
//! attributes beside it hold no PHI.
//!
//! ```
//! # async fn example() -> Result<(), queue::QueueError> {
//! use std::{num::NonZeroUsize, time::Duration};
//! use queue::{Attributes, DeduplicationId, Envelope, GroupId};
//!
//! let queue = queue::Config::Memory(queue::MemoryConfig::default()).connect().await?;
//! let envelope = Envelope {
//!     body: "MSH|^~\\&|...\r".into(),
//!     group: GroupId::digest(&["patient-1"]),
//!     deduplication_id: DeduplicationId::digest(&["patient-1", "version-1"]),
//!     attributes: Attributes { control_id: "c1".into(), event: "ADT^A28".into(), ..Attributes::default() },
//! };
//! queue.send(envelope).await?;
//! for delivery in queue.receive(NonZeroUsize::MIN, Duration::ZERO).await? {
//!     queue.delete(&delivery.receipt).await?;
//! }
//! # Ok(()) }
//! ```
#![warn(missing_docs)]

use std::{fmt, num::NonZeroUsize, time::Duration};

use async_trait::async_trait;

mod config;
#[cfg(feature = "contract-tests")]
pub mod contract;
mod dead_letter;
mod delivery;
mod embedded;
mod envelope;
mod error;
mod examination;
mod layer;
mod measured;
mod memory;
mod scheduler;
mod sqs;

pub use config::{Config, EmbeddedConfig, MANUAL, MemoryConfig, SqsConfig};
pub use dead_letter::{
    DeadLetter, DeadLetterId, DeadLetterQueue, DeadLetterRecord, DeadLetterSummary, Reason, Stale,
};
pub use delivery::{Delivery, Receipt, Sent};
pub use embedded::EmbeddedQueue;
pub use envelope::{Attributes, DeduplicationId, Envelope, GroupId};
pub use error::QueueError;
pub use examination::{Duty, FileContent, FileExamination, Refused, SqsAttributes, SqsExamination, SqsFacts};
pub use layer::QueueLayer;
pub use measured::{METRICS, measure};
pub use memory::MemoryQueue;
pub use sqs::SqsQueue;

/// The most one message may hold in any backend: 1 MiB, the limit of SQS.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A durable first-in first-out queue with ordering groups, in the semantics of SQS FIFO.
///
/// - Messages of a group are handed out in order, and none while an earlier one is on lease.
/// - A lease lasts [`visibility`](Self::visibility) and can be extended; afterwards the message is handed out
///   again. Only [`delete`](Self::delete) and [`dead_letter`](Self::dead_letter) remove a message.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync + 'static {
    /// Returns once the envelope is durable.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] and [`QueueError::Full`] may be retried with the same deduplication id; what
    /// [`Envelope::validate`] refuses may not.
    ///
    /// # Cancel safety
    /// A dropped call may or may not have queued the message; the deduplication id absorbs the repeat.
    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError>;

    /// Up to `max` messages; waits up to `wait` for the first one. An empty list is normal.
    ///
    /// # Cancel safety
    /// Local backends make messages of a dropped call visible again at once. SQS does so when the visibility
    /// time ends, so await a running receive instead of dropping it.
    async fn receive(&self, max: NonZeroUsize, wait: Duration) -> Result<Vec<Delivery>, QueueError>;

    /// Removes a delivered message. Returns once that is durable.
    ///
    /// # Errors
    /// [`QueueError::Stale`] when the lease ended: the message will come again.
    async fn delete(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// As [`delete`](Self::delete), of several messages; one result per receipt.
    async fn delete_all(&self, receipts: &[Receipt]) -> Vec<Result<(), QueueError>> {
        let mut results = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            results.push(self.delete(receipt).await);
        }
        results
    }

    /// Sets the time left of each lease, one result per receipt; zero hands the message back now.
    async fn change_visibility(
        &self,
        receipts: &[Receipt],
        visible_in: Duration,
    ) -> Vec<Result<(), QueueError>>;

    /// Moves a message to the dead letters: durable there first, then removed.
    ///
    /// # Errors
    /// [`QueueError::Stale`] when the lease ended; with SQS the message may then stand in both places.
    async fn dead_letter(&self, delivery: &Delivery, letter: DeadLetter) -> Result<(), QueueError>;

    /// Counts, approximate in SQS.
    async fn statistics(&self) -> Result<Statistics, QueueError>;

    /// Whether a send would be tried right now; for readiness probes.
    async fn ready(&self) -> Result<(), QueueError>;

    /// How long a lease lasts.
    fn visibility(&self) -> Duration;

    /// The largest body [`send`](Self::send) takes.
    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES
    }

    /// The most messages that one [`receive`](Self::receive) brings, and that [`delete_all`](Self::delete_all) takes in
    /// one call.
    fn max_batch(&self) -> usize {
        usize::MAX
    }

    /// How many calls of [`receive`](Self::receive) beside each other bring more than one after the other.
    fn receives_at_once(&self) -> usize {
        1
    }

    /// The operator's side, where the backend has one.
    fn dead_letters(&self) -> Option<&dyn DeadLetterQueue> {
        None
    }

    /// Completes when the queue broke for good; the process must then exit non-zero and recover on restart.
    /// Backends that heal by themselves never complete.
    async fn failed(&self) -> QueueError {
        std::future::pending().await
    }

    /// Makes everything answered so far durable and lets go of the file. Later calls are `Unavailable`.
    async fn close(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

/// How many messages stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Waiting to be handed out, those behind a leased message of their group included.
    pub ready: u64,
    /// On lease, those waiting out a delay included.
    pub in_flight: u64,
    /// Withheld because their group is parked.
    pub parked: u64,
    /// Dead letters.
    pub dead: u64,
    /// Age of the oldest message that is not a dead letter; `None` when there is none or the backend cannot say.
    pub oldest_age: Option<Duration>,
}
