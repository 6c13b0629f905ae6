//! The elements of FHIR R4 Patient and its data types (<https://hl7.org/fhir/R4/patient.html>).

use super::primitive::Primitive;

/// A type: its elements.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) elements: &'static [Element],
    /// Has `resourceType`.
    pub(crate) is_resource: bool,
}

/// An element of a type.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) max: Max,
    /// An array is accepted where one object belongs (IN-4).
    pub(crate) repairable: bool,
}

/// What an element holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Primitive(Primitive),
    /// A code of a required value set.
    Code(&'static [&'static str]),
    /// A data type, behind a function because types refer to each other.
    Complex(fn() -> &'static Type),
    /// An object that the mapping does not look into.
    Any,
}

/// How often an element may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Max {
    One,
    Many,
}

impl Type {
    /// The element of that name; for an extension, any `value[x]` of FHIR R4.
    pub(crate) fn element(&'static self, name: &str) -> Option<&'static Element> {
        self.elements.iter().find(|element| element.name == name)
    }
}

const fn one(name: &'static str, primitive: Primitive) -> Element {
    Element { name, kind: Kind::Primitive(primitive), max: Max::One, repairable: false }
}

const fn many(name: &'static str, primitive: Primitive) -> Element {
    Element { name, kind: Kind::Primitive(primitive), max: Max::Many, repairable: false }
}

const fn code(name: &'static str, codes: &'static [&'static str]) -> Element {
    Element { name, kind: Kind::Code(codes), max: Max::One, repairable: false }
}

const fn object(name: &'static str, of: fn() -> &'static Type) -> Element {
    Element { name, kind: Kind::Complex(of), max: Max::One, repairable: false }
}

/// A 0..1 object of IN-4.
const fn repairable(name: &'static str, of: fn() -> &'static Type) -> Element {
    Element { name, kind: Kind::Complex(of), max: Max::One, repairable: true }
}

const fn list(name: &'static str, of: fn() -> &'static Type) -> Element {
    Element { name, kind: Kind::Complex(of), max: Max::Many, repairable: false }
}

const fn any(name: &'static str) -> Element {
    Element { name, kind: Kind::Any, max: Max::One, repairable: false }
}

const fn any_list(name: &'static str) -> Element {
    Element { name, kind: Kind::Any, max: Max::Many, repairable: false }
}

const ID: Element = one("id", Primitive::ElementId);
const EXTENSIONS: Element = list("extension", || &EXTENSION);

macro_rules! data_type {
    ($name:ident, $($element:expr),+ $(,)?) => {
        pub(crate) static $name: Type = Type { elements: &[ID, EXTENSIONS, $($element),+], is_resource: false };
    };
}

pub(crate) static PATIENT: Type = Type {
    is_resource: true,
    elements: &[
        one("id", Primitive::String),
        object("meta", || &META),
        one("implicitRules", Primitive::Uri),
        one("language", Primitive::Code),
        object("text", || &NARRATIVE),
        any_list("contained"),
        EXTENSIONS,
        list("identifier", || &IDENTIFIER),
        one("active", Primitive::Boolean),
        list("name", || &HUMAN_NAME),
        list("telecom", || &CONTACT_POINT),
        code("gender", GENDER),
        one("birthDate", Primitive::Date),
        one("deceasedBoolean", Primitive::Boolean),
        one("deceasedDateTime", Primitive::DateTime),
        list("address", || &ADDRESS),
        repairable("maritalStatus", || &CODEABLE_CONCEPT),
        one("multipleBirthBoolean", Primitive::Boolean),
        one("multipleBirthInteger", Primitive::Integer),
        list("photo", || &ATTACHMENT),
        list("contact", || &CONTACT),
        list("communication", || &COMMUNICATION),
        list("generalPractitioner", || &REFERENCE),
        repairable("managingOrganization", || &REFERENCE),
        list("link", || &LINK),
    ],
};

/// Id and extensions of a primitive element.
pub(crate) static ELEMENT: Type = Type { elements: &[ID, EXTENSIONS], is_resource: false };

data_type!(
    META,
    one("versionId", Primitive::String),
    one("lastUpdated", Primitive::Instant),
    one("source", Primitive::Uri),
    many("profile", Primitive::Uri),
    list("security", || &CODING),
    list("tag", || &CODING),
);

data_type!(NARRATIVE, code("status", NARRATIVE_STATUS), one("div", Primitive::String));

data_type!(
    IDENTIFIER,
    code("use", &["usual", "official", "temp", "secondary", "old"]),
    object("type", || &CODEABLE_CONCEPT),
    one("system", Primitive::Uri),
    one("value", Primitive::String),
    repairable("period", || &PERIOD),
    repairable("assigner", || &REFERENCE),
);

data_type!(CODEABLE_CONCEPT, list("coding", || &CODING), one("text", Primitive::String));

data_type!(
    CODING,
    one("system", Primitive::Uri),
    one("version", Primitive::String),
    one("code", Primitive::Code),
    one("display", Primitive::String),
    one("userSelected", Primitive::Boolean),
);

data_type!(PERIOD, one("start", Primitive::DateTime), one("end", Primitive::DateTime));

data_type!(
    REFERENCE,
    one("reference", Primitive::String),
    one("type", Primitive::Uri),
    object("identifier", || &IDENTIFIER),
    one("display", Primitive::String),
);

data_type!(
    HUMAN_NAME,
    code("use", &["usual", "official", "temp", "nickname", "anonymous", "old", "maiden"]),
    one("text", Primitive::String),
    one("family", Primitive::String),
    many("given", Primitive::String),
    many("prefix", Primitive::String),
    many("suffix", Primitive::String),
    repairable("period", || &PERIOD),
);

data_type!(
    CONTACT_POINT,
    code("system", &["phone", "fax", "email", "pager", "url", "sms", "other"]),
    one("value", Primitive::String),
    code("use", &["home", "work", "temp", "old", "mobile"]),
    one("rank", Primitive::PositiveInteger),
    repairable("period", || &PERIOD),
);

data_type!(
    ADDRESS,
    code("use", &["home", "work", "temp", "old", "billing"]),
    code("type", &["postal", "physical", "both"]),
    one("text", Primitive::String),
    many("line", Primitive::String),
    one("city", Primitive::String),
    one("district", Primitive::String),
    one("state", Primitive::String),
    one("postalCode", Primitive::String),
    one("country", Primitive::String),
    repairable("period", || &PERIOD),
);

data_type!(
    ATTACHMENT,
    one("contentType", Primitive::Code),
    one("language", Primitive::Code),
    one("data", Primitive::Base64),
    one("url", Primitive::Uri),
    one("size", Primitive::UnsignedInteger),
    one("hash", Primitive::Base64),
    one("title", Primitive::String),
    one("creation", Primitive::DateTime),
);

data_type!(
    CONTACT,
    list("relationship", || &CODEABLE_CONCEPT),
    repairable("name", || &HUMAN_NAME),
    list("telecom", || &CONTACT_POINT),
    repairable("address", || &ADDRESS),
    code("gender", GENDER),
    object("organization", || &REFERENCE),
    repairable("period", || &PERIOD),
);

data_type!(COMMUNICATION, repairable("language", || &CODEABLE_CONCEPT), one("preferred", Primitive::Boolean),);

data_type!(
    LINK,
    object("other", || &REFERENCE),
    code("type", &["replaced-by", "replaces", "refer", "seealso"]),
);

data_type!(
    EXTENSION,
    one("url", Primitive::Uri),
    one("valueBase64Binary", Primitive::Base64),
    one("valueBoolean", Primitive::Boolean),
    one("valueCanonical", Primitive::Uri),
    one("valueCode", Primitive::Code),
    one("valueDate", Primitive::Date),
    one("valueDateTime", Primitive::DateTime),
    one("valueDecimal", Primitive::Decimal),
    one("valueId", Primitive::ElementId),
    one("valueInstant", Primitive::Instant),
    one("valueInteger", Primitive::Integer),
    one("valueMarkdown", Primitive::String),
    one("valueOid", Primitive::Uri),
    one("valuePositiveInt", Primitive::PositiveInteger),
    one("valueString", Primitive::String),
    one("valueTime", Primitive::Time),
    one("valueUnsignedInt", Primitive::UnsignedInteger),
    one("valueUri", Primitive::Uri),
    one("valueUrl", Primitive::Uri),
    one("valueUuid", Primitive::Uri),
    object("valueAddress", || &ADDRESS),
    object("valueAttachment", || &ATTACHMENT),
    object("valueCodeableConcept", || &CODEABLE_CONCEPT),
    object("valueCoding", || &CODING),
    object("valueContactPoint", || &CONTACT_POINT),
    object("valueHumanName", || &HUMAN_NAME),
    object("valueIdentifier", || &IDENTIFIER),
    object("valueMeta", || &META),
    object("valuePeriod", || &PERIOD),
    object("valueReference", || &REFERENCE),
    any("valueAge"),
    any("valueAnnotation"),
    any("valueContactDetail"),
    any("valueContributor"),
    any("valueCount"),
    any("valueDataRequirement"),
    any("valueDistance"),
    any("valueDosage"),
    any("valueDuration"),
    any("valueExpression"),
    any("valueMoney"),
    any("valueParameterDefinition"),
    any("valueQuantity"),
    any("valueRange"),
    any("valueRatio"),
    any("valueRelatedArtifact"),
    any("valueSampledData"),
    any("valueSignature"),
    any("valueTiming"),
    any("valueTriggerDefinition"),
    any("valueUsageContext"),
);

/// <https://hl7.org/fhir/R4/valueset-administrative-gender.html>
const GENDER: &[&str] = &["male", "female", "other", "unknown"];
const NARRATIVE_STATUS: &[&str] = &["generated", "extensions", "additional", "empty"];
