//! The FHIR R4 Patient and its data types, as far as the mapping reads them.
//!
//! Elements that are not named here have no home in HL7 v2; they stay in the JSON value that these types are read
//! from, and the comparison of [`crate::compare`] tells what became of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A data type: all members optional, absent ones not written, `Debug` without values.
macro_rules! data_type {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_meta:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(crate) struct $name {
            $(
                #[serde(skip_serializing_if = "is_default")]
                $(#[$member_meta])*
                pub(crate) $member: $type,
            )*
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

data_type!(
    /// FHIR R4 Patient.
    Patient {
        resource_type: String,
        id: Option<String>,
        meta: Option<Meta>,
        contained: Vec<serde_json::Value>,
        extension: Vec<Extension>,
        identifier: Vec<Identifier>,
        active: Option<bool>,
        name: Vec<HumanName>,
        telecom: Vec<ContactPoint>,
        gender: Option<String>,
        #[serde(rename = "_gender")]
        gender_element: Option<Element>,
        birth_date: Option<String>,
        #[serde(rename = "_birthDate")]
        birth_date_element: Option<Element>,
        deceased_boolean: Option<bool>,
        deceased_date_time: Option<String>,
        address: Vec<Address>,
        marital_status: Option<CodeableConcept>,
        multiple_birth_boolean: Option<bool>,
        multiple_birth_integer: Option<i64>,
        contact: Vec<Contact>,
        communication: Vec<Communication>,
        general_practitioner: Vec<Reference>,
        link: Vec<Link>,
    }
);

data_type!(
    /// Meta, without what the server owns.
    Meta {
        version_id: Option<String>,
        last_updated: Option<String>,
    }
);

data_type!(
    /// Extensions of a primitive element (`_birthDate`).
    Element { extension: Vec<Extension>, }
);

data_type!(
    /// Extension, with the value types that the mapping uses.
    Extension {
        url: String,
        extension: Vec<Extension>,
        value_address: Option<Address>,
        value_code: Option<String>,
        value_codeable_concept: Option<CodeableConcept>,
        value_coding: Option<Coding>,
        value_date_time: Option<String>,
        value_string: Option<String>,
    }
);

data_type!(
    /// Identifier.
    Identifier {
        extension: Vec<Extension>,
        r#type: Option<CodeableConcept>,
        system: Option<String>,
        value: Option<String>,
        period: Option<Period>,
        assigner: Option<Box<Reference>>,
    }
);

data_type!(
    /// CodeableConcept.
    CodeableConcept { coding: Vec<Coding>, text: Option<String>, }
);

data_type!(
    /// Coding.
    Coding {
        system: Option<String>,
        version: Option<String>,
        code: Option<String>,
        display: Option<String>,
        user_selected: Option<bool>,
    }
);

data_type!(
    /// Period.
    Period { start: Option<String>, end: Option<String>, }
);

data_type!(
    /// Reference.
    Reference {
        reference: Option<String>,
        r#type: Option<String>,
        identifier: Option<Box<Identifier>>,
        display: Option<String>,
    }
);

data_type!(
    /// HumanName.
    HumanName {
        extension: Vec<Extension>,
        r#use: Option<String>,
        #[serde(rename = "_use")]
        use_element: Option<Element>,
        text: Option<String>,
        family: Option<String>,
        #[serde(rename = "_family")]
        family_element: Option<Element>,
        given: Vec<Option<String>>,
        prefix: Vec<Option<String>>,
        suffix: Vec<Option<String>>,
        period: Option<Period>,
    }
);

data_type!(
    /// Address.
    Address {
        extension: Vec<Extension>,
        r#use: Option<String>,
        #[serde(rename = "_use")]
        use_element: Option<Element>,
        r#type: Option<String>,
        text: Option<String>,
        line: Vec<Option<String>>,
        #[serde(rename = "_line")]
        line_element: Vec<Option<Element>>,
        city: Option<String>,
        district: Option<String>,
        state: Option<String>,
        postal_code: Option<String>,
        country: Option<String>,
        period: Option<Period>,
    }
);

data_type!(
    /// ContactPoint.
    ContactPoint {
        extension: Vec<Extension>,
        system: Option<String>,
        #[serde(rename = "_system")]
        system_element: Option<Element>,
        value: Option<String>,
        r#use: Option<String>,
        #[serde(rename = "_use")]
        use_element: Option<Element>,
        rank: Option<u64>,
        period: Option<Period>,
    }
);

data_type!(
    /// Patient.contact.
    Contact {
        relationship: Vec<CodeableConcept>,
        name: Option<HumanName>,
        telecom: Vec<ContactPoint>,
        address: Option<Address>,
        gender: Option<String>,
        #[serde(rename = "_gender")]
        gender_element: Option<Element>,
        organization: Option<Reference>,
        period: Option<Period>,
    }
);

data_type!(
    /// Patient.communication.
    Communication { language: Option<CodeableConcept>, preferred: Option<bool>, }
);

data_type!(
    /// Patient.link.
    Link { other: Option<Reference>, r#type: Option<String>, }
);

data_type!(
    /// A contained resource, as far as references and merges look into it. `name` is a list of HumanName, or the
    /// text of an Organization.
    Contained {
        resource_type: String,
        id: Option<String>,
        identifier: Vec<Identifier>,
        name: serde_json::Value,
    }
);

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Patient {
    /// Reads a Patient that passed the input checks, after which every element fits; `None` otherwise.
    pub(crate) fn of(value: &serde_json::Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// The contained resource that a reference such as `#p1` names, as far as it can be read.
    pub(crate) fn contained(&self, reference: &str) -> Option<Contained> {
        let id = reference.strip_prefix('#')?;
        let found = self.contained.iter().find(|resource| resource["id"] == id)?;
        Contained::deserialize(found).ok()
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Extension {
    /// An extension without a value.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// With a string.
    pub(crate) fn string(url: &str, value: impl Into<String>) -> Self {
        Self { value_string: Some(value.into()), ..Self::new(url) }
    }

    /// With a code.
    pub(crate) fn code(url: &str, value: impl Into<String>) -> Self {
        Self { value_code: Some(value.into()), ..Self::new(url) }
    }

    /// With a concept.
    pub(crate) fn concept(url: &str, value: CodeableConcept) -> Self {
        Self { value_codeable_concept: Some(value), ..Self::new(url) }
    }
}

/// The first extension of that url.
pub(crate) fn extension<'a>(extensions: &'a [Extension], url: &str) -> Option<&'a Extension> {
    extensions.iter().find(|extension| extension.url == url)
}

/// The string of the first extension of that url.
pub(crate) fn extension_string<'a>(extensions: &'a [Extension], url: &str) -> Option<&'a str> {
    extension(extensions, url)?.value_string.as_deref()
}

/// The extensions of a primitive element, none where it has no `_element`.
pub(crate) fn element_extensions(element: Option<&Element>) -> &[Extension] {
    element.map_or(&[], |element| &element.extension)
}

impl Element {
    /// Where there are extensions, the element that holds them.
    pub(crate) fn of(extension: Vec<Extension>) -> Option<Self> {
        (!extension.is_empty()).then_some(Self { extension })
    }
}

impl Period {
    /// Where there is a start or an end, the period.
    pub(crate) fn of(start: Option<String>, end: Option<String>) -> Option<Self> {
        (start.is_some() || end.is_some()).then_some(Self { start, end })
    }
}

/// Urls of the extensions that have a place in HL7 v2.
pub(crate) mod url {
    pub(crate) const ALTERNATE_CODES: &str = "http://hl7.org/fhir/StructureDefinition/alternate-codes";
    pub(crate) const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
    pub(crate) const RACE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race";
    pub(crate) const ETHNICITY: &str = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity";
    pub(crate) const TRIBAL_AFFILIATION: &str =
        "http://hl7.org/fhir/us/core/StructureDefinition/us-core-tribal-affiliation";
    pub(crate) const MOTHERS_MAIDEN_NAME: &str =
        "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName";
    pub(crate) const BIRTH_PLACE: &str = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
    pub(crate) const BIRTH_TIME: &str = "http://hl7.org/fhir/StructureDefinition/patient-birthTime";
    pub(crate) const RELIGION: &str = "http://hl7.org/fhir/StructureDefinition/patient-religion";
    pub(crate) const CITIZENSHIP: &str = "http://hl7.org/fhir/StructureDefinition/patient-citizenship";
    pub(crate) const NATIONALITY: &str = "http://hl7.org/fhir/StructureDefinition/patient-nationality";
    pub(crate) const ANIMAL: &str = "http://hl7.org/fhir/StructureDefinition/patient-animal";
    pub(crate) const DISABILITY: &str = "http://hl7.org/fhir/StructureDefinition/patient-disability";
    pub(crate) const CONGREGATION: &str = "http://hl7.org/fhir/StructureDefinition/patient-congregation";
    pub(crate) const OWN_PREFIX: &str = "http://hl7.org/fhir/StructureDefinition/humanname-own-prefix";
    pub(crate) const OWN_NAME: &str = "http://hl7.org/fhir/StructureDefinition/humanname-own-name";
    pub(crate) const PARTNER_PREFIX: &str =
        "http://hl7.org/fhir/StructureDefinition/humanname-partner-prefix";
    pub(crate) const PARTNER_NAME: &str = "http://hl7.org/fhir/StructureDefinition/humanname-partner-name";
    pub(crate) const ASSEMBLY_ORDER: &str =
        "http://hl7.org/fhir/StructureDefinition/humanname-assembly-order";
    pub(crate) const REPRESENTATION: &str =
        "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
    pub(crate) const STREET_NAME: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-streetName";
    pub(crate) const HOUSE_NUMBER: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-houseNumber";
    pub(crate) const CENSUS_TRACT: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-ADXP-censusTract";
    pub(crate) const PHONE_COUNTRY: &str = "http://hl7.org/fhir/StructureDefinition/contactpoint-country";
    pub(crate) const PHONE_AREA: &str = "http://hl7.org/fhir/StructureDefinition/contactpoint-area";
    pub(crate) const PHONE_LOCAL: &str = "http://hl7.org/fhir/StructureDefinition/contactpoint-local";
    pub(crate) const PHONE_EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/contactpoint-extension";
    pub(crate) const PHONE_COMMENT: &str = "http://hl7.org/fhir/StructureDefinition/contactpoint-comment";
    pub(crate) const CHECK_DIGIT: &str = "http://hl7.org/fhir/StructureDefinition/identifier-checkDigit";
    pub(crate) const CHECK_DIGIT_SCHEME: &str =
        "http://hl7.org/fhir/StructureDefinition/namingsystem-checkDigit";
}

/// Code systems that the mapping names itself.
pub(crate) mod system {
    pub(crate) const V2: &str = "http://terminology.hl7.org/CodeSystem/v2-";
    pub(crate) const IDENTIFIER_TYPE: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
    pub(crate) const RACE_AND_ETHNICITY: &str = "urn:oid:2.16.840.1.113883.6.238";
    pub(crate) const NULL_FLAVOR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
    pub(crate) const ROLE_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    pub(crate) const LANGUAGE: &str = "urn:ietf:bcp:47";
}
