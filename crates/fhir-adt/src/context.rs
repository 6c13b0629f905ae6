//! What a conversion is given besides the Patient, and what it returns.

use std::fmt;

use serde_json::Value;

use crate::report::Report;
use crate::trace::Provenance;

/// The FHIR interaction that wrote the Patient. It decides the event, not the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// A create, or an update that created.
    Create,
    /// An update or patch; the Patient is the result state.
    Update,
    /// A delete; the Patient, if any, is the last known state.
    Delete,
}

/// Finds another Patient by its id.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// Everything a conversion needs that is not in the Patient: time, ids, and what else is known.
#[derive(Clone, Copy)]
pub struct MappingContext<'a> {
    /// When the write arrived. Becomes MSH-7, and EVN-2 where the Patient has no `meta.lastUpdated`.
    pub receipt_time: jiff::Timestamp,
    /// Id of the request, for a control id where the Patient has neither version nor time.
    pub request_id: &'a str,
    /// `Patient.id`, from the URL or assigned.
    pub patient_id: &'a str,
    /// Name of the destination, part of the control id.
    pub destination: &'a str,
    /// Finds the target of a link (MRG-C).
    pub lookup: Option<Lookup<'a>>,
    /// The Patient before this write, where known: for a delete, a removed link, an un-merge.
    pub previous: Option<&'a Value>,
}

impl fmt::Debug for MappingContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappingContext")
            .field("receipt_time", &self.receipt_time)
            .field("lookup", &self.lookup.is_some())
            .field("previous", &self.previous.is_some())
            .finish_non_exhaustive()
    }
}

/// One HL7 message, ready to be queued and sent byte for byte.
///
/// Holds patient data: `Debug` shows the event and the size only.
#[derive(Clone, PartialEq, Eq)]
pub struct AdtMessage {
    /// MSH-10.
    pub control_id: String,
    /// The trigger event, such as `A28`.
    pub event: &'static str,
    /// The message, segments ended by CR. Every character is one that MSH-18's character set has.
    pub er7: String,
}

impl fmt::Debug for AdtMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdtMessage")
            .field("event", &self.event)
            .field("bytes", &self.er7.len())
            .finish_non_exhaustive()
    }
}

/// A Patient as messages.
///
/// Holds patient data: `Debug` shows the messages' events and the report, neither of which has any.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Conversion {
    /// What to send, in this order; empty where the configuration sends nothing for the event.
    pub messages: Vec<AdtMessage>,
    /// What was repaired and what is lost.
    pub report: Report,
    /// The Patient, as JSON, that a reader of the first message sees: what was carried. `None` where that was not asked
    /// for ([`JsonWrite::read_back`]), where there is no message, or where it says nothing of the patient's state (a
    /// delete, a link, the merge of another record into this one).
    pub read_back: Option<Vec<u8>>,
    /// Where the values of the first message came from, where that is remembered.
    pub(crate) provenance: Vec<Provenance>,
}

impl fmt::Debug for Conversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversion")
            .field("messages", &self.messages)
            .field("report", &self.report)
            .field("read_back", &self.read_back.is_some())
            .finish_non_exhaustive()
    }
}

impl Conversion {
    /// Where each value of the first message came from, in the order of the message's segments: the place, the
    /// element and the rule. Empty unless the mapper is [traced](crate::Mapper::traced).
    #[must_use]
    pub fn provenance(&self) -> &[Provenance] {
        &self.provenance
    }
}

/// A write as it came over the wire.
///
/// Holds patient data: `Debug` shows the size only.
#[derive(Clone, Copy)]
pub struct JsonWrite<'a> {
    /// The Patient, JSON in UTF-8.
    pub json: &'a [u8],
    /// What wrote it.
    pub interaction: Interaction,
    /// Given by a server that names and dates its resources: `Patient.id` becomes that of the context, and `meta` says
    /// this of the version. `None` leaves the Patient as it is.
    pub stamp: Option<VersionStamp<'a>>,
    /// Also find out what the first message says of the patient ([`Conversion::read_back`]).
    pub read_back: bool,
}

impl fmt::Debug for JsonWrite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonWrite").field("bytes", &self.json.len()).finish_non_exhaustive()
    }
}

/// What a server says of the version that a write makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionStamp<'a> {
    /// `meta.lastUpdated`, an instant.
    pub last_updated: &'a str,
    /// `meta.versionId`: it names the write in the control id, as a FHIR id. `None` takes out what was given.
    pub version_id: Option<&'a str>,
    /// `meta.versionId` of the Patient that is read back, beside `last_updated` as it stands here. `None`: it has the
    /// instant of the message only.
    pub shown_as: Option<&'a str>,
}

/// Why JSON is not sent as a message.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON; the place is in the source.
    #[error("the Patient is not JSON")]
    NotJson(#[from] serde_json::Error),
    /// It must not be sent.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// A Patient that is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Patient cannot be sent: {}", reasons(.report))]
pub struct Rejection {
    /// Why; at least one issue is an error.
    pub report: Report,
}

fn reasons(report: &Report) -> String {
    let errors = report.issues.iter().filter(|issue| issue.severity == crate::Severity::Error);
    errors.map(|issue| format!("{} {}", issue.expression, issue.diagnostics)).collect::<Vec<_>>().join("; ")
}

/// What a message says about a patient (mapping section 2.5).
///
/// The Patient is a JSON value, or JSON text ([`crate::Mapper::adt_to_patient_json`]).
///
/// Holds patient data: `Debug` shows the kind only.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject<P = Value> {
    /// The whole current state. `Patient.id` is absent in a foreign message; the caller sets it.
    Snapshot(P),
    /// The patient was deleted.
    Deleted {
        /// `Patient.id`, where the message has it.
        id: Option<String>,
    },
    /// The patient was merged into another one, whose snapshot must not be overwritten.
    Merged {
        /// The retired record.
        retired: P,
        /// `Patient.id` of the survivor, where the message has it.
        survivor: Option<String>,
    },
    /// Two patients were linked.
    Linked {
        /// Their ids, where the message has them.
        ids: [Option<String>; 2],
    },
    /// Two patients were unlinked.
    Unlinked {
        /// Their ids, where the message has them.
        ids: [Option<String>; 2],
    },
    /// The message is stored, but not readable as a Patient.
    NotAPatient,
}

impl<P> fmt::Debug for Subject<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot(_) => "Snapshot",
            Self::Deleted { .. } => "Deleted",
            Self::Merged { .. } => "Merged",
            Self::Linked { .. } => "Linked",
            Self::Unlinked { .. } => "Unlinked",
            Self::NotAPatient => "NotAPatient",
        })
    }
}

/// A message as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBack<P = Value> {
    /// The trigger event, such as `A28`.
    pub event: String,
    /// What it says.
    pub subject: Subject<P>,
    /// When the event happened: EVN-6, else EVN-2, else MSH-7, as UTC text that sorts by time. A message with a
    /// smaller one than the stored snapshot's must not replace it.
    pub time: Option<String>,
    /// What was told.
    pub report: Report,
}

/// Why a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// It is not an HL7 v2 message.
    #[error(transparent)]
    Parse(#[from] hl7v2::ParseError),
    /// It is a message, but not ADT.
    #[error("the message is not of type ADT")]
    NotAdt,
    /// A segment is missing.
    #[error("the message has no {segment} segment")]
    MissingSegment {
        /// Its name.
        segment: &'static str,
    },
}
