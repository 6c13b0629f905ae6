//! The seam: what every backend promises.

use std::{fmt, num::NonZeroUsize, time::SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Accepted, AcceptedRecord, Incoming, Job, JobKey, JobPage, NewCurrent, OrderingKey, PatientKey,
    Precondition, ReceivedKey, RefusedKey, StoreError, Tag,
};

/// A place for messages. Answers only when what it answers is durable.
///
/// # Cancel safety
/// Dropping a `put_*` future leaves the object either as it was or fully written, never in between.
#[async_trait]
pub trait MessageStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps a received message, and its text as current message as [`put_current`](Self::put_current) does: all of
    /// it, unless the message is there already. Then nothing changes: a repeat must not put an old snapshot back over a
    /// later one with the same ordering key.
    ///
    /// Backends without transactions do one step after the other. Each may be repeated, and the received message comes
    /// last, so that finding it means that everything else was done.
    ///
    /// # Errors
    /// `Unavailable` or `Full`: some steps may be done; the same call again settles it.
    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        let Incoming { received, body, current } = incoming;
        if let Some(existing) = self.received(received).await? {
            return Ok(if existing == *body { Stored::Duplicate } else { Stored::Conflict });
        }
        if let Some(NewCurrent { patients, order, text }) = current {
            for patient in patients {
                self.put_current(patient, order, text.clone()).await?;
            }
        }
        self.put_received(received, body.clone()).await
    }

    /// Keeps a received message for good, once per key.
    ///
    /// # Errors
    /// `Unavailable` or `Full`: the message may or may not be there; the same call again settles it.
    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError>;

    /// Reads one received message.
    ///
    /// # Errors
    /// `Unavailable`, never `None`, when the backend did not answer.
    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError>;

    /// Lists received messages in the order of their keys, beginning after `after`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_received(&self, after: Option<&ReceivedKey>, max: NonZeroUsize)
    -> Result<Page, StoreError>;

    /// Makes `body` the patient's current message unless a newer one is there. Equal keys replace: arrival decides.
    ///
    /// The comparison and the write are one step, also between processes.
    ///
    /// # Errors
    /// `Unavailable` (also when other writers kept winning) or `Full`: the same call again settles it.
    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError>;

    /// The patient's current message.
    ///
    /// # Errors
    /// `Unavailable`, never `None`, when the backend did not answer.
    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError>;

    /// The record of the last message the hook accepted for the patient.
    ///
    /// # Errors
    /// `Unavailable`, never `None`, when the backend did not answer; `Corrupt` when the record is not readable.
    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError>;

    /// Writes that record, if it still is what `precondition` says.
    ///
    /// # Errors
    /// `Changed` when it is not; `Unavailable` or `Full`.
    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError>;

    /// Writes a job, if it still is what `precondition` says.
    ///
    /// # Errors
    /// `Changed` when it is not; `Unavailable` or `Full`.
    async fn put_job(&self, key: &JobKey, body: Bytes, precondition: Precondition)
    -> Result<Tag, StoreError>;

    /// Reads one job.
    ///
    /// # Errors
    /// `Unavailable`, never `None`, when the backend did not answer.
    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError>;

    /// Forgets a job that is done. One that is gone already is no error.
    ///
    /// # Errors
    /// `Unavailable`: the job may or may not be there.
    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError>;

    /// Lists jobs in the order of their keys, beginning after `after`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError>;

    /// Keeps a body that was refused, with the reason before it. The same key again changes nothing.
    ///
    /// # Errors
    /// `Unavailable` or `Full`: the same call again settles it.
    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError>;

    /// Reads one refused body.
    ///
    /// # Errors
    /// `Unavailable`, never `None`, when the backend did not answer.
    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError>;

    /// Whether other machines may write to the same store, so that a lock within this process orders nothing.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether the backend can be reached and written to, for a readiness probe.
    ///
    /// # Errors
    /// What stands in the way.
    async fn ready(&self) -> Result<(), StoreError>;
}

/// What became of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was not there before.
    New,
    /// The same bytes are there already: a repeat.
    Duplicate,
    /// Other bytes are there under the same key; these were not stored.
    Conflict,
}

/// What became of a current message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// It is the current message now.
    Replaced,
    /// A newer one is there and stays.
    KeptNewer,
}

/// A patient's current message.
#[derive(Clone, PartialEq, Eq)]
pub struct Current {
    /// ER7 text as it was received.
    pub body: Bytes,
    /// The key it was stored with; `None` for an object that somebody else put there.
    pub order: Option<OrderingKey>,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("order", &self.order)
            .field("size_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys.
    pub entries: Vec<ReceivedEntry>,
    /// Give this as `after` for the next page; `None` on the last one.
    pub next: Option<ReceivedKey>,
}

/// One received message in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedEntry {
    /// Where it is.
    pub key: ReceivedKey,
    /// When it was stored, to the second on S3, finer elsewhere.
    pub received_at: SystemTime,
    /// Size of the body in bytes.
    pub size_bytes: u64,
}
