//! FHIR R4 Patient to HL7 v2 ADT and back: a pure mapping.
//!
//! No clock, no network, no randomness: time, ids and look-ups come in as arguments ([`MappingContext`]), so the same
//! write gives the same bytes, and the same control id, on every retry.
//!
//! Every conversion to HL7 reads its own message back and compares: what differs is in the report, and what is not in
//! the report reads back as it was given.
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
//! One file per data type holds both directions and its table: names in `human_name`, addresses in `address`,
//! telephone numbers in `contact_point`, identifiers in `identifier` and `assigning_authority`, codes in `coded` and
//! `code_element`, references in `reference`, dates in `date_time`. `cargo doc --document-private-items` reads as the
//! manual of the mapping.
#![warn(missing_docs)]

mod address;
mod assigning_authority;
mod code_element;
mod coded;
mod codes;
mod coding_system;
mod compare;
mod config;
mod contact_point;
mod context;
mod country;
mod date_time;
mod events;
mod fhir;
mod header;
mod human_name;
mod identifier;
mod input;
mod language;
mod loss;
mod mapper;
mod merge;
mod nk1;
mod normalise;
mod origins;
mod patch;
mod path;
mod patient_extension;
mod phone_number;
mod pid;
mod race_ethnicity;
mod read;
mod reading;
mod reference;
mod report;
mod residue;
mod site;
mod trace;
mod version;

pub use config::{
    AckMode, ApplicationAck, CharsetName, CodeRow, ConfigError, ConfigProblem, Country, DegreeComponent,
    DeleteEvent, Direction, EmailUseCode, Evn1, InactiveEvent, Length, LinkConfig, LogicalId, MappingConfig,
    Merge, MergeTrigger, Pix, ProcessingId, Profile, RegistryEntry, Residue, Seealso, UpdateMode,
};
pub use context::{
    AdtMessage, Conversion, Interaction, Lookup, MappingContext, MappingError, ReadBack, Rejection, Subject,
};
pub use mapper::Mapper;
pub use report::{Issue, IssueType, Report, Severity};
pub use trace::Provenance;
pub use version::Version;
