//! What is known of a patient: the message that was delivered, the one that was accepted, and which of them counts.

use message_store::{Accepted, AcceptedRecord, Current, MessageStore, PatientKey};
use serde_json::Value;

use crate::{
    error::HookError,
    mapping::{Mapping, Said},
    stamp::Stamp,
};

/// A version as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Counts the accepted writes, or more where the sender's server counts more.
    pub(crate) number: u64,
    /// `meta.versionId`: what the sender told, or the number.
    pub(crate) id: String,
    /// `meta.lastUpdated`.
    pub(crate) updated: Stamp,
}

/// The record, if a write was ever accepted: one without holds a claim only.
pub(crate) fn known(accepted: &Accepted) -> Option<&AcceptedRecord> {
    Some(&accepted.record).filter(|record| record.version > 0)
}

/// The `meta.versionId` of a record.
pub(crate) fn shown(record: &AcceptedRecord) -> String {
    let told = record.told.version_id.clone().filter(|_| !record.counted);
    told.unwrap_or_else(|| record.version.to_string())
}

/// The version of a record.
pub(crate) fn version(record: &AcceptedRecord) -> Option<Version> {
    let updated = Stamp::from_order(&record.order)?;
    Some(Version { number: record.version, id: shown(record), updated })
}

/// The state of one patient.
pub(crate) enum Record {
    /// Never seen.
    Unknown,
    /// Deleted, and not written since.
    Deleted,
    /// There. The version is known when the state came through this hook.
    Patient { resource: Value, version: Option<Version> },
}

/// Reads both messages; the delivered one counts unless the accepted one is as new or newer: a read right after a
/// write must not depend on how far the delivery is.
pub(crate) async fn read(
    store: &dyn MessageStore,
    mapping: &Mapping,
    patient: &PatientKey,
) -> Result<Record, HookError> {
    let (accepted, current) = tokio::join!(store.accepted(patient), store.current(patient));
    decide(mapping, patient, accepted?, current?)
}

/// Which of the two counts.
pub(crate) fn decide(
    mapping: &Mapping,
    patient: &PatientKey,
    accepted: Option<Accepted>,
    current: Option<Current>,
) -> Result<Record, HookError> {
    let Some(record) = accepted.as_ref().and_then(known) else {
        return match current {
            None => Ok(Record::Unknown),
            Some(current) => self::record(patient, mapping.read(patient, &current.body)?.said, None),
        };
    };
    let updated = Stamp::from_order(&record.order);
    if let Some(current) = current.filter(|current| current.body != record.body) {
        let current = mapping.read(patient, &current.body)?;
        if updated.is_none_or(|updated| current.time > updated) {
            return self::record(patient, current.said, None);
        }
    }
    if record.deleted {
        return Ok(Record::Deleted);
    }
    self::record(patient, mapping.read(patient, &record.body)?.said, version(record))
}

/// The version is not known of a message that did not come through this hook, or not as the last one.
fn record(patient: &PatientKey, said: Said, version: Option<Version>) -> Result<Record, HookError> {
    match said {
        Said::Patient(resource) => Ok(Record::Patient { resource, version }),
        Said::Deleted => Ok(Record::Deleted),
        Said::Nothing => {
            let reason = "the event says nothing of a patient's state".to_owned();
            Err(HookError::Unreadable { id: patient.id().to_owned(), reason })
        }
    }
}
