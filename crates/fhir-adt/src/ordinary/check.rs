//! What an ordinary Patient is, and what is lost of one.

mod contact_details;
mod extension;
mod identifier;

use std::collections::HashSet;
use std::hash::Hash;

use super::Ordinary;
use crate::coded;
use crate::codes::Table;
use crate::config::{InactiveEvent, Seealso};
use crate::date_time;
use crate::fhir::{
    Attachment, CodeableConcept, Coding, Communication, Contact, HumanName, Link, Meta, Narrative, Patient,
    Period, Reference, system, url,
};
use crate::loss::{INACTIVE, LINK, Reason, danger, lost, reason};
use crate::path::{PATIENT, Path};
use crate::reference;
use crate::report::{Issue, IssueType};
use crate::site::Site;

/// What is lost of an ordinary Patient, members in the order of their names; `None` for any other Patient.
pub(super) fn losses(patient: &Patient<'_>, ordinary: &Ordinary, site: &Site) -> Option<Vec<Issue>> {
    let mut check = Check { ordinary, site, lost: Vec::with_capacity(8) };
    check.patient(patient)?;
    Some(check.lost)
}

struct Check<'a> {
    ordinary: &'a Ordinary,
    site: &'a Site,
    lost: Vec<Issue>,
}

/// Longer lists are compared by looking ahead for equal members, so those that lose something must differ.
const LONG: usize = 60;

impl Check<'_> {
    fn no_home(&mut self, reason: &'static Reason, path: &Path<'_>) {
        self.lost.push(lost(reason, IssueType::NotSupported, path));
    }

    fn detail(&mut self, reason: &'static Reason, path: &Path<'_>) {
        self.lost.push(lost(reason, IssueType::Incomplete, path));
    }

    /// `None` is a surprise, here and below.
    fn patient(&mut self, patient: &Patient<'_>) -> Option<()> {
        is(patient.resource_type == "Patient")?;
        is(patient.contained.is_empty() && patient.gender_element.is_none())?;
        is(patient.deceased_boolean.is_none() || patient.deceased_date_time.is_none())?;
        is(patient.multiple_birth_boolean.is_none() || patient.multiple_birth_integer.is_none())?;
        is(patient.multiple_birth_integer.is_none_or(|order| i32::try_from(order).is_ok()))?;
        self.birth(patient)?;
        is(patient.deceased_date_time.as_deref().is_none_or(is_carried_time))?;
        is(patient.gender.as_deref().is_none_or(|code| self.ordinary.genders.contains(&code)))?;

        match patient.active {
            Some(true) => self.no_home(const { reason("Patient.active") }, &PATIENT.member("active")),
            Some(false) => {
                is(self.site.config.inactive_event == InactiveEvent::Off)?;
                self.lost.push(danger(INACTIVE, &PATIENT.member("active")));
            }
            None => {}
        }
        self.each(
            "address",
            &patient.address,
            |address| (&address.line, &address.city, &address.postal_code),
            Self::address,
        )?;
        if let [communication] = patient.communication.as_slice() {
            let list = PATIENT.member("communication");
            self.communication(communication, &list.index(0))?;
        } else {
            is(patient.communication.is_empty())?;
        }
        self.each("contact", &patient.contact, |contact| &contact.gender, Self::contact)?;
        self.extensions(&patient.extension)?;
        self.general_practitioners(&patient.general_practitioner, patient)?;
        self.each("identifier", &patient.identifier, |identifier| &identifier.value, Self::identifier)?;
        is(are_different(patient.identifier.iter().map(|identifier| &identifier.value)))?;
        if patient.language.is_some() {
            self.no_home(const { reason("Patient.language") }, &PATIENT.member("language"));
        }
        self.links(&patient.link)?;
        if let Some(organization) = &patient.managing_organization {
            is(is_plain_reference(organization))?;
            let path = PATIENT.member("managingOrganization");
            self.no_home(const { reason("Patient.managingOrganization") }, &path);
        }
        if let Some(status) = &patient.marital_status {
            self.concept(status, Table::MaritalStatus)?;
        }
        if let Some(meta) = &patient.meta {
            self.meta(meta)?;
        }
        self.each("name", &patient.name, |name| (&name.family, &name.given), Self::name)?;
        // NM-2
        let later = |name: &HumanName<'_>| {
            name.r#use.as_deref() != Some("official")
                || name.period.as_ref().is_some_and(|period| period.end.is_some())
        };
        is(patient.name.is_sorted_by_key(later))?;
        let photos = PATIENT.member("photo");
        for (index, photo) in patient.photo.iter().enumerate() {
            self.photo(photo, &photos.index(index))?;
        }
        self.telecom(&patient.telecom, &PATIENT)?;
        if let Some(Narrative { status, div }) = &patient.text {
            let known = ["generated", "extensions", "additional", "empty"];
            is(div.is_some() && status.as_deref().is_some_and(|status| known.contains(&status)))?;
            self.no_home(const { reason("Patient.text") }, &PATIENT.member("text"));
        }
        Some(())
    }

    /// Checks the members of a list of the Patient. Where a long list loses something, its members must differ in `key`.
    fn each<'p, 'a, T, K: Hash + Eq>(
        &mut self,
        name: &str,
        members: &'p [T],
        key: impl Fn(&'p T) -> K + Clone,
        check: impl Fn(&mut Self, &'p T, &Path<'_>) -> Option<()>,
    ) -> Option<()> {
        let before = self.lost.len();
        let list = PATIENT.member(name);
        for (index, member) in members.iter().enumerate() {
            check(self, member, &list.index(index))?;
        }
        is(members.len() <= LONG || self.lost.len() == before || are_different(members.iter().map(key)))
    }

    fn meta(&mut self, meta: &Meta<'_>) -> Option<()> {
        is(meta
            .last_updated
            .as_deref()
            .is_none_or(|time| is_carried_fraction(time) && date_time::is_instant(time)))?;
        let path = PATIENT.member("meta");
        if !meta.profile.is_empty() {
            self.no_home(const { reason("+") }, &path.member("profile"));
        }
        let security = path.member("security");
        for (index, label) in meta.security.iter().enumerate() {
            // The loss of some labels is a warning.
            is(has_system(label) && !matches!(label.code.as_deref(), Some("R" | "V")))?;
            self.no_home(const { reason("Patient.meta.security") }, &security.index(index));
        }
        if meta.source.is_some() {
            self.no_home(const { reason("+") }, &path.member("source"));
        }
        let tags = path.member("tag");
        for (index, tag) in meta.tag.iter().enumerate() {
            is(has_system(tag))?;
            self.no_home(const { reason("+") }, &tags.index(index));
        }
        Some(())
    }

    /// A date, and the time of that day at most.
    fn birth(&self, patient: &Patient<'_>) -> Option<()> {
        let date = patient.birth_date.as_deref();
        is(date.is_none_or(date_time::is_date))?;
        let Some(element) = &patient.birth_date_element else { return Some(()) };
        let [extension] = element.extension.as_slice() else { return None };
        is(extension.url == url::BIRTH_TIME && extension::has_only_value(extension))?;
        let time = extension.value_date_time.as_deref()?;
        is(time.split_once('T').is_some_and(|(day, _)| Some(day) == date) && is_carried_time(time))
    }

    /// Links for which no event is sent.
    fn links(&mut self, links: &[Link<'_>]) -> Option<()> {
        is(links.is_empty() || self.site.config.link.seealso == Seealso::Off)?;
        let list = PATIENT.member("link");
        for (index, link) in links.iter().enumerate() {
            is(matches!(link.r#type.as_deref(), Some("refer" | "seealso")))?;
            is(link.other.as_ref().is_none_or(is_plain_reference))?;
            self.lost.push(danger(LINK, &list.index(index)));
        }
        Some(())
    }

    fn photo(&mut self, photo: &Attachment<'_>, path: &Path<'_>) -> Option<()> {
        is(photo.size.is_none_or(|size| i32::try_from(size).is_ok()))?;
        is(photo.creation.as_deref().is_none_or(date_time::is_date_time))?;
        self.no_home(const { reason("Patient.photo") }, path);
        Some(())
    }

    fn communication(&mut self, communication: &Communication<'_>, path: &Path<'_>) -> Option<()> {
        self.concept(communication.language.as_ref()?, Table::Language)?;
        if communication.preferred.is_some() {
            self.no_home(const { reason("communication.preferred") }, &path.member("preferred"));
        }
        Some(())
    }

    fn contact(&mut self, contact: &Contact<'_>, path: &Path<'_>) -> Option<()> {
        is(contact.gender_element.is_none() && contact.organization.is_none())?;
        is(contact.name.is_some() || !contact.telecom.is_empty() || contact.address.is_some())?;
        is(contact.gender.as_deref().is_none_or(|code| self.ordinary.genders.contains(&code)))?;
        if let Some(address) = &contact.address {
            self.address(address, &path.member("address"))?;
        }
        if let Some(name) = &contact.name {
            self.name(name, &path.member("name"))?;
        }
        period(contact.period.as_ref())?;
        is(is_dates(contact.period.as_ref()))?;
        let is_role = |concept: &CodeableConcept<'_>| {
            let [Coding { system: Some(uri), code: Some(code), .. }] = concept.coding.as_slice() else {
                return None;
            };
            let codes = &self.site.codes;
            let role = Table::ContactRole;
            let carried =
                codes.to_fhir(role, code, codes.version()) == Some((uri, code)) && codes.contains(role, code);
            if role.is_system(uri) { carried.then_some(true) } else { Some(false) }
        };
        for concept in &contact.relationship {
            match is_role(concept)? {
                true => is(is_plain_coding(concept))?,
                false => {
                    is(concept.coding.first()?.system.as_deref() == Some(system::ROLE_CODE))?;
                    self.concept(concept, Table::Relationship)?;
                }
            }
        }
        match contact.relationship.as_slice() {
            [] | [_] => {}
            [first, second] => is(!is_role(first)? && is_role(second)?)?,
            _ => return None,
        }
        self.telecom(&contact.telecom, path)
    }

    /// A concept of one coding that maps to the table: the code takes the first triplet, the coding the second.
    fn concept(&mut self, concept: &CodeableConcept<'_>, table: Table) -> Option<()> {
        is(is_plain_coding(concept))?;
        let coding = concept.coding.first()?;
        is(self.ordinary.carries_system(coding.system.as_deref()?))?;
        is(coded::is_carried(coding, table, self.site))
    }

    fn general_practitioners(&mut self, references: &[Reference<'_>], patient: &Patient<'_>) -> Option<()> {
        for reference in references {
            is(is_plain_reference(reference))?;
            is(reference.r#type.is_none() && reference.identifier.is_none())?;
            is(reference.reference.as_deref().is_some_and(|target| !target.starts_with('#')))?;
        }
        is(references.is_sorted_by_key(|reference| !reference::is_organization(reference, patient)))
    }
}

/// Not a surprise.
fn is(ordinary: bool) -> Option<()> {
    ordinary.then_some(())
}

/// One coding of a known system, with nothing but a display.
fn is_plain_coding(concept: &CodeableConcept<'_>) -> bool {
    matches!(
        concept.coding.as_slice(),
        [Coding { system: Some(_), version: None, code: Some(_), user_selected: None, .. }]
    )
}

/// A coding whose system is no name that would have to be replaced.
fn has_system(coding: &Coding<'_>) -> bool {
    coding.system.as_deref().is_some_and(|uri| uri.contains(':'))
}

fn is_plain_reference(reference: &Reference<'_>) -> bool {
    reference.identifier.is_none()
}

/// Dates and times of the calendar, which TS keeps.
fn period(period: Option<&Period<'_>>) -> Option<()> {
    let Some(Period { start, end }) = period else { return Some(()) };
    is([start, end].into_iter().flatten().all(|time| is_carried_time(time)))
}

fn is_dates(period: Option<&Period<'_>>) -> bool {
    period.is_none_or(|Period { start, end }| {
        [start, end].into_iter().flatten().all(|date| date_time::is_date(date))
    })
}

/// A dateTime that TS keeps.
fn is_carried_time(time: &str) -> bool {
    is_carried_fraction(time) && date_time::is_date_time(time)
}

/// At most four digits of fraction.
fn is_carried_fraction(time: &str) -> bool {
    let fraction = time.bytes().skip_while(|byte| *byte != b'.').skip(1);
    fraction.take_while(u8::is_ascii_digit).count() <= 4
}

/// True where no two are equal.
fn are_different<K: Hash + Eq>(keys: impl ExactSizeIterator<Item = K> + Clone) -> bool {
    if keys.len() <= 8 {
        let mut rest = keys;
        while let Some(key) = rest.next() {
            if rest.clone().any(|other| other == key) {
                return false;
            }
        }
        return true;
    }
    let mut seen = HashSet::with_capacity(keys.len());
    keys.into_iter().all(|key| seen.insert(key))
}
