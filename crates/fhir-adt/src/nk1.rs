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
use crate::fhir::{CodeableConcept, Coding, Contact, Patient, Period, Str, system};
use crate::human_name;
use crate::path::{PATIENT, Path};
use crate::reading::{self, Reading};
use crate::reference;
use crate::site::Site;
use crate::trace::Writer;

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
pub(crate) fn kind(concept: &CodeableConcept<'_>, site: &Site) -> Kind {
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

fn coding_kind(coding: &Coding<'_>, site: &Site) -> Kind {
    let code = coding.code.as_deref().unwrap_or_default();
    match coding.system.as_deref() {
        Some(system::ROLE_CODE) => Kind::Person,
        Some(uri) if Table::Relationship.is_system(uri) => Kind::Person,
        Some(uri) if Table::ContactRole.is_system(uri) => Kind::Role,
        None if site.codes.contains(Table::ContactRole, code) => Kind::Role,
        _ => Kind::Other,
    }
}

/// Writes the contacts that have anything to send; how many.
pub(crate) fn write(out: &mut Writer, patient: &Patient<'_>, site: &Site) -> usize {
    let mut written = 0;
    let list = PATIENT.member("contact");
    for (index, contact) in patient.contact.iter().enumerate() {
        if write_one(out, contact, written + 1, patient, site, &list.index(index)) {
            written += 1;
        }
    }
    written
}

/// Null mode without contacts: `NK1|1|""`.
pub(crate) fn write_none(out: &mut Writer) {
    out.segment("NK1");
    out.fixed(1, "1", "8.1");
    out.null(2);
}

/// False where there was nothing to write.
fn write_one(
    out: &mut Writer,
    contact: &Contact<'_>,
    set_id: usize,
    patient: &Patient<'_>,
    site: &Site,
    base: &Path<'_>,
) -> bool {
    out.nth_segment("NK1", set_id);
    let start = out.mark();
    out.fixed(1, &set_id.to_string(), "5.2");
    let content = out.mark();
    if let Some(name) = &contact.name {
        human_name::write(name, site, &mut out.repetition(2, base.member("name")));
    }
    let [person, role] = relationships(&contact.relationship, site);
    write_relationship(out, 3, person, site, base);
    if let Some(address) = &contact.address {
        address::write(address, site, &mut out.repetition(4, base.member("address")));
    }
    let telecom = base.member("telecom");
    for (place, field) in [(Place::Home, 5), (Place::Work, 6)] {
        let points = contact.telecom.iter().enumerate();
        for (index, point) in points.filter(|(_, point)| contact_point::place(point) == place) {
            contact_point::write(point, site, &mut out.repetition(field, telecom.index(index)));
        }
    }
    write_relationship(out, 7, role, site, base);
    if let Some(period) = &contact.period {
        let dt = |value: &Option<Str<'_>>| value.as_deref().and_then(date_time::to_dt).unwrap_or_default();
        let period_path = base.member("period");
        out.set(8, &dt(&period.start), period_path.member("start"), "5.2");
        out.set(9, &dt(&period.end), period_path.member("end"), "5.2");
    }
    if let Some(organization) = &contact.organization {
        let out = &mut out.repetition(13, base.member("organization"));
        reference::write_xon(organization, patient, site, out);
    }
    let gender = contact.gender.as_deref();
    if let Some(v2) =
        code_element::write(gender, contact.gender_element.as_ref(), Table::AdministrativeSex, None, site)
    {
        out.set(15, v2.code, base.member("gender"), if v2.alternate { "CD-15" } else { "5.2" });
    }
    let is_empty = !out.has_more_than(&content);
    if is_empty {
        out.rewind(&start);
    }
    !is_empty
}

/// A relationship, or a part of one, that goes into one field.
#[derive(Clone, Copy)]
struct Relationship<'a> {
    index: usize,
    concept: &'a CodeableConcept<'a>,
    text: Option<&'a str>,
    codings: Codings,
}

/// Which codings of a relationship.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codings {
    All,
    Role,
    NotRole,
}

impl Relationship<'_> {
    fn wants(&self, coding: &Coding<'_>, site: &Site) -> bool {
        match self.codings {
            Codings::All => true,
            Codings::Role => coding_kind(coding, site) == Kind::Role,
            Codings::NotRole => coding_kind(coding, site) != Kind::Role,
        }
    }

    fn is_writable(&self, site: &Site) -> bool {
        coded::is_writable(self.concept, self.text, |coding| self.wants(coding, site))
    }
}

/// What goes into NK1-3 and NK1-7.
fn relationships<'a>(concepts: &'a [CodeableConcept<'_>], site: &Site) -> [Option<Relationship<'a>>; 2] {
    let whole = |(index, concept): (usize, &'a CodeableConcept<'_>), codings: Codings| Relationship {
        index,
        concept,
        text: concept.text.as_deref(),
        codings,
    };
    let of_kind =
        |wanted: Kind| concepts.iter().enumerate().filter(move |(_, concept)| kind(concept, site) == wanted);
    let writable = |relationship: &Relationship<'_>| relationship.is_writable(site);
    let person = of_kind(Kind::Person).next();
    let mut nk1_3 = person.map(|person| whole(person, Codings::NotRole)).filter(writable);
    let mut nk1_7 = of_kind(Kind::Role).next().map(|role| whole(role, Codings::All)).filter(writable);
    if nk1_7.is_none() {
        // One concept with codings of both kinds comes back as two.
        let role = person.map(|person| Relationship { text: None, ..whole(person, Codings::Role) });
        nk1_7 = role.filter(writable);
    }
    for other in of_kind(Kind::Other).map(|other| whole(other, Codings::All)) {
        if nk1_3.is_none() {
            nk1_3 = Some(other).filter(writable);
        } else if nk1_7.is_none() {
            nk1_7 = Some(other).filter(writable);
        }
    }
    [nk1_3, nk1_7]
}

fn write_relationship(
    out: &mut Writer,
    field: usize,
    relationship: Option<Relationship<'_>>,
    site: &Site,
    base: &Path<'_>,
) {
    let Some(relationship) = relationship else { return };
    let table = if field == 3 { Table::Relationship } else { Table::ContactRole };
    let list = base.member("relationship");
    let wanted = |coding: &Coding<'_>| relationship.wants(coding, site);
    let Relationship { concept, text, index, .. } = relationship;
    let out = &mut out.repetition(field, list.index(index));
    coded::write_some(concept, text, table, site.rules.coded, site, wanted, out);
}

/// Reads all contacts.
pub(crate) fn read<'m>(
    segments: impl Iterator<Item = Segment<'m>>,
    reading: &Reading<'m>,
) -> Vec<Contact<'m>> {
    segments.filter_map(|nk1| read_one(&nk1, reading)).collect()
}

fn read_one<'m>(nk1: &Segment<'m>, reading: &Reading<'m>) -> Option<Contact<'m>> {
    let place = |field| reading::Place::field("NK1", field);
    let first = |field: usize| nk1.field(field).repetitions().find(|repetition| !repetition.is_null());
    let with_organization = !nk1.field(13).is_empty();
    let name = |field| human_name::read(&first(field)?, reading, place(2));
    let address = |field| address::read(&first(field)?, reading, place(4));
    let relationship = [(3, Table::Relationship), (7, Table::ContactRole)]
        .into_iter()
        .filter_map(|(field, table)| coded::read(&first(field)?, table, reading.rules.coded, reading))
        .collect();
    let mut telecom = Vec::new();
    for (field, kind) in [(5, Place::Home), (6, Place::Work), (40, Place::Any), (31, Place::Any)] {
        telecom.extend(points(nk1.field(field), kind, reading));
    }
    let gender = reading.text(nk1.field(15).component(1));
    let gender = code_element::read(gender, Table::AdministrativeSex, None, reading);
    let date = |field: usize| {
        let value = reading.date_time_field(nk1.field(field), place(field))?;
        Some(date_time::date_of(value).into())
    };
    let contact = Contact {
        relationship,
        name: name(2).or_else(|| name(30).filter(|_| with_organization)),
        telecom,
        address: address(4).or_else(|| address(32)),
        gender: gender.code,
        gender_element: gender.element,
        organization: first(13).and_then(|xon| reference::read_xon(&xon, reading, place(13))),
        period: Period::of(date(8), date(9)),
    };
    if !reading.own {
        for field in (16..=29).chain(33..=39).filter(|&field| !nk1.field(field).is_empty()) {
            reading.unread("5.2", place(field));
        }
    }
    (contact != Contact::default()).then_some(contact)
}

/// The contact points of a field.
pub(crate) fn points<'m>(
    field: Field<'m>,
    place: Place,
    reading: &Reading<'m>,
) -> impl Iterator<Item = crate::fhir::ContactPoint<'m>> {
    let read =
        move |xtn: Repetition<'m>| contact_point::read(&xtn, place, reading, reading::Place::segment("XTN"));
    field.repetitions().filter_map(read)
}
