//! Patient.contact ↔ NK1 (mapping section 5.2; HL7 v2.5.1 §3.4.5).
//!
//! | FHIR | NK1 | Back |
//! | --- | --- | --- |
//! | position | NK1-1 from 1 | order of segments |
//! | `name` | NK1-2 | first repetition; else NK1-30 where NK1-13 is valued |
//! | `relationship` of RoleCode or 0063 | NK1-3 | first |
//! | `relationship` of 0131 | NK1-7 | second |
//! | other relationships, text only | NK1-3, else NK1-7, where free | same |
//! | `address` | NK1-4 | first; else NK1-32 |
//! | `telecom` | NK1-5, NK1-6 (work) | NK1-5, NK1-6, NK1-40, NK1-31 |
//! | `gender` | NK1-15 | same |
//! | `organization` | NK1-13 | same |
//! | `period` | NK1-8, NK1-9 (dates) | same |

use hl7v2::{Field, Repetition, Segment};

use crate::address;
use crate::code_element;
use crate::coded;
use crate::codes::Table;
use crate::contact_point::{self, Place};
use crate::date_time;
use crate::fhir::{CodeableConcept, Coding, Contact, Patient, Period, system};
use crate::human_name;
use crate::reading::Reading;
use crate::reference;
use crate::site::Site;
use crate::trace::{Traced, TracedSegment};

/// What a relationship is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Who the person is to the patient: v3-RoleCode, v2-0063.
    Person,
    /// Anything else.
    Other,
    /// What the contact is for: v2-0131.
    Role,
}

/// The kind of a relationship; one with codings of both kinds is a [`Kind::Person`] first.
pub(crate) fn kind(concept: &CodeableConcept, site: &Site) -> Kind {
    let mut kind = Kind::Other;
    for coding in &concept.coding {
        match coding_kind(coding, site) {
            Kind::Person => return Kind::Person,
            Kind::Role => kind = Kind::Role,
            Kind::Other => {}
        }
    }
    kind
}

fn coding_kind(coding: &Coding, site: &Site) -> Kind {
    let code = coding.code.as_deref().unwrap_or_default();
    match coding.system.as_deref() {
        Some(system::ROLE_CODE) => Kind::Person,
        Some(uri) if Table::Relationship.is_system(uri) => Kind::Person,
        Some(uri) if Table::ContactRole.is_system(uri) => Kind::Role,
        None if site.codes.contains(Table::ContactRole, code) => Kind::Role,
        _ => Kind::Other,
    }
}

/// Writes the contacts that have anything to send.
pub(crate) fn write(patient: &Patient, site: &Site) -> Vec<TracedSegment> {
    let mut segments = Vec::new();
    for (index, contact) in patient.contact.iter().enumerate() {
        let segment =
            write_one(contact, segments.len() + 1, patient, site, &format!("Patient.contact[{index}]"));
        segments.extend(segment);
    }
    segments
}

/// Null mode without contacts: `NK1|1|""`.
pub(crate) fn none_left() -> TracedSegment {
    let mut nk1 = TracedSegment::new("NK1");
    nk1.fixed(1, "1", "8.1");
    nk1.set_null(2);
    nk1
}

fn write_one(
    contact: &Contact,
    set_id: usize,
    patient: &Patient,
    site: &Site,
    base: &str,
) -> Option<TracedSegment> {
    let mut nk1 = TracedSegment::nth("NK1", set_id);
    if let Some(name) = &contact.name {
        nk1.push(2, human_name::write(name, site, &format!("{base}.name")));
    }
    let [person, role] = relationships(&contact.relationship, site, base);
    nk1.push(3, person);
    if let Some(address) = &contact.address {
        nk1.push(4, address::write(address, site, &format!("{base}.address")));
    }
    for (place, field) in [(Place::Home, 5), (Place::Work, 6)] {
        let points = contact.telecom.iter().enumerate();
        for (index, point) in points.filter(|(_, point)| contact_point::place(point) == place) {
            nk1.push(field, contact_point::write(point, site, &format!("{base}.telecom[{index}]")));
        }
    }
    nk1.push(7, role);
    if let Some(period) = &contact.period {
        let dt = |value: &Option<String>| value.as_deref().and_then(date_time::to_dt).unwrap_or_default();
        nk1.set(8, &dt(&period.start), &format!("{base}.period.start"), "5.2");
        nk1.set(9, &dt(&period.end), &format!("{base}.period.end"), "5.2");
    }
    if let Some(organization) = &contact.organization {
        nk1.push(13, reference::write_xon(organization, patient, site, &format!("{base}.organization")));
    }
    let gender = contact.gender.as_deref();
    if let Some(v2) =
        code_element::write(gender, contact.gender_element.as_ref(), Table::AdministrativeSex, None, site)
    {
        nk1.set(15, v2.code, &format!("{base}.gender"), if v2.alternate { "CD-15" } else { "5.2" });
    }
    if nk1.builder().is_empty() {
        return None;
    }
    nk1.fixed(1, &set_id.to_string(), "5.2");
    Some(nk1)
}

/// NK1-3 and NK1-7.
fn relationships(concepts: &[CodeableConcept], site: &Site, base: &str) -> [Traced; 2] {
    let numbered = || concepts.iter().enumerate();
    let path = |index: usize| format!("{base}.relationship[{index}]");
    let write = |concept: &CodeableConcept, index: usize, table: Table| {
        coded::write(concept, table, site.rules.coded, site, &path(index))
    };
    let person = numbered().find(|(_, concept)| kind(concept, site) == Kind::Person);
    let role = numbered().find(|(_, concept)| kind(concept, site) == Kind::Role);
    let mut nk1_3 = person
        .map(|(index, concept)| write(&of_kind(concept, Kind::Role, false, site), index, Table::Relationship))
        .unwrap_or_default();
    let mut nk1_7 =
        role.map(|(index, concept)| write(concept, index, Table::ContactRole)).unwrap_or_default();
    if nk1_7.is_empty()
        && let Some((index, concept)) = person
    {
        // One concept with codings of both kinds comes back as two.
        let role = of_kind(concept, Kind::Role, true, site);
        nk1_7 = write(&CodeableConcept { text: None, ..role }, index, Table::ContactRole);
    }
    for (index, concept) in numbered().filter(|(_, concept)| kind(concept, site) == Kind::Other) {
        if nk1_3.is_empty() {
            nk1_3 = write(concept, index, Table::Relationship);
        } else if nk1_7.is_empty() {
            nk1_7 = write(concept, index, Table::ContactRole);
        }
    }
    [nk1_3, nk1_7]
}

/// The concept with only the codings that are of a kind, or only those that are not.
fn of_kind(concept: &CodeableConcept, kind: Kind, wanted: bool, site: &Site) -> CodeableConcept {
    let mut concept = concept.clone();
    concept.coding.retain(|coding| (coding_kind(coding, site) == kind) == wanted);
    concept
}

/// Reads all contacts.
pub(crate) fn read<'m>(segments: impl Iterator<Item = Segment<'m>>, reading: &Reading<'_>) -> Vec<Contact> {
    segments.filter_map(|nk1| read_one(&nk1, reading)).collect()
}

fn read_one(nk1: &Segment<'_>, reading: &Reading<'_>) -> Option<Contact> {
    let first = |field: usize| nk1.field(field).repetitions().find(|repetition| !repetition.is_null());
    let with_organization = !nk1.field(13).is_empty();
    let name = |field| human_name::read(&first(field)?, reading, "NK1-2");
    let address = |field| address::read(&first(field)?, reading, "NK1-4");
    let relationship = [(3, Table::Relationship), (7, Table::ContactRole)]
        .into_iter()
        .filter_map(|(field, table)| coded::read(&first(field)?, table, reading.rules.coded, reading))
        .collect();
    let mut telecom = Vec::new();
    for (field, place) in [(5, Place::Home), (6, Place::Work), (40, Place::Any), (31, Place::Any)] {
        telecom.extend(points(nk1.field(field), place, reading));
    }
    let gender = reading.text(nk1.field(15).component(1));
    let gender = code_element::read(gender.as_deref(), Table::AdministrativeSex, None, reading);
    let date = |field: usize| {
        let value = reading.date_time_field(nk1.field(field), &format!("NK1-{field}"))?;
        Some(value.split('T').next().unwrap_or_default().to_owned())
    };
    let contact = Contact {
        relationship,
        name: name(2).or_else(|| name(30).filter(|_| with_organization)),
        telecom,
        address: address(4).or_else(|| address(32)),
        gender: gender.code,
        gender_element: gender.element,
        organization: first(13).and_then(|xon| reference::read_xon(&xon, reading, "NK1-13")),
        period: Period::of(date(8), date(9)),
    };
    if !reading.own {
        for field in (16..=29).chain(33..=39).filter(|&field| !nk1.field(field).is_empty()) {
            reading.unread("5.2", &format!("NK1-{field}"));
        }
    }
    (contact != Contact::default()).then_some(contact)
}

/// The contact points of a field.
pub(crate) fn points<'m>(
    field: Field<'m>,
    place: Place,
    reading: &Reading<'_>,
) -> impl Iterator<Item = crate::fhir::ContactPoint> {
    let read = move |xtn: Repetition<'m>| contact_point::read(&xtn, place, reading, "XTN");
    field.repetitions().filter_map(read)
}
