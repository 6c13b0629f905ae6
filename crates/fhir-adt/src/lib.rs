//! FHIR R4 Patient to HL7 v2 ADT and back: a pure mapping.
//!
//! No clock, no network, no randomness: time, ids and look-ups come in as arguments ([`MappingContext`]), so the same
//! write gives the same bytes, and the same control id, on every retry.
//!
//! The report of a conversion is what its message reads back as, compared with what was given: what differs is in the
//! report, and what is not in the report reads back as it was given. A Patient whose comparison can be foreseen is spared
//! it ([`Mapper::patient_json_to_adt`]); a test holds both ways together.
//!
//! ```
//! use fhir_adt::{Interaction, Mapper, MappingConfig, MappingContext, Subject};
//!
//! let mapper = Mapper::new(MappingConfig::default()).expect("the defaults are valid");
//! let patient = serde_json::json!({
//!     "resourceType": "Patient",
//!     "id": "p1",
//!     "name": [{ "use": "official", "family": "Example", "given": ["Anna"] }],
//!     "birthDate": "1974-12-25",
//! });
//! let context = MappingContext {
//!     receipt_time: "2024-03-01T09:30:15Z".parse().expect("a time"),
//!     request_id: "r-1",
//!     patient_id: "p1",
//!     destination: "default",
//!     lookup: None,
//!     previous: None,
//! };
//! let conversion = mapper.patient_to_adt(&patient, Interaction::Create, &context).expect("valid input");
//! let message = &conversion.messages[0];
//! assert_eq!(message.event, "A28");
//! assert!(message.er7.contains("|Example^Anna^^^^^L||19741225"));
//! assert!(conversion.report.is_empty());
//!
//! let text = hl7v2::Text::from_text(&message.er7).expect("our own message");
//! let back = mapper.adt_to_patient(&text).expect("our own message");
//! assert_eq!(back.subject, Subject::Snapshot(patient));
//! ```
//!
//! # The manual
//!
//! One module per data type holds both directions of its rules; its page is their table and names their source. The
//! modules have no items of their own to call: everything goes through [`Mapper`]. Section numbers and rule ids are
//! those of the specification, `docs/reference/mapping.md`.
//!
//! | What | Where |
//! | --- | --- |
//! | HumanName ↔ XPN | [`human_name`] |
//! | Address ↔ XAD | [`address`] |
//! | ContactPoint ↔ XTN | [`contact_point`], [`phone_number`] |
//! | Identifier ↔ CX, system ↔ HD | [`identifier`], [`assigning_authority`] |
//! | CodeableConcept and Coding ↔ CE, CWE, IS | [`coded`]; elements of type code: [`code_element`] |
//! | Reference ↔ XCN, XON | [`mod@reference`] |
//! | date, dateTime, instant ↔ DT, TS, DTM | [`date_time`] |
//! | Patient ↔ PID and PD1 | [`pid`], [`read`], [`patient_extension`], [`race_ethnicity`] |
//! | Patient.contact ↔ NK1 | [`nk1`] |
//! | MSH and EVN, the control id | [`header`] |
//! | segments of a site's own | [`z_segment`] |
//! | which messages a write sends; merges and links | [`events`], [`merge`] |
//! | input checks | [`input`] |
//! | what is lost, and that it is told; ZFP | [`normalise`], [`loss`], [`residue`] |
#![warn(missing_docs)]

pub mod address;
pub mod assigning_authority;
pub mod code_element;
pub mod coded;
mod codes;
mod coding_system;
mod compare;
mod config;
pub mod contact_point;
mod context;
mod country;
pub mod date_time;
pub mod events;
mod fhir;
pub mod header;
pub mod human_name;
pub mod identifier;
pub mod input;
mod language;
pub mod loss;
mod mapper;
pub mod merge;
pub mod nk1;
pub mod normalise;
mod ordinary;
mod origins;
mod own_fields;
mod patch;
mod path;
pub mod patient_extension;
pub mod phone_number;
pub mod pid;
pub mod race_ethnicity;
pub mod read;
mod reading;
pub mod reference;
mod report;
pub mod residue;
mod site;
mod specification;
mod trace;
mod version;
pub mod z_segment;

pub use config::{
    AckMode, ApplicationAck, CharsetName, CodeRow, ConfigError, ConfigProblem, Country, DegreeComponent,
    DeleteEvent, Direction, EmailUseCode, Evn1, InactiveEvent, Length, LinkConfig, LogicalId, MANUAL,
    MappingConfig, Merge, MergeTrigger, Pix, ProcessingId, ProcessingMode, Profile, RegistryEntry, Residue,
    Seealso, UpdateMode, ZSegment,
};
pub use context::{
    AdtMessage, Conversion, Interaction, JsonError, JsonWrite, Lookup, MappingContext, MappingError,
    ReadBack, Rejection, Subject, VersionStamp,
};
pub use mapper::Mapper;
pub use report::{Issue, IssueType, Report, Severity};
pub use specification::{CodeTable, FieldUse, MessageKind, Place, Specification, places};
pub use trace::Provenance;
pub use version::Version;
