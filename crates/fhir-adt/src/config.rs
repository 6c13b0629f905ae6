//! The `[message]` section: every choice a site can make (mapping section 12).

mod check;
mod choice;
mod error;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Version;

pub(crate) use check::{Problems, nearest};
pub use choice::{
    AckMode, ApplicationAck, CharsetName, Country, DegreeComponent, DeleteEvent, Direction, EmailUseCode,
    Evn1, InactiveEvent, Length, MergeTrigger, ProcessingId, ProcessingMode, Profile, Residue, Seealso,
    UpdateMode,
};
pub use error::{ConfigError, ConfigProblem};

/// The settings of `[message]` with their defaults and what they mean, as TOML.
pub const MANUAL: &str = include_str!("message.toml");

/// Settings of the mapping. The defaults are those of the worked examples.
///
/// ```
/// let config: fhir_adt::MappingConfig = toml::from_str("version = '2.3.1'\nprofile = 'pix'")?;
/// assert!(fhir_adt::Mapper::new(config).is_ok());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MappingConfig {
    /// HL7 version of what is written, MSH-12.
    pub version: Version,
    /// Which events stand for create and update.
    pub profile: Profile,
    /// IHE rules beyond HL7: no PID-28, one repetition of PID-6/10/22/26, an assigning authority on every
    /// identifier.
    pub ihe_strict: bool,
    /// When a merge is sent.
    pub merge: Merge,
    /// What other links do.
    pub link: LinkConfig,
    /// Event of a delete.
    pub delete_event: DeleteEvent,
    /// Event of a write with `active=false`.
    pub inactive_event: InactiveEvent,
    /// Settings of `profile = "pix"`.
    pub pix: Pix,
    /// MSH-3 as `namespace[&universal id&type]`.
    pub sending_application: String,
    /// MSH-4.
    pub sending_facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// EVN-7.
    pub event_facility: String,
    /// PID-34.
    pub last_update_facility: String,
    /// MSH-11.1.
    pub processing_id: ProcessingId,
    /// MSH-11.2; a backfill sets it for its own messages.
    pub processing_mode: ProcessingMode,
    /// Acknowledgment mode, MSH-15 and MSH-16.
    pub ack: AckMode,
    /// MSH-16 where `ack = "enhanced"`.
    pub application_ack: ApplicationAck,
    /// MSH-17, ISO 3166 alpha-3.
    pub country_code: String,
    /// MSH-21, each an entity identifier `id[^namespace^universal id^type]`.
    pub profile_ids: Vec<String>,
    /// Whether EVN-1 is sent.
    pub evn1: Evn1,
    /// MSH-18.
    pub charset: CharsetName,
    /// Zone of MSH-7 and of times without an offset: an IANA name or a fixed offset such as `+01:00`.
    pub timezone: String,
    /// ISO 3166 alpha-2 country of telephone numbers that are not written with `+`.
    pub default_country: String,
    /// What an update does to elements that the Patient no longer has.
    pub update_mode: UpdateMode,
    /// Whether what HL7 cannot carry travels in ZFP segments.
    pub residue: Residue,
    /// Longest ZFP-4, in bytes.
    pub residue_max_bytes: usize,
    /// The repetition of PID-3 that carries `Patient.id`.
    pub logical_id: LogicalId,
    /// Identifier systems and their assigning authorities, added to the built-in ones.
    pub registry: Vec<RegistryEntry>,
    /// Put before a namespace that is read as an identifier system.
    pub hd_prefix: String,
    /// CX.4 of an identifier without system, as `namespace[&universal id&type]`.
    pub default_authority: String,
    /// Names of coding systems (table 0396) by URI, added to the built-in ones.
    pub coding_systems: BTreeMap<String, String>,
    /// Rows that replace rows of the built-in code tables.
    pub codes: Vec<CodeRow>,
    /// Fields of PID, PD1 and NK1 that are not sent, such as `PID-16`, and segments PD1 and NK1.
    pub omit: Vec<String>,
    /// Fields that always have one value, such as `PV1-2`, by place; the value as it stands in a message.
    pub constants: BTreeMap<String, String>,
    /// Segments of the site's own, at the end of a create or update.
    pub z_segments: Vec<ZSegment>,
    /// `implicitRules` that are understood.
    pub implicit_rules: Vec<String>,
    /// How a country is written.
    pub country: Country,
    /// Whether the parts of a birth place also go into PID-11.
    pub birthplace_xad: bool,
    /// XPN component of professional suffixes.
    pub degree_component: DegreeComponent,
    /// XTN.2 of email and url.
    pub email_use_code: EmailUseCode,
    /// XTN.1 repeats XTN.12 (2.5 and 2.5.1).
    pub xtn1_mirror: bool,
    /// All of PID-13 and PID-14 go into PID-40 (from 2.7).
    pub pid40: bool,
    /// Whether invalid input is refused; else the element is dropped and told.
    pub strict: bool,
    /// What happens to a field longer than its version allows.
    pub length: Length,
}

impl Default for MappingConfig {
    fn default() -> Self {
        Self {
            version: Version::default(),
            profile: Profile::default(),
            ihe_strict: false,
            merge: Merge::default(),
            link: LinkConfig::default(),
            delete_event: DeleteEvent::default(),
            inactive_event: InactiveEvent::default(),
            pix: Pix::default(),
            sending_application: "FHIRTRANSFORM".to_owned(),
            sending_facility: "FHIR".to_owned(),
            receiving_application: "HL7RCV".to_owned(),
            receiving_facility: "HL7RCV".to_owned(),
            event_facility: String::new(),
            last_update_facility: String::new(),
            processing_id: ProcessingId::default(),
            processing_mode: ProcessingMode::default(),
            ack: AckMode::default(),
            application_ack: ApplicationAck::default(),
            country_code: String::new(),
            profile_ids: Vec::new(),
            evn1: Evn1::default(),
            charset: CharsetName::default(),
            timezone: "UTC".to_owned(),
            default_country: String::new(),
            update_mode: UpdateMode::default(),
            residue: Residue::default(),
            residue_max_bytes: 32_768,
            logical_id: LogicalId::default(),
            registry: Vec::new(),
            hd_prefix: String::new(),
            default_authority: String::new(),
            coding_systems: BTreeMap::new(),
            codes: Vec::new(),
            omit: Vec::new(),
            constants: BTreeMap::new(),
            z_segments: Vec::new(),
            implicit_rules: Vec::new(),
            country: Country::default(),
            birthplace_xad: true,
            degree_component: DegreeComponent::default(),
            email_use_code: EmailUseCode::default(),
            xtn1_mirror: false,
            pid40: false,
            strict: true,
            length: Length::default(),
        }
    }
}

/// When a merge is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Merge {
    /// Which write sends it.
    pub trigger: MergeTrigger,
}

/// What links other than `replaced-by` do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkConfig {
    /// What a link `seealso` sends.
    pub seealso: Seealso,
}

/// Settings of `profile = "pix"`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pix {
    /// PV1-2.
    pub patient_class: String,
}

impl Default for Pix {
    fn default() -> Self {
        Self { patient_class: "O".to_owned() }
    }
}

/// The repetition of PID-3 that carries `Patient.id` (mapping section 6.3).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogicalId {
    /// CX.5; found on read by this alone.
    pub type_code: String,
    /// CX.9.1, from 2.5.
    pub assigner: String,
    /// CX.4, as `namespace[&universal id&type]`.
    pub authority: String,
    /// Whether it is also returned in `identifier[]`.
    pub expose: bool,
}

impl Default for LogicalId {
    fn default() -> Self {
        Self {
            type_code: "FW".to_owned(),
            assigner: "FHIR Works on AWS Integration Transform".to_owned(),
            authority: "FHIR".to_owned(),
            expose: false,
        }
    }
}

/// An identifier system and its assigning authority (mapping section 6.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// `Identifier.system`.
    pub system: String,
    /// HD.1.
    #[serde(default)]
    pub namespace: String,
    /// HD.2.
    #[serde(default)]
    pub universal_id: String,
    /// HD.3.
    #[serde(default)]
    pub universal_id_type: String,
    /// `Identifier.type` where the Patient has none (table 0203).
    #[serde(default)]
    pub default_type: String,
}

/// A row of a code table that a site adds or replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRow {
    /// HL7 table, four digits.
    pub table: String,
    /// `Coding.system`; empty for elements of type code.
    #[serde(default)]
    pub system: String,
    /// `Coding.code`.
    pub code: String,
    /// Code of the table.
    pub v2: String,
    /// In which directions the row holds.
    #[serde(default)]
    pub direction: Direction,
}

/// A segment of a site's own ([`crate::z_segment`]).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ZSegment {
    /// `Z` and two capital letters or digits.
    pub name: String,
    /// Paths into the Patient, by field number.
    pub fields: BTreeMap<String, String>,
}
