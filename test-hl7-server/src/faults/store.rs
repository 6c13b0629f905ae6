//! A store that fails or dawdles while one message is stored.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use message_store::{
    Accepted, AcceptedRecord, Current, Job, JobKey, JobPage, MessageStore, OrderingKey, Page, PatientKey,
    Precondition, ReceivedKey, RefusedKey, Replacement, StoreError, Stored, Tag,
};

use super::scenario::StoreFault;
use std::sync::Arc;

/// Every write of a received or current message is late, and then fails or is done.
#[derive(Debug)]
pub(crate) struct Troubled {
    pub(crate) inner: Arc<dyn MessageStore>,
    pub(crate) fault: Option<StoreFault>,
    pub(crate) delay: Duration,
}

impl Troubled {
    async fn trouble(&self, operation: &'static str) -> Result<(), StoreError> {
        tokio::time::sleep(self.delay).await;
        match self.fault {
            None => Ok(()),
            Some(StoreFault::Full) => Err(StoreError::Full),
            Some(StoreFault::Unavailable) => {
                Err(StoreError::Unavailable { operation, source: "a fault of the scenario".into() })
            }
        }
    }
}

#[async_trait]
impl MessageStore for Troubled {
    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        self.trouble("put_received").await?;
        self.inner.put_received(key, body).await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        self.inner.received(key).await
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        self.inner.list_received(after, max).await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        self.trouble("put_current").await?;
        self.inner.put_current(patient, order, body).await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        self.inner.current(patient).await
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        self.inner.accepted(patient).await
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.inner.put_accepted(patient, record, precondition).await
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.inner.put_job(key, body, precondition).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        self.inner.job(key).await
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        self.inner.delete_job(key).await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        self.inner.list_jobs(after, max).await
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        self.inner.put_refused(key, body).await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        self.inner.refused(key).await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }
}
