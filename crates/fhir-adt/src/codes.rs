//! Code tables: which FHIR code stands for which HL7 v2 code, by direction and version.
//!
//! The rows are the CSV files in `tables/`, compiled in by `build.rs`; a site puts rows of its own before them.

mod index;

use std::borrow::Cow;
use std::sync::LazyLock;

use index::Index;

use crate::Version;
use crate::config::{CodeRow, Direction};
use crate::fhir::system;

/// One row of a code table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) system: Cow<'static, str>,
    pub(crate) code: Cow<'static, str>,
    pub(crate) v2: Cow<'static, str>,
    pub(crate) to_v2: bool,
    pub(crate) to_fhir: bool,
    /// The row holds from this version on.
    pub(crate) min: Option<Version>,
    /// The row holds up to this version.
    pub(crate) max: Option<Version>,
}

impl Row {
    fn holds(&self, version: Version) -> bool {
        self.min.is_none_or(|min| version >= min) && self.max.is_none_or(|max| version <= max)
    }
}

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// The HL7 tables of coded fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// 0001, PID-8 and NK1-15.
    AdministrativeSex,
    /// 0002, PID-16.
    MaritalStatus,
    /// 0005, PID-10.
    Race,
    /// 0006, PID-17.
    Religion,
    /// 0063, NK1-3.
    Relationship,
    /// 0131, NK1-7.
    ContactRole,
    /// 0136, PID-24 and PID-30.
    YesNo,
    /// 0171, PID-26: no map, the codes go as they are.
    Citizenship,
    /// 0189, PID-22.
    Ethnicity,
    /// 0190, XAD.7.
    AddressUseType,
    /// 0200, XPN.7.
    NameUse,
    /// 0201, XTN.2.
    TelecomUse,
    /// 0202, XTN.3.
    TelecomSystem,
    /// 0203, CX.5.
    IdentifierType,
    /// 0212, PID-28: no map.
    Nationality,
    /// 0295, PD1-6: no map.
    Handicap,
    /// 0296, PID-15.
    Language,
    /// 0446, PID-35: no map.
    Species,
    /// 0447, PID-36: no map.
    Breed,
    /// 0465, XPN.8.
    NameRepresentation,
    /// 0617, XAD.18.
    AddressUsage,
    /// 0171 in PID-39: no map.
    TribalCitizenship,
}

impl Table {
    /// All of them, in the order of the variants.
    pub(crate) const ALL: [Self; 22] = [
        Self::AdministrativeSex,
        Self::MaritalStatus,
        Self::Race,
        Self::Religion,
        Self::Relationship,
        Self::ContactRole,
        Self::YesNo,
        Self::Citizenship,
        Self::Ethnicity,
        Self::AddressUseType,
        Self::NameUse,
        Self::TelecomUse,
        Self::TelecomSystem,
        Self::IdentifierType,
        Self::Nationality,
        Self::Handicap,
        Self::Language,
        Self::Species,
        Self::Breed,
        Self::NameRepresentation,
        Self::AddressUsage,
        Self::TribalCitizenship,
    ];

    /// Its number, four digits.
    pub(crate) fn number(self) -> &'static str {
        self.system().strip_prefix(system::V2).unwrap_or_default()
    }

    /// Its name in CE.3: `HL7` and the number.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AdministrativeSex => "HL70001",
            Self::MaritalStatus => "HL70002",
            Self::Race => "HL70005",
            Self::Religion => "HL70006",
            Self::Relationship => "HL70063",
            Self::ContactRole => "HL70131",
            Self::YesNo => "HL70136",
            Self::Citizenship | Self::TribalCitizenship => "HL70171",
            Self::Ethnicity => "HL70189",
            Self::AddressUseType => "HL70190",
            Self::NameUse => "HL70200",
            Self::TelecomUse => "HL70201",
            Self::TelecomSystem => "HL70202",
            Self::IdentifierType => "HL70203",
            Self::Nationality => "HL70212",
            Self::Handicap => "HL70295",
            Self::Language => "HL70296",
            Self::Species => "HL70446",
            Self::Breed => "HL70447",
            Self::NameRepresentation => "HL70465",
            Self::AddressUsage => "HL70617",
        }
    }

    /// Its code system.
    pub(crate) fn system(self) -> &'static str {
        match self {
            Self::AdministrativeSex => "http://terminology.hl7.org/CodeSystem/v2-0001",
            Self::MaritalStatus => "http://terminology.hl7.org/CodeSystem/v2-0002",
            Self::Race => "http://terminology.hl7.org/CodeSystem/v2-0005",
            Self::Religion => "http://terminology.hl7.org/CodeSystem/v2-0006",
            Self::Relationship => "http://terminology.hl7.org/CodeSystem/v2-0063",
            Self::ContactRole => "http://terminology.hl7.org/CodeSystem/v2-0131",
            Self::YesNo => "http://terminology.hl7.org/CodeSystem/v2-0136",
            Self::Citizenship | Self::TribalCitizenship => "http://terminology.hl7.org/CodeSystem/v2-0171",
            Self::Ethnicity => "http://terminology.hl7.org/CodeSystem/v2-0189",
            Self::AddressUseType => "http://terminology.hl7.org/CodeSystem/v2-0190",
            Self::NameUse => "http://terminology.hl7.org/CodeSystem/v2-0200",
            Self::TelecomUse => "http://terminology.hl7.org/CodeSystem/v2-0201",
            Self::TelecomSystem => "http://terminology.hl7.org/CodeSystem/v2-0202",
            Self::IdentifierType => "http://terminology.hl7.org/CodeSystem/v2-0203",
            Self::Nationality => "http://terminology.hl7.org/CodeSystem/v2-0212",
            Self::Handicap => "http://terminology.hl7.org/CodeSystem/v2-0295",
            Self::Language => "http://terminology.hl7.org/CodeSystem/v2-0296",
            Self::Species => "http://terminology.hl7.org/CodeSystem/v2-0446",
            Self::Breed => "http://terminology.hl7.org/CodeSystem/v2-0447",
            Self::NameRepresentation => "http://terminology.hl7.org/CodeSystem/v2-0465",
            Self::AddressUsage => "http://terminology.hl7.org/CodeSystem/v2-0617",
        }
    }

    /// The first table of that number.
    pub(crate) fn from_number(number: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }

    /// True for the code system of this table.
    pub(crate) fn is_system(self, uri: &str) -> bool {
        uri == self.system()
    }

    /// The built-in rows.
    pub(crate) fn rows(self) -> &'static [Row] {
        match self {
            Self::AdministrativeSex => ADMINISTRATIVE_SEX,
            Self::MaritalStatus => MARITAL_STATUS,
            Self::Race => RACE,
            Self::Religion => RELIGION,
            Self::Relationship => RELATIONSHIP,
            Self::ContactRole => CONTACT_ROLE,
            Self::YesNo => YES_NO,
            Self::Ethnicity => ETHNICITY,
            Self::AddressUseType | Self::AddressUsage => ADDRESS_USE_TYPE,
            Self::NameUse => NAME_USE,
            Self::TelecomUse => TELECOM_USE,
            Self::TelecomSystem => TELECOM_SYSTEM,
            Self::IdentifierType => IDENTIFIER_TYPE,
            Self::Language => LANGUAGE,
            Self::NameRepresentation => NAME_REPRESENTATION,
            Self::Citizenship
            | Self::TribalCitizenship
            | Self::Nationality
            | Self::Handicap
            | Self::Species
            | Self::Breed => &[],
        }
    }

    /// Two files hold the rows of two tables each; a row of the other one is not this table's.
    fn owns(self, row: &Row) -> bool {
        match self {
            Self::AddressUsage => matches!(&*row.v2, "M" | "V") && row.min == Some(Version::V2_7),
            Self::AddressUseType => {
                !(row.min == Some(Version::V2_7) && row.to_v2 && row.system.ends_with("address-type"))
            }
            _ => true,
        }
    }
}

/// The compiled tables of one configuration.
#[derive(Debug)]
pub(crate) struct Codes {
    version: Version,
    maps: Vec<CodeMap>,
}

#[derive(Debug, Default)]
struct CodeMap {
    rows: Vec<Row>,
    by_fhir: Index,
    by_v2: Index,
}

impl CodeMap {
    fn new(table: Table, site: &[CodeRow]) -> Self {
        let own = site.iter().filter(|row| row.table == table.number()).map(|row| Row {
            system: Cow::Owned(row.system.clone()),
            code: Cow::Owned(row.code.clone()),
            v2: Cow::Owned(row.v2.clone()),
            to_v2: row.direction != Direction::ToFhir,
            to_fhir: row.direction != Direction::ToV2,
            min: None,
            max: None,
        });
        let standard = table.rows().iter().filter(|row| table.owns(row) && row.code != "*").cloned();
        let rows: Vec<Row> = own.chain(standard).collect();
        let by_fhir = Index::new(rows.iter().map(|row| &*row.code));
        let by_v2 = Index::new(rows.iter().map(|row| &*row.v2));
        Self { rows, by_fhir, by_v2 }
    }

    /// The rows of a FHIR code, in their order.
    fn with_code(&self, code: &str) -> impl Iterator<Item = &Row> {
        self.by_fhir.find(code).filter_map(|at| self.rows.get(at)).filter(move |row| row.code == code)
    }

    /// The rows of a v2 code, in their order.
    fn with_v2(&self, v2: &str) -> impl Iterator<Item = &Row> {
        self.by_v2.find(v2).filter_map(|at| self.rows.get(at)).filter(move |row| row.v2 == v2)
    }
}

impl Codes {
    /// The tables with a site's rows before them, for messages of `version`.
    pub(crate) fn new(version: Version, site: &[CodeRow]) -> Self {
        let maps = Table::ALL.into_iter().map(|table| CodeMap::new(table, site)).collect();
        Self { version, maps }
    }

    /// The version that is written.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The v2 code that a FHIR coding maps to. Without `system` the element is of type code, whose system is
    /// known.
    pub(crate) fn to_v2(&self, table: Table, system: Option<&str>, code: &str) -> Option<&str> {
        let rows = self.maps.get(table as usize)?;
        let holds = |row: &Row| {
            row.to_v2
                && row.holds(self.version)
                && !row.v2.is_empty()
                && system.is_none_or(|system| row.system == system)
        };
        rows.with_code(code).find(|row| holds(row)).map(|row| &*row.v2)
    }

    /// The FHIR coding (system, code) that a v2 code of a message of `version` maps to.
    pub(crate) fn to_fhir(&self, table: Table, v2: &str, version: Version) -> Option<(&str, &str)> {
        let rows = self.maps.get(table as usize)?;
        rows.with_v2(v2)
            .find(|row| row.to_fhir && row.holds(version) && !row.code.is_empty())
            .map(|row| (&*row.system, &*row.code))
    }

    /// The FHIR code of a given system that a v2 code maps to, where one table serves two elements.
    pub(crate) fn to_fhir_in(&self, table: Table, v2: &str, system: &str, version: Version) -> Option<&str> {
        let rows = self.maps.get(table as usize)?;
        rows.with_v2(v2)
            .find(|row| row.to_fhir && row.holds(version) && row.system == system)
            .map(|row| &*row.code)
    }

    /// System, code and v2 code of every row that is used on the way to this version; the first one of a code counts.
    pub(crate) fn rows_to_v2(&self, table: Table) -> impl Iterator<Item = [String; 3]> {
        let rows = self.maps.get(table as usize).map(|map| map.rows.as_slice()).unwrap_or_default();
        let used = rows.iter().filter(|row| row.to_v2 && row.holds(self.version) && !row.v2.is_empty());
        used.map(|row| [row.system.to_string(), row.code.to_string(), row.v2.to_string()])
    }

    /// True where `v2` is a code of the table, mapped or not.
    pub(crate) fn contains(&self, table: Table, v2: &str) -> bool {
        !v2.is_empty()
            && self
                .maps
                .get(table as usize)
                .is_some_and(|rows| rows.with_v2(v2).any(|row| row.holds(self.version)))
    }
}

/// The row of a built-in table with that v2 code.
pub(crate) fn find_v2(table: Table, v2: &str) -> Option<&'static Row> {
    table.rows().iter().find(|row| row.v2 == v2)
}

/// True for a code of table 0203 as it is built in.
pub(crate) fn is_identifier_type(v2: &str) -> bool {
    static BY_V2: LazyLock<Index> = LazyLock::new(|| Index::new(IDENTIFIER_TYPE.iter().map(|row| &*row.v2)));
    // The first row of a code decides.
    let first = BY_V2.find(v2).filter_map(|at| IDENTIFIER_TYPE.get(at)).find(|row| row.v2 == v2);
    first.is_some_and(|row| !row.system.is_empty())
}

#[cfg(test)]
mod tests;
