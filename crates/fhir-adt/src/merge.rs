//! Merges and links: A40, A24, A37 (mapping sections 2.2 and 2.3; HL7 v2.5.1 §3.3.40, §3.3.24, §3.3.37).
//!
//! | Id | Rule |
//! | --- | --- |
//! | MRG-A | the record that carries `replaced-by` is retired and stands in MRG; the target survives and stands in PID |
//! | MRG-C | the other record: contained, looked up, `link.other.identifier`, else its id alone |
//! | MRG-D | PID: PID-1, PID-3, PID-5 and, where the record is known, PID-7 and PID-8 |
//! | MRG-E | MRG-1 all identifiers, logical id last; MRG-7 names |
//! | MRG-F | no PV1, NK1 or PD1 |
//! | MRG-H | a type in MRG-1 without a like in PID-3 is told |

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::context::MappingContext;
use crate::fhir::{Patient, Reference};
use crate::input;
use crate::normalise;
use crate::pid;
use crate::report::{Issue, IssueType, Report};
use crate::site::Site;
use crate::trace::TracedSegment;

/// The other record of a merge or link.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) patient: Patient,
    /// More than its id or identifier is known.
    pub(crate) resolved: bool,
}

/// MRG-C: who the other record is. `None`, with an error told, where nothing names it.
pub(crate) fn resolve(
    target: &Reference,
    patient: &Patient,
    context: &MappingContext<'_>,
    site: &Site,
    expression: &str,
    report: &mut Report,
) -> Option<Other> {
    let id = target.reference.as_deref().and_then(patient_id);
    if let Some(found) = contained(patient, target, id.as_deref()) {
        return Some(known(found, id, site));
    }
    if let Some(id) = &id
        && let Some(found) = context.lookup.and_then(|lookup| lookup(id))
    {
        return Some(known(&found, Some(id.clone()), site));
    }
    let identifier: Vec<_> = target.identifier.as_deref().cloned().into_iter().collect();
    if id.is_none() && !identifier.iter().any(|identifier| identifier.value.is_some()) {
        let reason = "nothing names the other record";
        report.push(Issue::error(IssueType::BusinessRule, "MRG-C", expression, reason));
        return None;
    }
    if identifier.is_empty() {
        let reason = "the other record is not known; only its id is sent";
        report.push(Issue::warning(IssueType::Incomplete, "MRG-C", expression, reason));
    }
    let patient = Patient { resource_type: "Patient".to_owned(), id, identifier, ..Patient::default() };
    Some(Other { patient, resolved: false })
}

/// A contained Patient that the reference names, as `#x` or by its id.
fn contained<'a>(patient: &'a Patient, target: &Reference, id: Option<&str>) -> Option<&'a Value> {
    let local = target.reference.as_deref().and_then(|reference| reference.strip_prefix('#')).or(id)?;
    patient.contained.iter().find(|resource| resource["resourceType"] == "Patient" && resource["id"] == local)
}

/// A record whose content is at hand, in normal form.
fn known(found: &Value, id: Option<String>, site: &Site) -> Other {
    // Only what was checked is used; a record that does not pass is known by id and whatever is well formed.
    let local = found["id"].as_str().unwrap_or_default().to_owned();
    let rules = input::Rules { strict: false, implicit_rules: &[], id: &local, assigns_id: true };
    let mut found = found.clone();
    if let Some(members) = found.as_object_mut() {
        members.remove("implicitRules");
        members.remove("contained");
    }
    let checked = input::check(&found, &rules).map(|checked| checked.patient);
    let normal = checked.map(|checked| normalise::normalise(checked, site, &mut Report::default()).patient);
    let mut patient = normal.ok().and_then(|value| Patient::deserialize(value).ok()).unwrap_or_default();
    let resolved = patient != Patient::default();
    patient.id = id.or(patient.id);
    Other { patient, resolved }
}

/// The id in `Patient/x`, `http://…/Patient/x` or `Patient/x/_history/1`.
fn patient_id(reference: &str) -> Option<String> {
    let plain = reference.split("/_history/").next().unwrap_or_default();
    let (head, id) = plain.rsplit_once('/')?;
    (head.rsplit('/').next() == Some("Patient") && input::is_id(id)).then(|| id.to_owned())
}

/// PID and MRG of an A40, and the survivor's id.
pub(crate) fn write_merge(
    survivor: &Other,
    retired: &Patient,
    site: &Site,
    report: &mut Report,
) -> [TracedSegment; 2] {
    let mut quiet = Report::default();
    let mut pid = pid::identity(&survivor.patient, 1, site, &mut quiet);
    if survivor.resolved {
        pid::birth(&mut pid, &survivor.patient);
        pid::gender(&mut pid, &survivor.patient, site);
    }
    let mut mrg = TracedSegment::new("MRG");
    pid::identifiers(&mut mrg, 1, retired, site, report);
    pid::names(&mut mrg, 7, retired, site, report);
    unpaired_types(&pid, &mrg, report);
    [pid, mrg]
}

/// MRG-H.
fn unpaired_types(pid: &TracedSegment, mrg: &TracedSegment, report: &mut Report) {
    let of_survivor: HashSet<&str> = pid.builder().repetitions(3).iter().map(|cx| cx.value(5, 1)).collect();
    let mut told = HashSet::new();
    for (index, cx) in mrg.builder().repetitions(1).iter().enumerate() {
        let code = cx.value(5, 1);
        if !code.is_empty() && !of_survivor.contains(code) && told.insert(code) {
            let reason = "MRG-1: PID-3 has no identifier of this type to pair it with";
            let path = format!("Patient.identifier[{index}]");
            report.push(Issue::warning(IssueType::Incomplete, "MRG-H", path, reason));
        }
    }
}

/// The two PID segments of an A24 or A37.
pub(crate) fn write_link(patient: &Patient, other: &Other, site: &Site) -> [TracedSegment; 2] {
    let mut quiet = Report::default();
    let first = pid::identity(patient, 1, site, &mut quiet);
    [first, pid::identity(&other.patient, 2, site, &mut quiet)]
}
