//! What is known of a patient: the message that was delivered, the one that was accepted, and which of them counts.

use message_store::{Accepted, Current, MessageStore, PatientKey};
use serde_json::Value;

use crate::{
    error::HookError,
    mapping::{Mapping, Said},
    stamp::Stamp,
};

/// A version as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) updated: Stamp,
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
    let Some(Accepted { record, .. }) = accepted else {
        return match current {
            None => Ok(Record::Unknown),
            Some(current) => record(patient, mapping.read(patient, &current.body)?.said, None),
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
    let version = updated.map(|updated| Version { number: record.version, updated });
    self::record(patient, mapping.read(patient, &record.body)?.said, version)
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
