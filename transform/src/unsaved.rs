//! Records of accepted writes that the store did not take: what the next write of the patient must know all the same.
//!
//! They live as long as the process, and until the next record of the patient is stored.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use message_store::{AcceptedRecord, PatientKey};

/// Such records by patient; when there are too many, new ones are not kept.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    records: Mutex<HashMap<PatientKey, AcceptedRecord>>,
}

impl Unsaved {
    /// Says whether it is kept.
    pub(crate) fn keep(&self, patient: &PatientKey, record: AcceptedRecord) -> bool {
        let mut records = self.records();
        let room = records.len() < MOST || records.contains_key(patient);
        if room {
            records.insert(patient.clone(), record);
        }
        room
    }

    pub(crate) fn forget(&self, patient: &PatientKey) {
        self.records().remove(patient);
    }

    /// The record, unless the store has one as new.
    pub(crate) fn newer(
        &self,
        patient: &PatientKey,
        stored: Option<&AcceptedRecord>,
    ) -> Option<AcceptedRecord> {
        let record = self.records().get(patient).cloned()?;
        stored.is_none_or(|stored| record.version > stored.version).then_some(record)
    }

    fn records(&self) -> MutexGuard<'_, HashMap<PatientKey, AcceptedRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Each holds a message.
const MOST: usize = 10_000;
