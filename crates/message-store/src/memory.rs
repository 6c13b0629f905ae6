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
    Accepted, AcceptedRecord, Current, MessageStore, OrderingKey, Page, PatientKey, Precondition,
    ReceivedEntry, ReceivedKey, Replacement, StoreError, Stored, Tag,
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
        let holds = match (state.accepted.get(patient), &precondition) {
            (None, Precondition::Absent) => true,
            (Some(there), Precondition::Matches(tag)) => there.tag == *tag,
            (None, Precondition::Matches(_)) | (Some(_), Precondition::Absent) => false,
        };
        if !holds {
            return Err(StoreError::Changed);
        }
        state.accepted.insert(patient.clone(), Accepted { record, tag: tag.clone() });
        Ok(tag)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
