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

use std::cell::OnceCell;
use std::collections::HashSet;

use serde_json::Value;

use crate::context::MappingContext;
use crate::fhir::{Patient, Reference, Str};
use crate::identifier;
use crate::input;
use crate::normalise;
use crate::pid;
use crate::report::{Issue, IssueType, Report};
use crate::site::Site;
use crate::trace::Writer;

/// The other record of a merge or link.
#[derive(Debug)]
pub(crate) struct Other<'a> {
    pub(crate) patient: Patient<'a>,
    /// More than its id or identifier is known.
    pub(crate) resolved: bool,
}

/// MRG-C: who the other record is. `None`, with an error told, where nothing names it. A record that is known is kept
/// in `found`.
pub(crate) fn resolve<'a>(
    target: &'a Reference<'_>,
    patient: &Patient<'_>,
    context: &MappingContext<'_>,
    site: &Site,
    expression: &str,
    found: &'a OnceCell<Value>,
    report: &mut Report,
) -> Option<Other<'a>> {
    let id = target.reference.as_deref().and_then(patient_id);
    if let Some(contained) = contained(patient, target, id) {
        return Some(known(contained, id, site, found));
    }
    if let Some(id) = id
        && let Some(looked_up) = context.lookup.and_then(|lookup| lookup(id))
    {
        return Some(known(&looked_up, Some(id), site, found));
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
    let id = id.map(Str::Borrowed);
    let patient = Patient { resource_type: "Patient".into(), id, identifier, ..Patient::default() };
    Some(Other { patient, resolved: false })
}

/// A contained Patient that the reference names, as `#x` or by its id.
fn contained<'a>(patient: &'a Patient<'_>, target: &Reference<'_>, id: Option<&str>) -> Option<&'a Value> {
    let local = target.reference.as_deref().and_then(|reference| reference.strip_prefix('#')).or(id)?;
    patient.contained.iter().find(|resource| resource["resourceType"] == "Patient" && resource["id"] == local)
}

/// A record whose content is at hand, in normal form.
fn known<'a>(record: &Value, id: Option<&'a str>, site: &Site, found: &'a OnceCell<Value>) -> Other<'a> {
    // Only what was checked is used; a record that does not pass is known by id and whatever is well formed.
    let local = record["id"].as_str().unwrap_or_default().to_owned();
    let rules = input::Rules { strict: false, implicit_rules: &[], id: &local, assigns_id: true };
    let mut record = record.clone();
    if let Some(members) = record.as_object_mut() {
        members.remove("implicitRules");
        members.remove("contained");
    }
    let normal = found.get_or_init(|| {
        let checked = input::check(&record, &rules).map(|checked| checked.patient);
        let normal =
            checked.map(|checked| normalise::normalise(checked, site, &mut Report::default()).patient);
        normal.unwrap_or_default()
    });
    let mut patient = Patient::of(normal).unwrap_or_default();
    let resolved = patient != Patient::default();
    patient.id = id.map(Str::Borrowed).or(patient.id);
    Other { patient, resolved }
}

/// The id in `Patient/x`, `http://…/Patient/x` or `Patient/x/_history/1`.
fn patient_id(reference: &str) -> Option<&str> {
    let plain = reference.split("/_history/").next().unwrap_or_default();
    let (head, id) = plain.rsplit_once('/')?;
    (head.rsplit('/').next() == Some("Patient") && input::is_id(id)).then_some(id)
}

/// PID and MRG of an A40.
pub(crate) fn write_merge(
    out: &mut Writer,
    survivor: &Other<'_>,
    retired: &Patient<'_>,
    site: &Site,
    report: &mut Report,
) {
    out.segment("PID");
    pid::identity(out, &survivor.patient, 1, site, &mut Report::default());
    if survivor.resolved {
        pid::birth(out, &survivor.patient);
        pid::gender(out, &survivor.patient, site);
    }
    out.segment("MRG");
    pid::identifiers(out, 1, retired, site, report);
    pid::names(out, 7, retired, site, report);
    unpaired_types(&survivor.patient, retired, site, report);
}

/// MRG-H.
fn unpaired_types(survivor: &Patient<'_>, retired: &Patient<'_>, site: &Site, report: &mut Report) {
    let of_survivor: HashSet<&str> = types(survivor, site).collect();
    let mut told = HashSet::new();
    for (index, code) in types(retired, site).enumerate() {
        if !code.is_empty() && !of_survivor.contains(code) && told.insert(code) {
            let reason = "MRG-1: PID-3 has no identifier of this type to pair it with";
            let path = format!("Patient.identifier[{index}]");
            report.push(Issue::warning(IssueType::Incomplete, "MRG-H", path, reason));
        }
    }
}

/// CX.5 of each repetition that a Patient's identifiers are written as, the logical id last.
fn types<'a>(patient: &'a Patient<'_>, site: &'a Site) -> impl Iterator<Item = &'a str> {
    let unknown = if site.rules.identifier_type_required { "U" } else { "" };
    let mut seen = HashSet::new();
    let sent = patient.identifier.iter().filter(|identifier| identifier.value.is_some());
    let sent = sent.filter(move |identifier| seen.insert(identifier::key(identifier, site)));
    let types = sent.map(move |identifier| identifier::cx_type(identifier, site).unwrap_or(unknown));
    types.chain(patient.id.as_ref().map(|_| site.config.logical_id.type_code.as_str()))
}

/// The two PID segments of an A24 or A37.
pub(crate) fn write_link(out: &mut Writer, patient: &Patient<'_>, other: &Other<'_>, site: &Site) {
    for (set_id, patient) in [(1, patient), (2, &other.patient)] {
        out.nth_segment("PID", set_id);
        pid::identity(out, patient, set_id, site, &mut Report::default());
    }
}
