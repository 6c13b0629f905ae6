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

use hl7v2::Separators;

use crate::address;
use crate::assigning_authority::Designator;
use crate::code_element;
use crate::coded;
use crate::codes::Table;
use crate::config::{Length, UpdateMode};
use crate::contact_point::{self, Place};
use crate::date_time;
use crate::fhir::{self, Patient, url};
use crate::human_name;
use crate::identifier;
use crate::patient_extension;
use crate::reference;
use crate::report::{Issue, IssueType, Report, Severity};
use crate::site::Site;
use crate::trace::{Traced, TracedSegment};

/// The fields of PID and PD1 that null mode empties explicitly (section 8.1).
const MANAGED_PID: [usize; 19] = [6, 7, 8, 10, 11, 13, 14, 15, 16, 17, 22, 23, 24, 25, 26, 28, 29, 30, 39];
const MANAGED_PD1: [usize; 2] = [3, 4];

/// PID with every element that it can carry.
pub(crate) fn write(patient: &Patient, site: &Site, report: &mut Report) -> TracedSegment {
    let mut pid = identity(patient, 1, site, report);
    birth(&mut pid, patient);
    gender(&mut pid, patient, site);
    for (index, address) in patient.address.iter().enumerate() {
        pid.push(11, address::write(address, site, &format!("Patient.address[{index}]")));
    }
    telecom(&mut pid, patient, site);
    let communication = &patient.communication;
    let chosen = communication.iter().position(|language| language.preferred == Some(true)).unwrap_or(0);
    if let Some(language) =
        communication.get(chosen).and_then(|communication| communication.language.as_ref())
    {
        let base = format!("Patient.communication[{chosen}].language");
        pid.push(15, coded::write(language, Table::Language, site.rules.coded, site, &base));
    }
    if let Some(status) = &patient.marital_status {
        let base = "Patient.maritalStatus";
        pid.push(16, coded::write(status, Table::MaritalStatus, site.rules.coded_pid, site, base));
    }
    multiple_birth(&mut pid, patient);
    deceased(&mut pid, patient);
    let updated = patient.meta.as_ref().and_then(|meta| meta.last_updated.as_deref());
    if let Some(ts) = updated.and_then(date_time::to_ts).filter(|_| site.rules.last_update) {
        pid.set(33, &ts, "Patient.meta.lastUpdated", "5.1");
        let facility = Designator::parse(&site.config.last_update_facility);
        pid.push(34, authority(&facility));
    }
    patient_extension::write_pid(&mut pid, &patient.extension, site);
    pid
}

/// PID-1, PID-3 and PID-5: who the patient is, for merges and links.
pub(crate) fn identity(patient: &Patient, set_id: usize, site: &Site, report: &mut Report) -> TracedSegment {
    let mut pid = TracedSegment::nth("PID", set_id);
    pid.fixed(1, &set_id.to_string(), "5.1");
    identifiers(&mut pid, 3, patient, site, report);
    names(&mut pid, 5, patient, site, report);
    if !pid.builder().repetitions(5).iter().any(|name| !name.is_empty()) {
        pid.push(5, human_name::unknown());
    }
    pid
}

/// All identifiers of a Patient in a field, the logical id last.
pub(crate) fn identifiers(
    segment: &mut TracedSegment,
    field: usize,
    patient: &Patient,
    site: &Site,
    report: &mut Report,
) {
    let mut seen: HashSet<[String; 5]> = HashSet::new();
    for (index, identifier) in patient.identifier.iter().enumerate() {
        let base = format!("Patient.identifier[{index}]");
        let cx = identifier::write(identifier, site, &base);
        if cx.is_empty() {
            continue;
        }
        let key = identifier::key(&cx);
        if site.config.ihe_strict && key.iter().skip(1).take(3).all(String::is_empty) {
            let reason = "an identifier needs a system or a default authority where IHE is strict";
            report.push(Issue::error(IssueType::BusinessRule, "12", format!("{base}.system"), reason));
        }
        if !seen.insert(key) {
            continue;
        }
        too_long(&cx, site.rules.identifier_max, &base, site, report);
        segment.push(field, cx);
    }
    if let Some(id) = &patient.id {
        segment.push(field, identifier::write_logical_id(id, site, "Patient"));
    }
}

/// All usable names in a field.
pub(crate) fn names(
    segment: &mut TracedSegment,
    field: usize,
    patient: &Patient,
    site: &Site,
    report: &mut Report,
) {
    for (index, name) in patient.name.iter().enumerate() {
        let base = format!("Patient.name[{index}]");
        let xpn = human_name::write(name, site, &base);
        too_long(&xpn, site.rules.name_max, &base, site, report);
        segment.push(field, xpn);
    }
}

/// PID-7.
pub(crate) fn birth(pid: &mut TracedSegment, patient: &Patient) {
    let Some(date) = patient.birth_date.as_deref() else { return };
    let extensions = fhir::element_extensions(patient.birth_date_element.as_ref());
    let time = fhir::extension(extensions, url::BIRTH_TIME)
        .and_then(|extension| extension.value_date_time.as_deref())
        .filter(|time| time.split_once('T').is_some_and(|(day, _)| day == date));
    let (value, element) = match time {
        Some(time) => (time, "Patient.birthDate.extension"),
        None => (date, "Patient.birthDate"),
    };
    pid.set(7, &date_time::to_ts(value).unwrap_or_default(), element, "5.1");
}

/// PID-8.
pub(crate) fn gender(pid: &mut TracedSegment, patient: &Patient, site: &Site) {
    let (code, element) = (patient.gender.as_deref(), patient.gender_element.as_ref());
    if let Some(v2) = code_element::write(code, element, Table::AdministrativeSex, None, site) {
        pid.set(8, v2.code, "Patient.gender", if v2.alternate { "CD-15" } else { "5.1" });
    }
}

/// PID-13 and PID-14, or PID-40 for both.
fn telecom(pid: &mut TracedSegment, patient: &Patient, site: &Site) {
    let in_40 = site.config.pid40 && site.rules.pid_40;
    for (place, field) in [(Place::Home, 13), (Place::Work, 14)] {
        let points = patient.telecom.iter().enumerate();
        for (index, point) in points.filter(|(_, point)| contact_point::place(point) == place) {
            let base = format!("Patient.telecom[{index}]");
            pid.push(if in_40 { 40 } else { field }, contact_point::write(point, site, &base));
        }
    }
}

/// PID-24 and PID-25.
fn multiple_birth(pid: &mut TracedSegment, patient: &Patient) {
    if let Some(order) = patient.multiple_birth_integer {
        pid.set(24, "Y", "Patient.multipleBirthInteger", "5.1");
        pid.set(25, &order.to_string(), "Patient.multipleBirthInteger", "5.1");
    } else if let Some(multiple) = patient.multiple_birth_boolean {
        pid.set(24, yes_no(multiple), "Patient.multipleBirthBoolean", "5.1");
    }
}

/// PID-29 and PID-30.
fn deceased(pid: &mut TracedSegment, patient: &Patient) {
    if let Some(ts) = patient.deceased_date_time.as_deref().and_then(date_time::to_ts) {
        pid.set(29, &ts, "Patient.deceasedDateTime", "5.1");
        pid.set(30, "Y", "Patient.deceasedDateTime", "5.1");
    } else if let Some(deceased) = patient.deceased_boolean {
        pid.set(30, yes_no(deceased), "Patient.deceasedBoolean", "5.1");
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "Y" } else { "N" }
}

/// PD1.
pub(crate) fn write_pd1(patient: &Patient, site: &Site) -> TracedSegment {
    let mut pd1 = TracedSegment::new("PD1");
    for (index, practitioner) in patient.general_practitioner.iter().enumerate() {
        let base = format!("Patient.generalPractitioner[{index}]");
        if reference::is_organization(practitioner, patient) {
            pd1.push(3, reference::write_xon(practitioner, patient, site, &base));
        } else if site.rules.primary_care_provider {
            pd1.push(4, reference::write_xcn(practitioner, patient, site, &base));
        }
    }
    patient_extension::write_pd1(&mut pd1, &patient.extension, site);
    pd1
}

/// Null mode: every managed field without a value becomes the explicit null (section 8.1).
pub(crate) fn set_nulls(pid: &mut TracedSegment, pd1: &mut TracedSegment, site: &Site) {
    if site.config.update_mode != UpdateMode::Null {
        return;
    }
    for field in MANAGED_PID {
        let moved = matches!(field, 13 | 14) && site.config.pid40 && site.rules.pid_40;
        let known = match field {
            28 => !site.config.ihe_strict,
            39 => site.rules.tribal.is_some(),
            _ => !moved,
        };
        if known && pid.builder().is_field_empty(field) {
            pid.set_null(field);
        }
    }
    if site.config.pid40 && site.rules.pid_40 && pid.builder().is_field_empty(40) {
        pid.set_null(40);
    }
    for field in MANAGED_PD1.into_iter().filter(|&field| field != 4 || site.rules.primary_care_provider) {
        if pd1.builder().is_field_empty(field) {
            pd1.set_null(field);
        }
    }
}

/// A designator as a whole field.
pub(crate) fn authority(designator: &Designator) -> Traced {
    let mut out = Traced::default();
    for (component, part) in (1..).zip(designator.parts()) {
        out.fixed(component, 1, part, "3.1");
    }
    out
}

/// A repetition longer than its version allows is sent whole, and told or refused.
fn too_long(repetition: &Traced, max: Option<usize>, path: &str, site: &Site, report: &mut Report) {
    let Some(max) = max else { return };
    let length = repetition.repetition().encode(&Separators::default()).chars().count();
    if length > max {
        let severity = match site.config.length {
            Length::Warn => Severity::Warning,
            Length::Reject => Severity::Error,
        };
        let reason =
            format!("longer than the {max} characters that HL7 {} allows", site.codes.version().as_str());
        report.push(Issue::new(severity, IssueType::TooLong, "2.6", path, &reason));
    }
}
