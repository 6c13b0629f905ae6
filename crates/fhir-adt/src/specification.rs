//! What this mapping sends, found by letting it send: the interface specification of one configuration.
//!
//! Two invented Patients that hold everything the mapping carries, and one that holds nothing, go through every
//! interaction. What stands in the messages is the specification, with the elements and rules that put it there. So it
//! follows every setting, and cannot say what the mapping does not do; that it leaves nothing out, the corpus of the
//! tests shows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::codes::Table;
use crate::context::{Conversion, Interaction, MappingContext};
use crate::mapper::Mapper;

mod elements;
mod places;
mod runs;

pub use places::{Place, places};

/// Everything that messages of one configuration hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specification {
    /// The kinds of messages, in the order of their events.
    pub messages: Vec<MessageKind>,
    /// Every place that may be valued, in the order of the messages.
    pub fields: Vec<FieldUse>,
    /// The code tables that are mapped.
    pub tables: Vec<CodeTable>,
    /// Elements of the invented Patients that no message carries, with the reason.
    pub not_carried: BTreeMap<String, String>,
}

/// One kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageKind {
    /// MSH-9.2.
    pub event: String,
    /// What leads to it.
    pub when: &'static str,
    /// An example, of an invented Patient: segments ended by CR.
    pub example: String,
}

/// One place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldUse {
    /// Where it is.
    pub place: Place,
    /// Whether it is valued in every message that has its segment.
    pub always: bool,
    /// Whether the field repeats.
    pub repeats: bool,
    /// FHIR elements that it is made from; empty where the configuration or the event gives it.
    pub elements: BTreeSet<String>,
    /// Rules and sections of the mapping.
    pub rules: BTreeSet<&'static str>,
    /// A value.
    pub example: String,
    /// The events in whose messages it stands.
    pub events: BTreeSet<String>,
}

/// The rows of one code table that are used on the way to HL7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeTable {
    /// Four digits.
    pub number: &'static str,
    /// The places it serves: a field, or a component of a data type.
    pub places: &'static str,
    /// FHIR system, FHIR code, HL7 code; first match counts.
    pub rows: Vec<[String; 3]>,
}

impl Mapper {
    /// What this configuration sends.
    #[must_use]
    pub fn specification(&self) -> Specification {
        let Ok(mapper) = Self::new(self.config().clone()).map(Self::traced) else {
            // It was checked when this mapper was made.
            return Specification {
                messages: Vec::new(),
                fields: Vec::new(),
                tables: Vec::new(),
                not_carried: BTreeMap::new(),
            };
        };
        let mut collected = runs::Collected::default();
        for run in runs::all() {
            run.collect(&mapper, &mut collected);
        }
        let tables = Table::ALL.into_iter().filter_map(|table| self.code_table(table)).collect();
        collected.finish(tables)
    }

    fn code_table(&self, table: Table) -> Option<CodeTable> {
        let places = match table {
            Table::AdministrativeSex => "PID-8, NK1-15",
            Table::MaritalStatus => "PID-16",
            Table::Race => "PID-10",
            Table::Religion => "PID-17",
            Table::Relationship => "NK1-3",
            Table::ContactRole => "NK1-7",
            Table::YesNo => "PID-24, PID-30",
            Table::Ethnicity => "PID-22",
            Table::AddressUseType => "XAD.7",
            Table::NameUse => "XPN.7",
            Table::TelecomUse => "XTN.2",
            Table::TelecomSystem => "XTN.3",
            Table::IdentifierType => "CX.5",
            Table::Language => "PID-15",
            Table::NameRepresentation => "XPN.8",
            Table::AddressUsage => "XAD.18",
            // Codes go as they are.
            Table::Citizenship
            | Table::TribalCitizenship
            | Table::Nationality
            | Table::Handicap
            | Table::Species
            | Table::Breed => return None,
        };
        let rows: Vec<[String; 3]> = self.site().codes.rows_to_v2(table).collect();
        (!rows.is_empty()).then(|| CodeTable { number: table.number(), places, rows })
    }
}
