//! Patient → PID and PD1 (mapping section 5.1; HL7 v2.5.1 §3.4.2, §3.4.10).
//!
//! | Field | FHIR | Rules |
//! | --- | --- | --- |
//! | PID-3 | `identifier[]`, then `id` | [`crate::identifier`] |
//! | PID-5 | `name[]` | [`crate::human_name`], NM-2, NM-3 |
//! | PID-6 | extension `patient-mothersMaidenName` | [`crate::patient_extension`] |
//! | PID-7 | `birthDate`, extension `patient-birthTime` | [`crate::date_time`] |
//! | PID-8 | `gender` | table 0001, [`crate::code_element`] |
//! | PID-10, PID-22 | US Core race and ethnicity | [`crate::race_ethnicity`] |
//! | PID-11 | `address[]`, then the birth place | [`crate::address`] |
//! | PID-13, PID-14 | `telecom[]`, `use=work` in PID-14 | [`crate::contact_point`] |
//! | PID-15 | `communication[]`, one of them | table 0296, [`crate::coded`] |
//! | PID-16, PID-17 | `maritalStatus`, extension `patient-religion` | tables 0002, 0006 |
//! | PID-23, PID-26, PID-28, PID-35, PID-36, PID-39 | extensions | [`crate::patient_extension`] |
//! | PID-24, PID-25 | `multipleBirth[x]` | table 0136 |
//! | PID-29, PID-30 | `deceased[x]` | table 0136 |
//! | PID-33 | `meta.lastUpdated` (from 2.4) | [`crate::date_time`] |
//! | PD1-3, PD1-4 | `generalPractitioner[]` | [`mod@crate::reference`] |
//! | PD1-6, PD1-14 | extensions | [`crate::patient_extension`] |

use std::collections::HashSet;

use crate::address;
use crate::assigning_authority::Designator;
use crate::code_element;
use crate::coded;
use crate::codes::Table;
use crate::config::Length;
use crate::contact_point::{self, Place};
use crate::date_time;
use crate::fhir::{self, Patient, url};
use crate::human_name;
use crate::identifier;
use crate::path::{PATIENT, Path};
use crate::patient_extension;
use crate::reference;
use crate::report::{Issue, IssueType, Report, Severity};
use crate::site::Site;
use crate::trace::{Repetition, Writer};

/// The fields of PID and PD1 that null mode empties explicitly (section 8.1).
const MANAGED_PID: [usize; 19] = [6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 22, 23, 24, 25, 26, 28, 29, 30, 39];
const MANAGED_PD1: [usize; 2] = [3, 4];

/// The order of most births has one digit.
const DIGITS: &str = "0123456789";

/// The first identifiers are compared with each other, later ones looked up.
const FEW: usize = 8;

/// PID with every element that it can carry; with `nulls`, managed fields without a value are emptied explicitly.
pub(crate) fn write(out: &mut Writer, patient: &Patient<'_>, nulls: bool, site: &Site, report: &mut Report) {
    let in_40 = site.config.pid40 && site.rules.pid_40;
    out.segment("PID");
    if nulls {
        out.nulls(null_fields(in_40, site));
    }
    identity(out, patient, 1, site, report);
    let extension = |out: &mut Writer, field: usize| {
        patient_extension::write_pid(out, field, &patient.extension, site);
    };
    extension(out, 6);
    birth(out, patient);
    gender(out, patient, site);
    extension(out, 10);
    let list = PATIENT.member("address");
    for (index, address) in patient.address.iter().enumerate() {
        address::write(address, site, &mut out.repetition(11, list.index(index)));
    }
    extension(out, 11);
    if !in_40 {
        telecom(out, 13, Place::Home, patient, site);
        telecom(out, 14, Place::Work, patient, site);
    }
    language(out, patient, site);
    if let Some(status) = &patient.marital_status {
        let out = &mut out.repetition(16, PATIENT.member("maritalStatus"));
        coded::write(status, Table::MaritalStatus, site.rules.coded_pid, site, out);
    }
    [17, 22, 23].into_iter().for_each(|field| extension(out, field));
    multiple_birth(out, patient);
    [26, 28].into_iter().for_each(|field| extension(out, field));
    deceased(out, patient);
    let meta = PATIENT.member("meta");
    let updated = patient.meta.as_ref().and_then(|meta| meta.last_updated.as_deref());
    if let Some(ts) = updated.and_then(date_time::to_ts).filter(|_| site.rules.last_update) {
        out.set(33, &ts, meta.member("lastUpdated"), "5.1");
        authority(out, 34, &site.last_update_facility);
    }
    [35, 36, 39].into_iter().for_each(|field| extension(out, field));
    if in_40 {
        telecom(out, 40, Place::Home, patient, site);
        telecom(out, 40, Place::Work, patient, site);
    }
}

/// The managed fields of PID that the version and the configuration know, as bits.
fn null_fields(in_40: bool, site: &Site) -> u64 {
    let is_known = |field: &usize| match field {
        13 | 14 => !in_40,
        28 => !site.config.ihe_strict,
        39 => site.rules.tribal.is_some(),
        _ => true,
    };
    let managed = MANAGED_PID.into_iter().filter(is_known).chain(in_40.then_some(40));
    managed.fold(0, |bits, field| bits | 1 << field)
}

/// PID-1, PID-3 and PID-5 of a segment that was started: who the patient is.
pub(crate) fn identity(
    out: &mut Writer,
    patient: &Patient<'_>,
    set_id: usize,
    site: &Site,
    report: &mut Report,
) {
    out.fixed(1, if set_id == 1 { "1" } else { "2" }, "5.1");
    identifiers(out, 3, patient, site, report);
    let before = out.mark();
    names(out, 5, patient, site, report);
    if !out.has_more_than(&before) {
        human_name::unknown(&mut out.repetition(5, PATIENT));
    }
}

/// All identifiers of a Patient in a field, the logical id last.
pub(crate) fn identifiers(
    out: &mut Writer,
    field: usize,
    patient: &Patient<'_>,
    site: &Site,
    report: &mut Report,
) {
    let mut seen = None;
    let list = PATIENT.member("identifier");
    let sent = patient.identifier.iter().enumerate().filter(|(_, identifier)| identifier.value.is_some());
    for (index, identifier) in sent {
        let base = list.index(index);
        let key = identifier::key(identifier, site);
        if site.config.ihe_strict && key.1.parts().iter().all(|part| part.is_empty()) {
            let reason = "an identifier needs a system or a default authority where IHE is strict";
            let path = base.member("system").to_string();
            report.push(Issue::error(IssueType::BusinessRule, "12", path, reason));
        }
        let is_repeated = if index < FEW {
            let earlier = patient.identifier.iter().take(index);
            earlier
                .filter(|earlier| earlier.value == identifier.value)
                .any(|earlier| identifier::key(earlier, site) == key)
        } else {
            let all = seen.get_or_insert_with(|| {
                let earlier = patient.identifier.iter().take(index).filter(|earlier| earlier.value.is_some());
                earlier.map(|earlier| identifier::key(earlier, site)).collect::<HashSet<_>>()
            });
            !all.insert(key)
        };
        if is_repeated {
            continue;
        }
        let mut cx = out.repetition(field, base);
        identifier::write(identifier, site, &mut cx);
        too_long(&cx, site.rules.identifier_max, &base, site, report);
    }
    if let Some(id) = &patient.id {
        identifier::write_logical_id(id, site, &mut out.repetition(field, PATIENT));
    }
}

/// All usable names in a field.
pub(crate) fn names(out: &mut Writer, field: usize, patient: &Patient<'_>, site: &Site, report: &mut Report) {
    let list = PATIENT.member("name");
    for (index, name) in patient.name.iter().enumerate() {
        let base = list.index(index);
        let mut xpn = out.repetition(field, base);
        human_name::write(name, site, &mut xpn);
        too_long(&xpn, site.rules.name_max, &base, site, report);
    }
}

/// PID-7.
pub(crate) fn birth(out: &mut Writer, patient: &Patient<'_>) {
    let Some(date) = patient.birth_date.as_deref() else { return };
    let extensions = fhir::element_extensions(patient.birth_date_element.as_ref());
    let time = fhir::extension(extensions, url::BIRTH_TIME)
        .and_then(|extension| extension.value_date_time.as_deref())
        .filter(|time| time.split_once('T').is_some_and(|(day, _)| day == date));
    let element = PATIENT.member("birthDate");
    let (value, element) = match time {
        Some(time) => (time, element.member("extension")),
        None => (date, element),
    };
    out.set(7, &date_time::to_ts(value).unwrap_or_default(), element, "5.1");
}

/// PID-8.
pub(crate) fn gender(out: &mut Writer, patient: &Patient<'_>, site: &Site) {
    let (code, element) = (patient.gender.as_deref(), patient.gender_element.as_ref());
    if let Some(v2) = code_element::write(code, element, Table::AdministrativeSex, None, site) {
        out.set(8, v2.code, PATIENT.member("gender"), if v2.alternate { "CD-15" } else { "5.1" });
    }
}

/// The contact points of one kind.
fn telecom(out: &mut Writer, field: usize, place: Place, patient: &Patient<'_>, site: &Site) {
    let list = PATIENT.member("telecom");
    let points = patient.telecom.iter().enumerate();
    for (index, point) in points.filter(|(_, point)| contact_point::place(point) == place) {
        contact_point::write(point, site, &mut out.repetition(field, list.index(index)));
    }
}

/// PID-15.
fn language(out: &mut Writer, patient: &Patient<'_>, site: &Site) {
    let communication = &patient.communication;
    let chosen = communication.iter().position(|language| language.preferred == Some(true)).unwrap_or(0);
    if let Some(language) =
        communication.get(chosen).and_then(|communication| communication.language.as_ref())
    {
        let list = PATIENT.member("communication");
        let base = list.index(chosen);
        let out = &mut out.repetition(15, base.member("language"));
        coded::write(language, Table::Language, site.rules.coded, site, out);
    }
}

/// PID-24 and PID-25.
fn multiple_birth(out: &mut Writer, patient: &Patient<'_>) {
    if let Some(order) = patient.multiple_birth_integer {
        let element = PATIENT.member("multipleBirthInteger");
        out.set(24, "Y", element, "5.1");
        match usize::try_from(order).ok().and_then(|order| DIGITS.get(order..=order)) {
            Some(digit) => out.set(25, digit, element, "5.1"),
            None => out.set(25, &order.to_string(), element, "5.1"),
        }
    } else if let Some(multiple) = patient.multiple_birth_boolean {
        out.set(24, yes_no(multiple), PATIENT.member("multipleBirthBoolean"), "5.1");
    }
}

/// PID-29 and PID-30.
fn deceased(out: &mut Writer, patient: &Patient<'_>) {
    if let Some(ts) = patient.deceased_date_time.as_deref().and_then(date_time::to_ts) {
        let element = PATIENT.member("deceasedDateTime");
        out.set(29, &ts, element, "5.1");
        out.set(30, "Y", element, "5.1");
    } else if let Some(deceased) = patient.deceased_boolean {
        out.set(30, yes_no(deceased), PATIENT.member("deceasedBoolean"), "5.1");
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "Y" } else { "N" }
}

/// PD1, where it has content.
pub(crate) fn write_pd1(out: &mut Writer, patient: &Patient<'_>, nulls: bool, site: &Site) {
    out.segment("PD1");
    if nulls {
        let known = MANAGED_PD1.into_iter().filter(|field| *field != 4 || site.rules.primary_care_provider);
        out.nulls(known.fold(0, |bits, field| bits | 1 << field));
    }
    let list = PATIENT.member("generalPractitioner");
    let practitioners = || patient.general_practitioner.iter().enumerate();
    let is_organization = |practitioner| reference::is_organization(practitioner, patient);
    for (index, organization) in practitioners().filter(|(_, practitioner)| is_organization(practitioner)) {
        reference::write_xon(organization, patient, site, &mut out.repetition(3, list.index(index)));
    }
    if site.rules.primary_care_provider {
        for (index, person) in practitioners().filter(|(_, practitioner)| !is_organization(practitioner)) {
            reference::write_xcn(person, patient, site, &mut out.repetition(4, list.index(index)));
        }
    }
    patient_extension::write_pd1(out, &patient.extension, site);
}

/// A designator as a whole field.
pub(crate) fn authority(out: &mut Writer, field: usize, designator: &Designator<'_>) {
    let out = &mut out.repetition(field, PATIENT);
    for (component, part) in (1..).zip(designator.parts()) {
        out.fixed(component, 1, part, "3.1");
    }
}

/// A repetition longer than its version allows is sent whole, and told or refused.
fn too_long(
    repetition: &Repetition<'_>,
    max: Option<usize>,
    path: &Path<'_>,
    site: &Site,
    report: &mut Report,
) {
    let Some(max) = max else { return };
    let written = repetition.written();
    if written.len() <= max || written.trim_start_matches(['|', '~']).chars().count() <= max {
        return;
    }
    let severity = match site.config.length {
        Length::Warn => Severity::Warning,
        Length::Reject => Severity::Error,
    };
    let reason =
        format!("longer than the {max} characters that HL7 {} allows", site.codes.version().as_str());
    report.push(Issue::new(severity, IssueType::TooLong, "2.6", path.to_string(), &reason));
}
