//! Messages in memory: for tests and for a look around.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroUsize,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Accepted, AcceptedRecord, Current, Job, JobKey, JobPage, MessageStore, OrderingKey, Page, PatientKey,
    Precondition, ReceivedEntry, ReceivedKey, RefusedKey, Replacement, StoreError, Stored, Tag,
};

/// A [`MessageStore`] that forgets everything when it is dropped.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    received: BTreeMap<ReceivedKey, (SystemTime, Bytes)>,
    current: HashMap<PatientKey, Current>,
    accepted: HashMap<PatientKey, Accepted>,
    jobs: BTreeMap<JobKey, Job>,
    refused: HashMap<RefusedKey, Bytes>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change below is a single insert: a panic elsewhere cannot have left half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("received", &self.state().received.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl MessageStore for MemoryStore {
    async fn put_received(&self, key: &ReceivedKey, body: Bytes) -> Result<Stored, StoreError> {
        let mut state = self.state();
        match state.received.get(key) {
            Some((_, there)) if *there == body => Ok(Stored::Duplicate),
            Some(_) => Ok(Stored::Conflict),
            None => {
                state.received.insert(key.clone(), (SystemTime::now(), body));
                Ok(Stored::New)
            }
        }
    }

    async fn received(&self, key: &ReceivedKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state().received.get(key).map(|(_, body)| body.clone()))
    }

    async fn list_received(
        &self,
        after: Option<&ReceivedKey>,
        max: NonZeroUsize,
    ) -> Result<Page, StoreError> {
        let state = self.state();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = state.received.range((start, Bound::Unbounded));
        let entries: Vec<_> = range
            .by_ref()
            .take(max.get())
            .map(|(key, (received_at, body))| ReceivedEntry {
                key: key.clone(),
                received_at: *received_at,
                size_bytes: body.len() as u64,
            })
            .collect();
        let next = range.next().and_then(|_| entries.last().map(|entry| entry.key.clone()));
        Ok(Page { entries, next })
    }

    async fn put_current(
        &self,
        patient: &PatientKey,
        order: &OrderingKey,
        body: Bytes,
    ) -> Result<Replacement, StoreError> {
        let mut state = self.state();
        let there = state.current.get(patient).and_then(|current| current.order.as_ref());
        if there.is_some_and(|there| there > order) {
            return Ok(Replacement::KeptNewer);
        }
        state.current.insert(patient.clone(), Current { body, order: Some(order.clone()) });
        Ok(Replacement::Replaced)
    }

    async fn current(&self, patient: &PatientKey) -> Result<Option<Current>, StoreError> {
        Ok(self.state().current.get(patient).cloned())
    }

    async fn accepted(&self, patient: &PatientKey) -> Result<Option<Accepted>, StoreError> {
        Ok(self.state().accepted.get(patient).cloned())
    }

    async fn put_accepted(
        &self,
        patient: &PatientKey,
        record: AcceptedRecord,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let tag = Tag::of(&record.to_text()?);
        let mut state = self.state();
        if !precondition.holds(state.accepted.get(patient).map(|there| &there.tag)) {
            return Err(StoreError::Changed);
        }
        state.accepted.insert(patient.clone(), Accepted { record, tag: tag.clone() });
        Ok(tag)
    }

    async fn put_job(
        &self,
        key: &JobKey,
        body: Bytes,
        precondition: Precondition,
    ) -> Result<Tag, StoreError> {
        let tag = Tag::of(&body);
        let mut state = self.state();
        if !precondition.holds(state.jobs.get(key).map(|there| &there.tag)) {
            return Err(StoreError::Changed);
        }
        state.jobs.insert(key.clone(), Job { body, tag: tag.clone() });
        Ok(tag)
    }

    async fn job(&self, key: &JobKey) -> Result<Option<Job>, StoreError> {
        Ok(self.state().jobs.get(key).cloned())
    }

    async fn delete_job(&self, key: &JobKey) -> Result<(), StoreError> {
        self.state().jobs.remove(key);
        Ok(())
    }

    async fn list_jobs(&self, after: Option<&JobKey>, max: NonZeroUsize) -> Result<JobPage, StoreError> {
        let state = self.state();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = state.jobs.range((start, Bound::Unbounded));
        let keys: Vec<_> = range.by_ref().take(max.get()).map(|(key, _)| key.clone()).collect();
        let next = range.next().and_then(|_| keys.last().cloned());
        Ok(JobPage { keys, next })
    }

    async fn put_refused(&self, key: &RefusedKey, body: Bytes) -> Result<(), StoreError> {
        self.state().refused.entry(key.clone()).or_insert(body);
        Ok(())
    }

    async fn refused(&self, key: &RefusedKey) -> Result<Option<Bytes>, StoreError> {
        Ok(self.state().refused.get(key).cloned())
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
