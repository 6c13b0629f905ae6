//! The mapping's report in the words of the hook.

use fhir_adt::{Issue as Finding, IssueType, Report, Severity};
use serde_json::Value;

use crate::{
    error::{Fault, Refusal},
    outcome::Issue,
};

/// What forbids sending; elements that R4 does not have do not when `lenient`.
pub(super) fn refusals(report: &Report, lenient: bool) -> Vec<Refusal> {
    let errors = report.issues.iter().filter(|issue| issue.severity == Severity::Error);
    errors.filter(|issue| !lenient || reason(issue) != UNKNOWN).map(refusal).collect()
}

/// What there is to say of a conversion, put into words for the few who ask: `Prefer: return=OperationOutcome`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// Elements that R4 does not have.
    pub(super) ignored: Vec<String>,
    /// What was repaired and what is lost.
    pub(super) report: Report,
}

impl Notes {
    pub(crate) fn issues(&self) -> Vec<Issue> {
        self.ignored.iter().map(|path| ignored(path)).chain(self.report.issues.iter().map(issue)).collect()
    }
}

/// Where the elements stand that R4 does not have; empty where something else is wrong too.
pub(super) fn unknown_elements(report: &Report) -> Vec<String> {
    let errors: Vec<_> = report.issues.iter().filter(|issue| issue.severity == Severity::Error).collect();
    if errors.iter().all(|issue| reason(issue) == UNKNOWN) {
        errors.into_iter().map(|issue| issue.expression.clone()).collect()
    } else {
        Vec::new()
    }
}

/// Says that such an element was ignored.
fn ignored(path: &str) -> Issue {
    Issue {
        severity: "warning",
        code: "structure",
        expression: path.to_owned(),
        diagnostics: format!("{path} is not an R4 element; it is ignored."),
    }
}

/// Takes the element at a path such as `Patient.name[0].foo` out of the resource, with what extends it.
pub(super) fn remove(resource: &mut Value, path: &str) {
    let mut steps: Vec<&str> = path.split('.').skip(1).collect();
    let Some(last) = steps.pop() else { return };
    let mut place = resource;
    for step in steps {
        let (name, indices) = step.split_once('[').unwrap_or((step, ""));
        let Some(member) = place.get_mut(name) else { return };
        place = member;
        for index in indices.split(['[', ']']).filter(|index| !index.is_empty()) {
            let Some(member) = index.parse::<usize>().ok().and_then(|index| place.get_mut(index)) else {
                return;
            };
            place = member;
        }
    }
    if let Some(members) = place.as_object_mut() {
        members.remove(last);
        members.remove(&format!("_{last}"));
    }
}

fn refusal(issue: &Finding) -> Refusal {
    let place = &issue.expression;
    let reason = reason(issue);
    let (fault, text) = match reason {
        UNKNOWN => (Fault::Structure, format!("{place} is not an R4 element.")),
        "must be an array" => (Fault::Structure, format!("{place} must be a list.")),
        "is not a date of the calendar" => (Fault::Value, format!("{place} is not a FHIR date.")),
        "is not a dateTime" => (Fault::Value, format!("{place} is not a FHIR dateTime.")),
        "is not an instant" => (Fault::Value, format!("{place} is not a FHIR instant.")),
        "is not a code of its required value set" => {
            (Fault::Code, format!("{place} is not a code of {}.", value_set(place)))
        }
        _ if reason.starts_with("must be") || reason.contains("wrong shape") => {
            (Fault::Structure, format!("{place} {reason}."))
        }
        _ if issue.rule == "IN-2" => (Fault::Modifier, format!("{place} is not understood.")),
        _ if issue.code == IssueType::BusinessRule => (Fault::Rule, format!("{place}: {reason}.")),
        _ => (Fault::Value, format!("{place} {reason}.")),
    };
    Refusal { fault, expression: place.clone(), text }
}

fn issue(issue: &Finding) -> Issue {
    let place = &issue.expression;
    if issue.severity == Severity::Information && issue.code == IssueType::NotSupported && !place.is_empty() {
        return Issue {
            severity: issue.severity.as_str(),
            code: "informational",
            expression: place.clone(),
            diagnostics: format!("{place} is not carried by the message. {}", issue.diagnostics),
        };
    }
    Issue {
        severity: issue.severity.as_str(),
        code: issue.code.as_str(),
        expression: place.clone(),
        diagnostics: issue.diagnostics.to_string(),
    }
}

/// What the mapping says, without the id of its rule.
fn reason(issue: &Finding) -> &str {
    let rest = issue.diagnostics.strip_prefix(issue.rule).unwrap_or(&issue.diagnostics);
    rest.trim_start_matches(": ")
}

/// The value set of an element of type code, by the end of its path.
fn value_set(path: &str) -> &'static str {
    let bare: String = path.chars().filter(|c| !c.is_ascii_digit() && !"[]".contains(*c)).collect();
    match bare.strip_prefix("Patient.contact.").or_else(|| bare.strip_prefix("Patient.")).unwrap_or(&bare) {
        "gender" => "administrative-gender",
        "link.type" => "link-type",
        "name.use" => "name-use",
        "address.use" => "address-use",
        "address.type" => "address-type",
        "telecom.use" => "contact-point-use",
        "telecom.system" => "contact-point-system",
        "text.status" => "narrative-status",
        path if path.ends_with("identifier.use") => "identifier-use",
        _ => "its required value set",
    }
}

const UNKNOWN: &str = "is not an element of this type";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn removes_what_stands_at_a_path() {
        let mut resource = json!({ "foo": 1, "_foo": {}, "name": [{ "a": 1 }, { "a": 1, "b": 2 }] });
        for path in ["Patient.foo", "Patient.name[1].a", "Patient.name[7].a", "Patient.x.y", "Patient"] {
            remove(&mut resource, path);
        }
        assert_eq!(resource, json!({ "name": [{ "a": 1 }, { "b": 2 }] }));
    }
}
