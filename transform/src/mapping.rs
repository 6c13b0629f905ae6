//! The mapping as the hook uses it: the only file that knows the API of `fhir-adt`.

mod report;

pub(crate) use report::Notes;

use std::{collections::HashMap, sync::Arc};

use fhir_adt::{
    Conversion, Interaction, JsonWrite, Mapper, MappingConfig, MappingContext, MergeTrigger, ProcessingMode,
    Rejection, Residue, Seealso, Severity, Subject, VersionStamp,
};
use jiff::Timestamp;
use message_store::PatientKey;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Error, error::HookError, metrics::Metrics, stamp::Stamp};

/// Patient to messages and back, with the settings of this hook.
pub(crate) struct Mapping {
    mapper: Mapper,
    /// The same, for what happened long ago.
    history: Mapper,
    destination: String,
    metrics: Arc<Metrics>,
}

/// What a conversion needs to know beside the patient.
pub(crate) struct Facts<'a> {
    pub(crate) patient: &'a PatientKey,
    pub(crate) stamp: Stamp,
    pub(crate) request_id: &'a str,
    /// Patients named in `link`, by id.
    pub(crate) linked: HashMap<String, Value>,
    /// The patient before the write, as far as [`Mapping::wants_previous`] asks for it.
    pub(crate) previous: Option<&'a Value>,
    /// Not an event of now: MSH-11.2 says so.
    pub(crate) history: bool,
}

/// A message to send.
pub(crate) struct Message {
    pub(crate) control_id: String,
    /// Such as `ADT^A28`.
    pub(crate) event: String,
    pub(crate) er7: String,
}

/// The messages of a write, in the order they are sent, and what they do not carry.
pub(crate) struct Converted {
    pub(crate) messages: Vec<Message>,
    pub(crate) notes: Notes,
}

/// A stored message, read.
pub(crate) struct Reading {
    /// Trigger event, such as `A28`.
    pub(crate) event: String,
    /// Says which of two messages is newer.
    pub(crate) time: Stamp,
    pub(crate) said: Said,
}

/// What a message says of one patient.
pub(crate) enum Said {
    /// This is the patient's state.
    Patient(Value),
    /// The patient was deleted.
    Deleted,
    /// Nothing of the patient's state: a link, or the merge of another record into this one.
    Nothing,
}

impl Mapping {
    pub(crate) fn new(
        config: MappingConfig,
        destination: String,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        let history = MappingConfig { processing_mode: ProcessingMode::InitialLoad, ..config.clone() };
        Ok(Self {
            mapper: Mapper::new(config).map_err(Error::Mapping)?,
            history: Mapper::new(history).map_err(Error::Mapping)?,
            destination,
            metrics,
        })
    }

    /// Whether links make it matter what the patient was before an update.
    pub(crate) fn wants_previous(&self) -> bool {
        let config = self.mapper.config();
        config.link.seealso != Seealso::Off
            || config.merge.trigger != MergeTrigger::ReplacedBy
            || config.residue != Residue::Off
    }

    /// The messages of a write; none where the configuration sends nothing for it.
    ///
    /// Elements that R4 does not have are left out and told when `lenient`; everything else that is wrong with the
    /// resource is refused either way.
    pub(crate) fn convert(
        &self,
        patient: &Value,
        interaction: Interaction,
        facts: &Facts<'_>,
        lenient: bool,
    ) -> Result<Converted, HookError> {
        let started = Instant::now();
        let lookup = |reference: &str| {
            let id = reference.rsplit('/').next().unwrap_or(reference);
            facts.linked.get(id).cloned()
        };
        let context = MappingContext { lookup: Some(&lookup), ..self.context(facts) };
        let mapper = self.mapper(facts);
        let rejection = match mapper.patient_to_adt(patient, interaction, &context) {
            Ok(conversion) => return Ok(self.converted(conversion, started)),
            // What was read from a message of somebody else need not be what may be written.
            Err(_) if interaction == Interaction::Delete => return self.delete(facts),
            Err(rejection) => rejection,
        };
        let unknown = report::unknown_elements(&rejection.report);
        if !lenient || unknown.is_empty() {
            return Err(self.refused(&rejection, lenient, started));
        }
        let mut known = patient.clone();
        for path in &unknown {
            report::remove(&mut known, path);
        }
        let conversion = mapper.patient_to_adt(&known, interaction, &context);
        let mut converted = conversion
            .map(|conversion| self.converted(conversion, started))
            .map_err(|rejection| self.refused(&rejection, lenient, started))?;
        tracing::warn!(elements = unknown.len(), "elements that R4 does not have were ignored");
        converted.notes.ignored = unknown;
        Ok(converted)
    }

    /// The message of an ordinary Patient and what it says, as JSON, shown as version `shown_as`; made from the text that
    /// was given, without reading the message back. `key` is the version part of the control id, where the sender gives
    /// one. `None`: only [`Mapping::convert`] knows.
    pub(crate) fn convert_ordinary(
        &self,
        json: &[u8],
        interaction: Interaction,
        facts: &Facts<'_>,
        key: Option<&str>,
        shown_as: &str,
    ) -> Option<(Converted, String)> {
        let started = Instant::now();
        let last_updated = facts.stamp.to_string();
        let stamp = VersionStamp { last_updated: &last_updated, version_id: key, shown_as: Some(shown_as) };
        let write = JsonWrite { json, interaction, stamp: Some(stamp), read_back: true };
        let mut conversion = self.mapper(facts).ordinary_to_adt(&write, &self.context(facts))?;
        let shown = String::from_utf8(conversion.read_back.take()?).ok()?;
        Some((self.converted(conversion, started), shown))
    }

    /// The message of a delete when nothing but the id is known.
    pub(crate) fn delete(&self, facts: &Facts<'_>) -> Result<Converted, HookError> {
        let started = Instant::now();
        let context = self.context(facts);
        self.mapper
            .delete_to_adt(facts.patient.id(), &context)
            .map(|conversion| self.converted(conversion, started))
            .map_err(|rejection| self.refused(&rejection, true, started))
    }

    /// Reads a stored message back: what it says of this patient.
    pub(crate) fn read(&self, patient: &PatientKey, er7: &[u8]) -> Result<Reading, HookError> {
        let unreadable = |reason: String| HookError::Unreadable { id: patient.id().to_owned(), reason };
        // The store holds UTF-8 whatever MSH-18 says; only what another program put there may be in another set.
        let text = match std::str::from_utf8(er7) {
            Ok(text) => hl7v2::Text::from_text(text),
            Err(_) => hl7v2::Text::from_bytes(er7),
        };
        let text = text.map_err(|error| unreadable(error.to_string()))?;
        let read = self.mapper.adt_to_patient(&text).map_err(|error| unreadable(error.to_string()))?;
        let said = match read.subject {
            Subject::Merged { survivor, .. } if survivor.as_deref() == Some(patient.id()) => Said::Nothing,
            Subject::Snapshot(mut resource) | Subject::Merged { retired: mut resource, .. } => {
                // A message of somebody else does not hold our id, but was found under it.
                resource["id"] = json!(patient.id());
                Said::Patient(resource)
            }
            Subject::Deleted { .. } => Said::Deleted,
            Subject::Linked { .. } | Subject::Unlinked { .. } | Subject::NotAPatient => Said::Nothing,
        };
        // Without any time it is older than everything.
        let time = read.time.and_then(|time| time.parse().ok()).unwrap_or(Timestamp::MIN);
        Ok(Reading { event: read.event, time: Stamp::of(time), said })
    }

    fn mapper(&self, facts: &Facts<'_>) -> &Mapper {
        if facts.history { &self.history } else { &self.mapper }
    }

    fn context<'a>(&'a self, facts: &Facts<'a>) -> MappingContext<'a> {
        MappingContext {
            receipt_time: facts.stamp.instant(),
            request_id: facts.request_id,
            patient_id: facts.patient.id(),
            destination: &self.destination,
            lookup: None,
            previous: facts.previous,
        }
    }

    fn converted(&self, conversion: Conversion, started: Instant) -> Converted {
        self.metrics.converted(&conversion, started.elapsed());
        converted(conversion)
    }

    fn refused(&self, rejection: &Rejection, lenient: bool, started: Instant) -> HookError {
        self.metrics.refused(started.elapsed());
        HookError::Refused { refusals: report::refusals(&rejection.report, lenient) }
    }
}

fn converted(conversion: Conversion) -> Converted {
    let count = |severity: Severity| {
        conversion.report.issues.iter().filter(|issue| issue.severity == severity).count()
    };
    let (warnings, notes) = (count(Severity::Warning), count(Severity::Information));
    if warnings + notes > 0 {
        tracing::debug!(warnings, notes, "the message does not carry everything");
    }
    let message = |message: fhir_adt::AdtMessage| Message {
        control_id: message.control_id,
        event: format!("ADT^{}", message.event),
        er7: message.er7,
    };
    Converted {
        messages: conversion.messages.into_iter().map(message).collect(),
        notes: Notes { ignored: Vec::new(), report: conversion.report },
    }
}
