//! What an ordinary Patient is, and what is lost of one.

use std::collections::HashSet;
use std::hash::Hash;

use super::Ordinary;
use crate::coded;
use crate::codes::Table;
use crate::contact_point::has_scheme;
use crate::date_time;
use crate::fhir::{
    Address, CodeableConcept, Coding, Communication, Contact, ContactPoint, Extension, HumanName, Identifier,
    Meta, Narrative, Patient, Period, Reference, Str, system, url,
};
use crate::human_name;
use crate::identifier;
use crate::loss::{Reason, lost, reason};
use crate::path::{PATIENT, Path};
use crate::patient_extension;
use crate::race_ethnicity::{self, Kind};
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
        is(patient.contained.is_empty() && patient.link.is_empty())?;
        is(patient.gender_element.is_none() && patient.birth_date_element.is_none())?;
        is(patient.deceased_boolean.is_none() || patient.deceased_date_time.is_none())?;
        is(patient.multiple_birth_boolean.is_none() || patient.multiple_birth_integer.is_none())?;
        is(patient.multiple_birth_integer.is_none_or(|order| i32::try_from(order).is_ok()))?;
        is(patient.birth_date.as_deref().is_none_or(date_time::is_date))?;
        is(patient.deceased_date_time.as_deref().is_none_or(is_carried_time))?;
        is(patient.gender.as_deref().is_none_or(|code| self.ordinary.genders.contains(&code)))?;

        match patient.active {
            Some(true) => self.no_home(const { reason("Patient.active") }, &PATIENT.member("active")),
            Some(false) => return None,
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
        if meta.source.is_some() {
            self.no_home(const { reason("+") }, &path.member("source"));
        }
        Some(())
    }

    fn address(&mut self, address: &Address<'_>, path: &Path<'_>) -> Option<()> {
        is(address.use_element.is_none() && address.line_element.is_empty())?;
        let parts =
            [&address.city, &address.state, &address.postal_code, &address.country, &address.district];
        is(!address.line.is_empty() || parts.iter().any(|part| part.is_some()))?;
        let extensions = path.member("extension");
        for (index, extension) in address.extension.iter().enumerate() {
            is(extension.url != url::CENSUS_TRACT)?;
            unknown_extension(extension)?;
            self.no_home(const { reason("extension") }, &extensions.index(index));
        }
        if address.line.len() > 2 {
            self.detail(const { reason("address.line") }, &path.member("line"));
        }
        period(address.period.as_ref())?;
        if address.text.is_some() {
            self.no_home(const { reason("address.text") }, &path.member("text"));
        }
        match (address.r#use.as_deref(), address.r#type.as_deref()) {
            (None, None) => Some(()),
            (Some(used), kind) => {
                is(self.ordinary.address_uses.contains(&used))?;
                if let Some(kind) = kind {
                    is(matches!(kind, "postal" | "physical" | "both"))?;
                    self.no_home(const { reason("address.type") }, &path.member("type"));
                }
                Some(())
            }
            // XAD.7 takes the type.
            (None, Some(_)) => None,
        }
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

    /// Known extensions come first, in their order; the others are lost.
    fn extensions(&mut self, extensions: &[Extension<'_>]) -> Option<()> {
        let list = PATIENT.member("extension");
        let rank = |extension: &Extension<'_>| {
            patient_extension::ORDER.iter().position(|known| *known == extension.url)
        };
        let mut seen: u32 = 0;
        for (index, extension) in extensions.iter().enumerate() {
            match rank(extension) {
                Some(rank) => {
                    is(seen >> rank & 1 == 0)?;
                    seen |= 1 << rank;
                    self.known_extension(extension)?;
                }
                None => {
                    unknown_extension(extension)?;
                    self.no_home(const { reason("extension") }, &list.index(index));
                }
            }
        }
        Some(())
    }

    fn known_extension(&mut self, extension: &Extension<'_>) -> Option<()> {
        match &*extension.url {
            url::RACE => self.race(extension, Kind::Race),
            url::ETHNICITY => self.race(extension, Kind::Ethnicity),
            url::MOTHERS_MAIDEN_NAME => is(values(extension) == 1
                && extension.extension.is_empty()
                && extension.value_string.is_some()),
            url::BIRTH_PLACE => {
                is(values(extension) == 1 && extension.extension.is_empty())?;
                let Address { city, state, postal_code, country, district, line, .. } =
                    extension.value_address.as_deref()?;
                let carried = Address {
                    city: borrowed(city),
                    state: borrowed(state),
                    postal_code: borrowed(postal_code),
                    country: borrowed(country),
                    district: borrowed(district),
                    ..Address::default()
                };
                is(line.is_empty() && extension.value_address.as_deref() == Some(&carried))
            }
            _ => None,
        }
    }

    fn race(&mut self, extension: &Extension<'_>, kind: Kind) -> Option<()> {
        is(values(extension) == 0)?;
        let place = |part: &Extension<'_>| match &*part.url {
            "ombCategory" => Some(0),
            "detailed" => Some(1),
            "text" => Some(2),
            _ => None,
        };
        let mut last = 0;
        for part in &extension.extension {
            let at = place(part)?;
            is(at >= last && values(part) == 1 && part.extension.is_empty())?;
            // One text.
            last = if at == 2 { 3 } else { at };
            if at == 2 {
                is(part.value_string.is_some())?;
                continue;
            }
            let coding = part.value_coding.as_ref()?;
            is(coding.version.is_none() && coding.user_selected.is_none() && coding.code.is_some())?;
            is(self.ordinary.carries_system(coding.system.as_deref()?))?;
            is(kind.is_category(coding) == (at == 0))?;
            is(race_ethnicity::is_carried(kind, coding, self.site))?;
        }
        is(last > 0 || !extension.extension.is_empty())
    }

    fn general_practitioners(&mut self, references: &[Reference<'_>], patient: &Patient<'_>) -> Option<()> {
        for reference in references {
            is(is_plain_reference(reference))?;
            is(reference.r#type.is_none() && reference.identifier.is_none())?;
            is(reference.reference.as_deref().is_some_and(|target| !target.starts_with('#')))?;
        }
        is(references.is_sorted_by_key(|reference| !reference::is_organization(reference, patient)))
    }

    fn identifier(&mut self, identifier: &Identifier<'_>, path: &Path<'_>) -> Option<()> {
        is(identifier.value.is_some() && identifier.extension.is_empty())?;
        if let Some(assigner) = identifier.assigner.as_deref() {
            is(assigner.reference.is_none() && assigner.r#type.is_none() && assigner.identifier.is_none())?;
            is(assigner.display.is_some())?;
        }
        period(identifier.period.as_ref())?;
        is(is_dates(identifier.period.as_ref()))?;
        if let Some(system) = identifier.system.as_deref() {
            is(self.site.registry.is_carried(system))?;
        }
        if let Some(concept) = &identifier.r#type {
            let [coding] = concept.coding.as_slice() else { return None };
            is(coding.version.is_none() && coding.user_selected.is_none())?;
            is(coding.system.as_deref() == Some(system::IDENTIFIER_TYPE))?;
            let code = coding.code.as_deref()?;
            is(identifier::is_type_code(code) && code != self.site.config.logical_id.type_code)?;
            let path = path.member("type");
            if coding.display.is_some() {
                let codings = path.member("coding");
                self.detail(const { reason("coding.display") }, &codings.index(0).member("display"));
            }
            if concept.text.is_some() {
                self.no_home(const { reason("identifier.type.text") }, &path.member("text"));
            }
        } else if let Some(system) = identifier.system.as_deref() {
            let default = self.site.registry.default_type(system);
            is(default != Some(self.site.config.logical_id.type_code.as_str()))?;
        }
        if let Some(used) = identifier.r#use.as_deref() {
            is(matches!(used, "usual" | "official" | "temp" | "secondary" | "old"))?;
            self.no_home(const { reason("identifier.use") }, &path.member("use"));
        }
        Some(())
    }

    fn name(&mut self, name: &HumanName<'_>, path: &Path<'_>) -> Option<()> {
        is(name.extension.is_empty() && name.use_element.is_none() && name.family_element.is_none())?;
        is(name.family.is_some() || !name.given.is_empty())?;
        is(name.r#use.as_deref().is_none_or(|used| self.ordinary.name_uses.contains(&used)))?;
        let whole = |parts: &[Option<Str<'_>>], separators: &[char]| {
            parts.iter().all(|part| part.as_deref().is_some_and(|part| !part.contains(separators)))
        };
        is(whole(name.given.get(1..).unwrap_or_default(), &[' ']))?;
        is(whole(&name.prefix, &[' ']) && whole(&name.suffix, &[' ', ',']))?;
        is(name
            .suffix
            .is_sorted_by_key(|suffix| !suffix.as_deref().is_some_and(human_name::is_generational)))?;
        period(name.period.as_ref())?;
        if let Some(text) = name.text.as_deref()
            && !human_name::is_joined(text, name)
        {
            self.no_home(const { reason("name.text") }, &path.member("text"));
        }
        Some(())
    }

    /// Not work, then work (B5).
    fn telecom(&mut self, points: &[ContactPoint<'_>], parent: &Path<'_>) -> Option<()> {
        let before = self.lost.len();
        let list = parent.member("telecom");
        for at_work in [false, true] {
            for (index, point) in points.iter().enumerate() {
                if (point.r#use.as_deref() == Some("work")) == at_work {
                    self.contact_point(point, &list.index(index))?;
                }
            }
        }
        let values = || points.iter().map(|point| &point.value);
        is(points.len() <= LONG || self.lost.len() == before || are_different(values()))
    }

    fn contact_point(&mut self, point: &ContactPoint<'_>, path: &Path<'_>) -> Option<()> {
        is(point.extension.is_empty() && point.system_element.is_none() && point.use_element.is_none())?;
        let value = point.value.as_deref()?;
        let used = point.r#use.as_deref();
        is(used.is_none_or(|used| used == "mobile" || self.ordinary.telecom_uses.contains(&used)))?;
        match point.system.as_deref()? {
            "phone" => {}
            "email" => is(!has_scheme(value) && used != Some("mobile"))?,
            "url" => is(has_scheme(value) && used != Some("mobile"))?,
            system => {
                is(self.ordinary.telecom_systems.contains(&system) && used != Some("mobile"))?;
            }
        }
        if point.period.is_some() {
            period(point.period.as_ref())?;
            self.no_home(const { reason("telecom.period") }, &path.member("period"));
        }
        if let Some(rank) = point.rank {
            is(rank > 0 && i32::try_from(rank).is_ok())?;
            self.no_home(const { reason("telecom.rank") }, &path.member("rank"));
        }
        Some(())
    }
}

/// Not a surprise.
fn is(ordinary: bool) -> Option<()> {
    ordinary.then_some(())
}

fn borrowed<'a>(text: &'a Option<Str<'_>>) -> Option<Str<'a>> {
    text.as_deref().map(Str::Borrowed)
}

/// One coding of a known system, with nothing but a display.
fn is_plain_coding(concept: &CodeableConcept<'_>) -> bool {
    matches!(
        concept.coding.as_slice(),
        [Coding { system: Some(_), version: None, code: Some(_), user_selected: None, .. }]
    )
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

/// An extension without a place that the input checks let through.
fn unknown_extension(extension: &Extension<'_>) -> Option<()> {
    is(!extension.url.is_empty() && extension.value_address.is_none())?;
    is(extension.value_date_time.as_deref().is_none_or(date_time::is_date_time))?;
    is(extension.value_integer.is_none_or(|value| i32::try_from(value).is_ok()))?;
    let codings = extension.value_codeable_concept.iter().flat_map(|concept| &concept.coding);
    for coding in codings.chain(&extension.value_coding) {
        is(coding.system.as_deref().is_some_and(|uri| uri.contains(':')))?;
    }
    match (values(extension), extension.extension.as_slice()) {
        (1, []) => Some(()),
        (0, [_, ..]) => extension.extension.iter().try_for_each(unknown_extension),
        _ => None,
    }
}

/// How many values an extension has.
fn values(extension: &Extension<'_>) -> usize {
    [
        extension.value_address.is_some(),
        extension.value_boolean.is_some(),
        extension.value_code.is_some(),
        extension.value_codeable_concept.is_some(),
        extension.value_coding.is_some(),
        extension.value_date_time.is_some(),
        extension.value_decimal.is_some(),
        extension.value_integer.is_some(),
        extension.value_string.is_some(),
    ]
    .into_iter()
    .filter(|is_there| *is_there)
    .count()
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
