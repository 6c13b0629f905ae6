//! The FHIR R4 Patient and its data types, as far as the mapping reads them.
//!
//! Most elements without a home in HL7 v2 are not named here; they stay in the JSON value that these types are read
//! from, and the comparison of [`crate::compare`] tells what became of them. Those that ordinary Patients have are
//! named for [`crate::ordinary`], which reads no JSON value. Texts are borrowed from where they were
//! read, JSON or message.

mod json;
mod read;

use std::fmt;

use serde::Serialize;
use serde_json::{Number, Value};

pub(crate) use json::Json;
pub(crate) use read::Read;

/// A text, borrowed where it can be.
pub(crate) type Str<'a> = std::borrow::Cow<'a, str>;

/// A data type: all members optional, absent ones not written, `Debug` without values. Each member is given with its
/// name in JSON.
macro_rules! data_type {
    ($(#[$doc:meta])* $name:ident { $($json:literal $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Serialize)]
        pub(crate) struct $name<'a> {
            $(
                #[serde(rename = $json, skip_serializing_if = "read::is_absent")]
                pub(crate) $member: $type,
            )*
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        read::object!($name { $($json $member,)* });
    };
}

data_type!(
    /// FHIR R4 Patient.
    Patient {
        "resourceType" resource_type: Str<'a>,
        "id" id: Option<Str<'a>>,
        "meta" meta: Option<Meta<'a>>,
        "language" language: Option<Str<'a>>,
        "text" text: Option<Narrative<'a>>,
        "contained" contained: Vec<Value>,
        "extension" extension: Vec<Extension<'a>>,
        "identifier" identifier: Vec<Identifier<'a>>,
        "active" active: Option<bool>,
        "name" name: Vec<HumanName<'a>>,
        "telecom" telecom: Vec<ContactPoint<'a>>,
        "gender" gender: Option<Str<'a>>,
        "_gender" gender_element: Option<Element<'a>>,
        "birthDate" birth_date: Option<Str<'a>>,
        "_birthDate" birth_date_element: Option<Element<'a>>,
        "deceasedBoolean" deceased_boolean: Option<bool>,
        "deceasedDateTime" deceased_date_time: Option<Str<'a>>,
        "address" address: Vec<Address<'a>>,
        "maritalStatus" marital_status: Option<CodeableConcept<'a>>,
        "multipleBirthBoolean" multiple_birth_boolean: Option<bool>,
        "multipleBirthInteger" multiple_birth_integer: Option<i64>,
        "photo" photo: Vec<Attachment<'a>>,
        "contact" contact: Vec<Contact<'a>>,
        "communication" communication: Vec<Communication<'a>>,
        "generalPractitioner" general_practitioner: Vec<Reference<'a>>,
        "managingOrganization" managing_organization: Option<Reference<'a>>,
        "link" link: Vec<Link<'a>>,
    }
);

data_type!(
    /// Meta.
    Meta {
        "versionId" version_id: Option<Str<'a>>,
        "lastUpdated" last_updated: Option<Str<'a>>,
        "source" source: Option<Str<'a>>,
        "profile" profile: Vec<Str<'a>>,
        "security" security: Vec<Coding<'a>>,
        "tag" tag: Vec<Coding<'a>>,
    }
);

data_type!(
    /// Narrative.
    Narrative { "status" status: Option<Str<'a>>, "div" div: Option<Str<'a>>, }
);

data_type!(
    /// Extensions of a primitive element (`_birthDate`).
    Element { "extension" extension: Vec<Extension<'a>>, }
);

data_type!(
    /// Extension, with the value types that the mapping uses.
    Extension {
        "url" url: Str<'a>,
        "extension" extension: Vec<Extension<'a>>,
        "valueAddress" value_address: Option<Box<Address<'a>>>,
        "valueBoolean" value_boolean: Option<bool>,
        "valueCode" value_code: Option<Str<'a>>,
        "valueCodeableConcept" value_codeable_concept: Option<CodeableConcept<'a>>,
        "valueCoding" value_coding: Option<Coding<'a>>,
        "valueDateTime" value_date_time: Option<Str<'a>>,
        "valueDecimal" value_decimal: Option<Number>,
        "valueInteger" value_integer: Option<i64>,
        "valueString" value_string: Option<Str<'a>>,
    }
);

data_type!(
    /// Attachment.
    Attachment {
        "contentType" content_type: Option<Str<'a>>,
        "language" language: Option<Str<'a>>,
        "data" data: Option<Str<'a>>,
        "url" url: Option<Str<'a>>,
        "size" size: Option<u64>,
        "hash" hash: Option<Str<'a>>,
        "title" title: Option<Str<'a>>,
        "creation" creation: Option<Str<'a>>,
    }
);

data_type!(
    /// Identifier.
    Identifier {
        "extension" extension: Vec<Extension<'a>>,
        "use" r#use: Option<Str<'a>>,
        "type" r#type: Option<CodeableConcept<'a>>,
        "system" system: Option<Str<'a>>,
        "value" value: Option<Str<'a>>,
        "period" period: Option<Period<'a>>,
        "assigner" assigner: Option<Box<Reference<'a>>>,
    }
);

data_type!(
    /// CodeableConcept.
    CodeableConcept { "coding" coding: Vec<Coding<'a>>, "text" text: Option<Str<'a>>, }
);

data_type!(
    /// Coding.
    Coding {
        "system" system: Option<Str<'a>>,
        "version" version: Option<Str<'a>>,
        "code" code: Option<Str<'a>>,
        "display" display: Option<Str<'a>>,
        "userSelected" user_selected: Option<bool>,
    }
);

data_type!(
    /// Period.
    Period { "start" start: Option<Str<'a>>, "end" end: Option<Str<'a>>, }
);

data_type!(
    /// Reference.
    Reference {
        "reference" reference: Option<Str<'a>>,
        "type" r#type: Option<Str<'a>>,
        "identifier" identifier: Option<Box<Identifier<'a>>>,
        "display" display: Option<Str<'a>>,
    }
);

data_type!(
    /// HumanName.
    HumanName {
        "extension" extension: Vec<Extension<'a>>,
        "use" r#use: Option<Str<'a>>,
        "_use" use_element: Option<Element<'a>>,
        "text" text: Option<Str<'a>>,
        "family" family: Option<Str<'a>>,
        "_family" family_element: Option<Element<'a>>,
        "given" given: Vec<Option<Str<'a>>>,
        "prefix" prefix: Vec<Option<Str<'a>>>,
        "suffix" suffix: Vec<Option<Str<'a>>>,
        "period" period: Option<Period<'a>>,
    }
);

data_type!(
    /// Address.
    Address {
        "extension" extension: Vec<Extension<'a>>,
        "use" r#use: Option<Str<'a>>,
        "_use" use_element: Option<Element<'a>>,
        "type" r#type: Option<Str<'a>>,
        "text" text: Option<Str<'a>>,
        "line" line: Vec<Option<Str<'a>>>,
        "_line" line_element: Vec<Option<Element<'a>>>,
        "city" city: Option<Str<'a>>,
        "district" district: Option<Str<'a>>,
        "state" state: Option<Str<'a>>,
        "postalCode" postal_code: Option<Str<'a>>,
        "country" country: Option<Str<'a>>,
        "period" period: Option<Period<'a>>,
    }
);

data_type!(
    /// ContactPoint.
    ContactPoint {
        "extension" extension: Vec<Extension<'a>>,
        "system" system: Option<Str<'a>>,
        "_system" system_element: Option<Element<'a>>,
        "value" value: Option<Str<'a>>,
        "use" r#use: Option<Str<'a>>,
        "_use" use_element: Option<Element<'a>>,
        "rank" rank: Option<u64>,
        "period" period: Option<Period<'a>>,
    }
);

data_type!(
    /// Patient.contact.
    Contact {
        "relationship" relationship: Vec<CodeableConcept<'a>>,
        "name" name: Option<HumanName<'a>>,
        "telecom" telecom: Vec<ContactPoint<'a>>,
        "address" address: Option<Address<'a>>,
        "gender" gender: Option<Str<'a>>,
        "_gender" gender_element: Option<Element<'a>>,
        "organization" organization: Option<Reference<'a>>,
        "period" period: Option<Period<'a>>,
    }
);

data_type!(
    /// Patient.communication.
    Communication { "language" language: Option<CodeableConcept<'a>>, "preferred" preferred: Option<bool>, }
);

data_type!(
    /// Patient.link.
    Link { "other" other: Option<Reference<'a>>, "type" r#type: Option<Str<'a>>, }
);

impl<'a> Patient<'a> {
    /// Reads a Patient that passed the input checks, after which every element fits; `None` otherwise.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        of(value)
    }

    /// The contained resource that a reference such as `#p1` names.
    pub(crate) fn contained(&self, reference: &str) -> Option<Contained<'_>> {
        let id = reference.strip_prefix('#')?;
        Contained::of(self.contained.iter().find(|resource| resource["id"] == id)?)
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Reads a data type from JSON; `None` where an element has another type than FHIR gives it. Unknown members are
/// passed over.
pub(crate) fn of<'a, T: Read<'a>>(value: &'a Value) -> Option<T> {
    T::of(value)
}

/// A contained resource, as far as references look into it.
pub(crate) struct Contained<'a> {
    pub(crate) resource_type: &'a str,
    /// The first identifier.
    pub(crate) identifier: Option<Identifier<'a>>,
    /// A list of HumanName, or the text of an Organization.
    pub(crate) name: &'a Value,
}

impl<'a> Contained<'a> {
    fn of(resource: &'a Value) -> Option<Self> {
        let resource_type = match &resource["resourceType"] {
            Value::Null => "",
            other => other.as_str()?,
        };
        let identifiers: Vec<Identifier<'a>> = match &resource["identifier"] {
            Value::Null => Vec::new(),
            other => of(other)?,
        };
        Some(Self { resource_type, identifier: identifiers.into_iter().next(), name: &resource["name"] })
    }
}

impl Coding<'_> {
    /// The same, borrowing its texts from this one.
    pub(crate) fn borrowed(&self) -> Coding<'_> {
        fn text<'b>(text: &'b Option<Str<'_>>) -> Option<Str<'b>> {
            text.as_deref().map(Str::Borrowed)
        }
        Coding {
            system: text(&self.system),
            version: text(&self.version),
            code: text(&self.code),
            display: text(&self.display),
            user_selected: self.user_selected,
        }
    }
}

impl<'a> Extension<'a> {
    /// An extension without a value.
    pub(crate) fn new(url: &'a str) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// With a string.
    pub(crate) fn string(url: &'a str, value: impl Into<Str<'a>>) -> Self {
        Self { value_string: Some(value.into()), ..Self::new(url) }
    }

    /// With a code.
    pub(crate) fn code(url: &'a str, value: impl Into<Str<'a>>) -> Self {
        Self { value_code: Some(value.into()), ..Self::new(url) }
    }

    /// With a concept.
    pub(crate) fn concept(url: &'a str, value: CodeableConcept<'a>) -> Self {
        Self { value_codeable_concept: Some(value), ..Self::new(url) }
    }
}

/// The first extension of that url.
pub(crate) fn extension<'e, 'a>(extensions: &'e [Extension<'a>], url: &str) -> Option<&'e Extension<'a>> {
    extensions.iter().find(|extension| extension.url == url)
}

/// The string of the first extension of that url.
pub(crate) fn extension_string<'e>(extensions: &'e [Extension<'_>], url: &str) -> Option<&'e str> {
    extension(extensions, url)?.value_string.as_deref()
}

/// The extensions of a primitive element, none where it has no `_element`.
pub(crate) fn element_extensions<'e, 'a>(element: Option<&'e Element<'a>>) -> &'e [Extension<'a>] {
    element.map_or(&[], |element| &element.extension)
}

impl<'a> Element<'a> {
    /// Where there are extensions, the element that holds them.
    pub(crate) fn of(extension: Vec<Extension<'a>>) -> Option<Self> {
        (!extension.is_empty()).then_some(Self { extension })
    }
}

impl<'a> Period<'a> {
    /// Where there is a start or an end, the period.
    pub(crate) fn of(start: Option<Str<'a>>, end: Option<Str<'a>>) -> Option<Self> {
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
