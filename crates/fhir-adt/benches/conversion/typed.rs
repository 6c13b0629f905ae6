//! The unit that FHIR → ER7 is measured in: one typed `serde_json` parse of the same bytes, every text borrowed, into
//! plain structs of what the mapping uses. No checks, no copies: about the least that reading a Patient can cost.

use serde::Deserialize;

macro_rules! data_type {
    ($name:ident { $($member:ident: $type:ty,)* }) => {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub(crate) struct $name<'a> {
            $(#[serde(borrow)] $member: $type,)*
        }
    };
}

type Text<'a> = Option<&'a str>;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Patient<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    meta: Option<Meta<'a>>,
    extension: Vec<Extension<'a>>,
    identifier: Vec<Identifier<'a>>,
    active: Option<bool>,
    name: Vec<HumanName<'a>>,
    telecom: Vec<ContactPoint<'a>>,
    gender: Text<'a>,
    birth_date: Text<'a>,
    deceased_boolean: Option<bool>,
    deceased_date_time: Text<'a>,
    address: Vec<Address<'a>>,
    marital_status: Option<CodeableConcept<'a>>,
    multiple_birth_boolean: Option<bool>,
    multiple_birth_integer: Option<i64>,
    contact: Vec<Contact<'a>>,
    communication: Vec<Communication<'a>>,
    general_practitioner: Vec<Reference<'a>>,
}

data_type!(Meta { version_id: Text<'a>, last_updated: Text<'a>, });
data_type!(Identifier {
    r#use: Text<'a>,
    r#type: Option<CodeableConcept<'a>>,
    system: Text<'a>,
    value: Text<'a>,
    period: Option<Period<'a>>,
});
data_type!(CodeableConcept { coding: Vec<Coding<'a>>, text: Text<'a>, });
data_type!(Coding { system: Text<'a>, version: Text<'a>, code: Text<'a>, display: Text<'a>, });
data_type!(Period { start: Text<'a>, end: Text<'a>, });
data_type!(HumanName {
    r#use: Text<'a>,
    text: Text<'a>,
    family: Text<'a>,
    given: Vec<&'a str>,
    prefix: Vec<&'a str>,
    suffix: Vec<&'a str>,
    period: Option<Period<'a>>,
});

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContactPoint<'a> {
    #[serde(borrow)]
    system: Text<'a>,
    value: Text<'a>,
    r#use: Text<'a>,
    rank: Option<u64>,
    period: Option<Period<'a>>,
}

data_type!(Address {
    r#use: Text<'a>,
    r#type: Text<'a>,
    text: Text<'a>,
    line: Vec<&'a str>,
    city: Text<'a>,
    district: Text<'a>,
    state: Text<'a>,
    postal_code: Text<'a>,
    country: Text<'a>,
    period: Option<Period<'a>>,
});
data_type!(Contact {
    relationship: Vec<CodeableConcept<'a>>,
    name: Option<HumanName<'a>>,
    telecom: Vec<ContactPoint<'a>>,
    address: Option<Address<'a>>,
    gender: Text<'a>,
    period: Option<Period<'a>>,
});

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Communication<'a> {
    #[serde(borrow)]
    language: Option<CodeableConcept<'a>>,
    preferred: Option<bool>,
}

data_type!(Reference { reference: Text<'a>, r#type: Text<'a>, display: Text<'a>, });
data_type!(Extension {
    url: Text<'a>,
    extension: Vec<Extension<'a>>,
    value_address: Option<Box<Address<'a>>>,
    value_code: Text<'a>,
    value_codeable_concept: Option<CodeableConcept<'a>>,
    value_coding: Option<Coding<'a>>,
    value_date_time: Text<'a>,
    value_string: Text<'a>,
});
