//! Backends that fail on demand.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use message_store::{
    Accepted, AcceptedRecord, Current, Job, JobKey, JobPage, OrderingKey, Page, PatientKey, Precondition,
    ReceivedKey, RefusedKey, Replacement, StoreError, StoreLayer, Stored, Tag,
};
use queue::{Envelope, QueueError, QueueLayer, Sent};
use tokio::sync::{Notify, Semaphore};

/// A queue whose sends fail, panic or wait.
#[derive(Debug)]
pub(crate) struct FaultyQueue {
    inner: Arc<dyn queue::Queue>,
    /// The next sends end like this.
    pub(crate) fault: Mutex<Option<Fault>>,
    /// Counts sends that have begun.
    pub(crate) sends: AtomicUsize,
    /// Told when a send begins.
    pub(crate) begun: Notify,
    /// While a fault is `Wait`, each send takes one permit.
    pub(crate) gate: Semaphore,
    /// Told when the queue is to be broken for good.
    pub(crate) broken: Notify,
}

#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Error(QueueError),
    Panic,
    Wait,
}

impl FaultyQueue {
    pub(crate) fn new(inner: Arc<dyn queue::Queue>) -> Self {
        Self {
            inner,
            fault: Mutex::default(),
            sends: AtomicUsize::new(0),
            begun: Notify::new(),
            gate: Semaphore::new(0),
            broken: Notify::new(),
        }
    }

    pub(crate) fn set(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap() = fault;
    }
}

#[async_trait]
impl QueueLayer for FaultyQueue {
    fn inner(&self) -> &dyn queue::Queue {
        self.inner.as_ref()
    }

    async fn send(&self, envelope: Envelope) -> Result<Sent, QueueError> {
        self.sends.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        let fault = self.fault.lock().unwrap().clone();
        match fault {
            None => {}
            Some(Fault::Error(error)) => return Err(error),
            Some(Fault::Panic) => panic!("CanaryPanic"),
            Some(Fault::Wait) => self.gate.acquire().await.unwrap().forget(),
        }
        self.inner.send(envelope).await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        let fault = self.fault.lock().unwrap().clone();
        match fault {
            Some(Fault::Error(error)) => Err(error),
            _ => self.inner.ready().await,
        }
    }

    async fn failed(&self) -> QueueError {
        self.broken.notified().await;
        QueueError::Unavailable { reason: "broken".to_owned() }
    }
}

/// A store that can be away, wholly or for the hook's own record.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    inner: Arc<dyn message_store::MessageStore>,
    pub(crate) away: AtomicBool,
    pub(crate) forgetful: AtomicBool,
    /// So many answers to writes of the hook's own record are lost after the write.
    pub(crate) lost_answers: AtomicUsize,
    /// So many reads of that record fail after each lost answer.
    pub(crate) lost_reads_after: AtomicUsize,
    lost_reads: AtomicUsize,
    /// Whether it says that other machines use it.
    pub(crate) shared: AtomicBool,
}

impl FaultyStore {
    pub(crate) fn new(inner: Arc<dyn message_store::MessageStore>) -> Self {
        Self {
            inner,
            away: AtomicBool::new(false),
            forgetful: AtomicBool::new(false),
            lost_answers: AtomicUsize::new(0),
            lost_reads_after: AtomicUsize::new(0),
            lost_reads: AtomicUsize::new(0),
            shared: AtomicBool::new(false),
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) { Err(away()) } else { Ok(()) }
    }
}

/// Takes one of what is left.
fn spend(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn away() -> StoreError {
    StoreError::Unavailable { operation: "test", source: "away".into() }
}

#[async_trait]
impl StoreLayer for FaultyStore {
    fn inner(&self) -> &dyn message_store::MessageStore {
        self.inner.as_ref()
    }

    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        self.check()?;
        self.inner.put_received(key, body).await
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        self.inner.received(key).await
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        self.check()?;
        self.inner.list_received(after, max).await
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        self.check()?;
        self.inner.put_current(patient, order, body).await
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        self.check()?;
        self.inner.current(patient).await
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        self.check()?;
        if spend(&self.lost_reads) {
            return Err(away());
        }
        self.inner.accepted(patient).await
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.check()?;
        if self.forgetful.load(Ordering::SeqCst) {
            return Err(away());
        }
        let tag = self.inner.put_accepted(patient, record, precondition).await?;
        if spend(&self.lost_answers) {
            self.lost_reads.store(self.lost_reads_after.load(Ordering::SeqCst), Ordering::SeqCst);
            return Err(away());
        }
        Ok(tag)
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        self.check()?;
        self.inner.put_job(key, body, precondition).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        self.check()?;
        self.inner.job(key).await
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        self.check()?;
        self.inner.delete_job(key).await
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        self.check()?;
        self.inner.list_jobs(after, max).await
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        self.check()?;
        self.inner.put_refused(key, body).await
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        self.inner.refused(key).await
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.check()?;
        self.inner.ready().await
    }
}
