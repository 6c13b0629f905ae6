//! PID, PD1, NK1 and MRG → Patient (mapping sections 2.5 and 5).
//!
//! | Trigger event | What the message says of a patient |
//! | --- | --- |
//! | A28 A31 A01 A04 A05 A08 | the whole state of the patient that the logical id in PID-3 names |
//! | A29 A23 | the patient is deleted |
//! | A40 | the retired record of MRG-1, with a link to the survivor; nothing of the survivor |
//! | A24 A37 | a link of two patients, made or removed |
//! | others | the patient of PID, for reading only |
//!
//! Fields that are read and never written: PID-2, PID-4, PID-19 and PID-20 (identifiers), PID-9 (name), PID-12
//! (district), PID-40 (telecom).

use std::collections::HashSet;

use hl7v2::{Message, Segment};
use serde_json::Value;

use crate::address;
use crate::code_element;
use crate::coded;
use crate::codes::Table;
use crate::contact_point;
use crate::date_time;
use crate::fhir::{
    Communication, ContactPoint, Element, Extension, HumanName, Identifier, Link, Meta, Patient, Period,
    Reference, Str, url,
};
use crate::human_name;
use crate::identifier;
use crate::nk1;
use crate::patient_extension;
use crate::reading::{Place, Reading};
use crate::reference;
use crate::report::{IssueType, Severity};
use crate::residue;

/// The Patient that a snapshot message describes.
pub(crate) fn patient<'m>(message: &'m Message<'_>, pid: &Segment<'m>, reading: &Reading<'m>) -> Patient<'m> {
    let pd1 = message.segment("PD1");
    let gender = reading.text(pid.field(8).component(1));
    let gender = code_element::read(gender, Table::AdministrativeSex, None, reading);
    let (birth_date, birth_date_element) = birth(pid, reading);
    let (deceased_boolean, deceased_date_time) = deceased(pid, reading);
    let (multiple_birth_boolean, multiple_birth_integer) = multiple_birth(pid, reading);
    let coded_pid = reading.rules.coded_pid;
    let first_concept = |field, table, kind| {
        pid.field(field).repetitions().find_map(|field| coded::read(&field, table, kind, reading))
    };
    let last_updated = reading.date_time_field(pid.field(33), Place::field("PID", 33));
    let patient = Patient {
        resource_type: "Patient".into(),
        id: identifier::logical_id(pid, reading.site),
        meta: last_updated
            .filter(|updated| updated.contains('T'))
            .map(|updated| Meta { last_updated: Some(updated.into()), ..Meta::default() }),
        extension: patient_extension::read(pid, pd1.as_ref(), reading),
        identifier: identifiers(pid, reading),
        name: names(pid, reading),
        telecom: telecom(pid, reading),
        gender: gender.code,
        gender_element: gender.element,
        birth_date,
        birth_date_element,
        deceased_boolean,
        deceased_date_time,
        address: addresses(pid, reading),
        marital_status: first_concept(16, Table::MaritalStatus, coded_pid),
        multiple_birth_boolean,
        multiple_birth_integer,
        contact: nk1::read(message.segments_named("NK1"), reading),
        communication: first_concept(15, Table::Language, reading.rules.coded)
            .map(|language| Communication { language: Some(language), preferred: None })
            .into_iter()
            .collect(),
        general_practitioner: general_practitioners(pd1.as_ref(), reading),
        ..Patient::default()
    };
    if !reading.own {
        tell_unread(message, pid, reading);
    }
    patient
}

/// The Patient that a snapshot message describes, with what its ZFP segments say.
pub(crate) fn with_residue<'m>(patient: Value, message: &'m Message<'_>, reading: &Reading<'m>) -> Value {
    if reading.own && message.segment("ZFP").is_some() {
        return residue::apply(patient, message.segments_named("ZFP"), reading);
    }
    patient
}

/// The retired record of a merge (section 2.5).
///
/// A survivor without a logical id, in a foreign message, is named by its first identifier.
pub(crate) fn retired<'m>(
    mrg: &Segment<'m>,
    pid: &Segment<'m>,
    survivor: Option<&str>,
    reading: &Reading<'m>,
) -> Patient<'m> {
    let names =
        mrg.field(7).repetitions().filter_map(|xpn| human_name::read(&xpn, reading, Place::field("MRG", 7)));
    let retired = Patient {
        resource_type: "Patient".into(),
        id: identifier::logical_id_in(mrg, 1, reading.site),
        identifier: identifier::read_field(mrg, 1, reading),
        active: Some(false),
        name: names.collect(),
        ..Patient::default()
    };
    let other = match survivor {
        Some(survivor) => {
            Some(Reference { reference: Some(format!("Patient/{survivor}").into()), ..Reference::default() })
        }
        None => identifier::read_field(pid, 3, reading)
            .into_iter()
            .next()
            .map(|identifier| Reference { identifier: Some(Box::new(identifier)), ..Reference::default() }),
    };
    let link = other.map(|other| Link { other: Some(other), r#type: Some("replaced-by".into()) });
    Patient { link: link.into_iter().collect(), ..retired }
}

/// PID-3, then the fields of old versions (section 5.3).
fn identifiers<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Vec<Identifier<'m>> {
    let mut read = identifier::read_field(pid, 3, reading);
    if !has_more_identifiers(pid, reading) {
        return read;
    }
    let key = |identifier: &Identifier<'m>| {
        let code = identifier::type_code(identifier.r#type.as_ref()).map(|code| Str::Owned(code.to_owned()));
        (identifier.value.clone(), identifier.system.clone(), code)
    };
    let mut seen: HashSet<_> = read.iter().map(key).collect();
    let mut add = |identifier: Identifier<'m>| {
        if seen.insert(key(&identifier)) {
            read.push(identifier);
        }
    };
    for field in [2, 4] {
        identifier::read_field(pid, field, reading).into_iter().for_each(&mut add);
    }
    if let Some(number) = reading.text(pid.field(19).component(1)) {
        add(Identifier {
            r#type: Some(identifier::type_of("SS".into())),
            system: reading.site.registry.system_of_type("SS").map(Str::Borrowed),
            value: Some(number),
            ..Identifier::default()
        });
    }
    let licence = pid.field(20);
    if let Some(number) = reading.text(licence.component(1)) {
        if licence.component(2).text().is_some() {
            reading.unread("5.3", Place::field("PID", 20).component(2));
        }
        let expires = reading.date_time(licence.component(3), Place::field("PID", 20).component(3));
        add(Identifier {
            r#type: Some(identifier::type_of("DL".into())),
            value: Some(number),
            period: Period::of(None, expires.map(Str::Owned)),
            ..Identifier::default()
        });
    }
    if reading.site.config.logical_id.expose
        && let Some(id) = identifier::logical_id(pid, reading.site)
    {
        let authority = &reading.site.logical_authority;
        add(Identifier {
            r#type: Some(identifier::type_of(reading.site.config.logical_id.type_code.as_str().into())),
            system: reading.site.registry.to_system(authority, true).0,
            value: Some(id),
            ..Identifier::default()
        });
    }
    read
}

/// True where anything but PID-3 says an identifier, or the logical id is one too.
fn has_more_identifiers(pid: &Segment<'_>, reading: &Reading<'_>) -> bool {
    reading.site.config.logical_id.expose
        || [2, 4, 19, 20].into_iter().any(|field| !pid.field(field).is_empty())
}

/// PID-5, with the names by which the person is called, then PID-9.
fn names<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Vec<HumanName<'m>> {
    let mut names = Vec::new();
    for field in [5, 9] {
        let place = Place::field("PID", field);
        for xpn in pid.field(field).repetitions() {
            names.extend(human_name::read(&xpn, reading, place));
            names.extend(human_name::called_by(&xpn, reading));
        }
    }
    names
}

/// TEL-25.
fn telecom<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Vec<ContactPoint<'m>> {
    use contact_point::Place;
    let fields = [(13, Place::Home), (14, Place::Work), (40, Place::Any)];
    fields.into_iter().flat_map(|(field, place)| nk1::points(pid.field(field), place, reading)).collect()
}

/// PID-11 without the birth place; PID-12 is the district of a single address.
fn addresses<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> Vec<crate::fhir::Address<'m>> {
    let mut addresses: Vec<_> = pid
        .field(11)
        .repetitions()
        .filter(|xad| !address::is_birth_place(xad))
        .filter_map(|xad| address::read(&xad, reading, Place::field("PID", 11)))
        .collect();
    if let Some(county) = reading.text(pid.field(12).component(1)) {
        match addresses.as_mut_slice() {
            [only] if only.district.is_none() => only.district = Some(county),
            _ => reading.unread("5.3", Place::field("PID", 12)),
        }
    }
    addresses
}

/// PID-7: a date, and a time where one is given.
fn birth<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> (Option<Str<'m>>, Option<Element<'m>>) {
    let Some(value) = reading.date_time_field(pid.field(7), Place::field("PID", 7)) else {
        return (None, None);
    };
    if !value.contains('T') {
        return (Some(value.into()), None);
    }
    let written = pid.field(7).text().unwrap_or_default();
    let no_offset = !written.contains(['+', '-', 'Z']);
    let midnight = written.get(8..).is_some_and(|time| time.bytes().all(|byte| matches!(byte, b'0' | b'.')));
    if !reading.own && no_offset && midnight {
        return (Some(date_time::date_of(value).into()), None);
    }
    let time = Extension { value_date_time: Some(value.clone().into()), ..Extension::new(url::BIRTH_TIME) };
    (Some(date_time::date_of(value).into()), Element::of(vec![time]))
}

/// PID-29 wins over PID-30.
fn deceased<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> (Option<bool>, Option<Str<'m>>) {
    let indicator = yes_no(pid, 30, reading);
    match reading.date_time_field(pid.field(29), Place::field("PID", 29)) {
        Some(time) => {
            if indicator == Some(false) {
                let reason = "says alive, but PID-29 has a time of death";
                reading.tell(Severity::Warning, IssueType::Value, "5.1", Place::field("PID", 30), reason);
            }
            (None, Some(time.into()))
        }
        None => (indicator, None),
    }
}

/// PID-25 wins, unless PID-24 says no.
fn multiple_birth<'m>(pid: &Segment<'m>, reading: &Reading<'m>) -> (Option<bool>, Option<i64>) {
    let indicator = yes_no(pid, 24, reading);
    let place = Place::field("PID", 25);
    let Some(order) = reading.text(pid.field(25).component(1)) else { return (indicator, None) };
    let number = order.trim().parse().ok().filter(|number| i32::try_from(*number).is_ok());
    match (indicator, number) {
        (Some(false), _) => {
            reading.tell(
                Severity::Warning,
                IssueType::Value,
                "5.1",
                place,
                "has an order, but PID-24 says single birth",
            );
            (Some(false), None)
        }
        (_, Some(number)) => (None, Some(number)),
        (_, None) => {
            reading.tell(Severity::Warning, IssueType::Value, "5.1", place, "is not a whole number");
            (indicator, None)
        }
    }
}

fn yes_no<'m>(pid: &Segment<'m>, field: usize, reading: &Reading<'m>) -> Option<bool> {
    let text = reading.text(pid.field(field).component(1))?;
    let code = reading.site.codes.to_fhir(Table::YesNo, text.trim(), reading.version).map(|(_, code)| code);
    if code.is_none() {
        let place = Place::field("PID", field);
        reading.tell(Severity::Warning, IssueType::Value, "5.1", place, "is neither Y nor N");
    }
    code.map(|code| code == "true")
}

fn general_practitioners<'m>(pd1: Option<&Segment<'m>>, reading: &Reading<'m>) -> Vec<Reference<'m>> {
    let Some(pd1) = pd1 else { return Vec::new() };
    let organizations = pd1
        .field(3)
        .repetitions()
        .filter_map(|xon| reference::read_organization(&xon, reading, Place::field("PD1", 3)));
    let persons = pd1
        .field(4)
        .repetitions()
        .filter_map(|xcn| reference::read_xcn(&xcn, reading, Place::field("PD1", 4)));
    organizations.chain(persons).collect()
}

/// What a foreign message says that has no home in FHIR's Patient.
fn tell_unread(message: &Message<'_>, pid: &Segment<'_>, reading: &Reading<'_>) {
    for field in [18, 21, 27, 31, 32, 34, 37, 38] {
        if !pid.field(field).is_empty() {
            reading.unread("5.1", Place::field("PID", field));
        }
    }
    const READ: [&str; 9] = ["MSH", "EVN", "PID", "PD1", "NK1", "MRG", "PV1", "ZFP", "SFT"];
    let mut told: Vec<&str> = Vec::new();
    for segment in message.segments() {
        let name = segment.name();
        if !READ.contains(&name) && !told.contains(&name) {
            told.push(name);
            reading.unread("2.5", Place::segment(name));
        }
    }
}
