//! A store around another one.

use std::{fmt, num::NonZeroUsize};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Accepted, AcceptedRecord, Current, Incoming, Job, JobKey, JobPage, MessageStore, OrderingKey, Page,
    PatientKey, Precondition, ReceivedKey, RefusedKey, Replacement, StoreError, Stored, Tag,
};

/// What lies around a store: measures it, or makes it fail. Every call goes to [`inner`](Self::inner) unless the layer
/// says otherwise; whoever implements this has a [`MessageStore`].
///
/// The methods have the names of [`MessageStore`]: in a module that has a layer, import this trait and not that one.
#[async_trait]
#[expect(missing_docs, reason = "what the methods of `MessageStore` say")]
pub trait StoreLayer: fmt::Debug + Send + Sync + 'static {
    /// The store below.
    fn inner(&self) -> &dyn MessageStore;

    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        self.inner().put_incoming(incoming).await
    }

    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        self.inner().put_received(key, body).await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        self.inner().received(key).await
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        self.inner().list_received(after, max).await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        self.inner().put_current(patient, order, body).await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        self.inner().current(patient).await
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        self.inner().accepted(patient).await
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.inner().put_accepted(patient, record, precondition).await
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.inner().put_job(key, body, precondition).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        self.inner().job(key).await
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        self.inner().delete_job(key).await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        self.inner().list_jobs(after, max).await
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        self.inner().put_refused(key, body).await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        self.inner().refused(key).await
    }

    fn is_shared(&self) -> bool {
        self.inner().is_shared()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner().ready().await
    }
}

#[async_trait]
impl<L: StoreLayer> MessageStore for L {
    async fn put_incoming(&self, incoming: &Incoming) -> Result<Stored, StoreError> {
        StoreLayer::put_incoming(self, incoming).await
    }

    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        StoreLayer::put_received(self, key, body).await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        StoreLayer::received(self, key).await
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        StoreLayer::list_received(self, after, max).await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        StoreLayer::put_current(self, patient, order, body).await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        StoreLayer::current(self, patient).await
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        StoreLayer::accepted(self, patient).await
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        StoreLayer::put_accepted(self, patient, record, precondition).await
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        StoreLayer::put_job(self, key, body, precondition).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        StoreLayer::job(self, key).await
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        StoreLayer::delete_job(self, key).await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        StoreLayer::list_jobs(self, after, max).await
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        StoreLayer::put_refused(self, key, body).await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        StoreLayer::refused(self, key).await
    }

    fn is_shared(&self) -> bool {
        StoreLayer::is_shared(self)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        StoreLayer::ready(self).await
    }
}
