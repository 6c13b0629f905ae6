//! From a difference to an issue: how bad it is, and why it is so (mapping section 10.2).
//!
//! What is lost is computed by comparing; this table only gives the words.

use std::borrow::Cow;

use serde_json::Value;

use crate::compare::{Action, Difference};
use crate::config::CharsetName;
use crate::path::Path;
use crate::report::{Issue, IssueType, Severity};
use crate::site::Site;

/// Why something is lost.
#[derive(Debug)]
pub(crate) struct Reason {
    /// The element, without indexes, at the end of a FHIRPath.
    element: &'static str,
    rule: &'static str,
    /// The rule and the words.
    diagnostics: &'static str,
}

macro_rules! reasons {
    ($(($element:literal, $rule:literal, $words:literal),)+) => {
        &[$(Reason { element: $element, rule: $rule, diagnostics: concat!($rule, ": ", $words) },)+]
    };
}

/// The first match counts.
const REASONS: &[Reason] = reasons![
    ("Patient.active", "10.2", "HL7 v2 has no place for it"),
    ("Patient.text", "10.2", "the narrative is not sent"),
    ("Patient.language", "10.2", "HL7 v2 has no place for the language of the resource"),
    ("Patient.contained", "10.2", "contained resources are not sent; their identifiers and names are"),
    ("Patient.photo", "10.2", "HL7 v2 has no place for it"),
    ("Patient.managingOrganization", "10.2", "HL7 v2 has no place for it"),
    ("Patient.link", "2.1", "no event is sent for this link"),
    ("Patient.meta.lastUpdated", "3.1", "PID-33 has four digits of fraction, and exists from 2.4"),
    ("Patient.meta.security", "10.2", "the privacy label is not carried"),
    ("meta", "10.2", "HL7 v2 has no place for it"),
    ("identifier.use", "6.1", "CX has no place for it"),
    ("identifier.type.text", "6.1", "CX.5 is a code"),
    ("identifier.type.coding", "6.1", "CX.5 takes one code of table 0203, or a short one without system"),
    ("identifier.type", "6.1", "CX.5 takes one code of table 0203, or a short one without system"),
    ("identifier.assigner", "6.1", "CX.10 takes an identifier and a name, from 2.5"),
    ("identifier.assigner.reference", "6.1", "CX.10 takes an identifier and a name"),
    ("identifier.period", "6.1", "CX.7 and CX.8 are dates, from 2.4"),
    ("identifier.period.start", "6.1", "CX.7 is a date"),
    ("identifier.period.end", "6.1", "CX.8 is a date"),
    ("identifier.system", "6.2", "the assigning authority reads back as another system"),
    ("identifier", "6.1", "an identifier without value, or a repeated one, is not sent"),
    ("name.text", "4.3", "XPN has no place for it beside the parts"),
    ("name.use", "NM-4", "table 0200 has no code for it in this version"),
    ("name.given", "NM-1", "further given names are split at blanks"),
    ("name.prefix", "NM-1", "split at blanks"),
    ("name.suffix", "NM-1", "split at blanks and commas"),
    ("name.period", "4.3", "XPN has no place for a period in this version"),
    ("name", "NM-3", "a name without parts is not sent"),
    ("telecom.rank", "TEL-10", "XTN.18 exists from 2.6"),
    ("telecom.period", "TEL-10", "XTN.13 and XTN.14 exist from 2.6"),
    ("telecom.use", "TEL-9", "table 0201 has no code for it in this version"),
    ("telecom.system", "TEL-3", "table 0202 has no code for it in this version"),
    ("telecom", "TEL-11", "a contact point without value is not sent"),
    ("address.line", "4.4", "XAD has two lines; further ones are joined with the second"),
    ("address.text", "4.4", "XAD has no place for it beside the parts"),
    ("address.type", "4.4", "XAD.7 takes one code; XAD.18 exists from 2.7"),
    ("address.use", "4.4", "table 0190 has no code for it in this version"),
    ("address.period", "4.4", "XAD has no place for a period in this version"),
    ("communication.preferred", "5.1", "PID-15 has no place for it"),
    ("communication", "5.1", "PID-15 takes one language"),
    ("coding.version", "CD-6", "the field has no place for it in this version"),
    ("coding.userSelected", "CD-6", "the field has no place for it"),
    ("coding.display", "CD-2", "two codings and a text share the places of two displays"),
    ("coding", "CD-6", "the field has no further place for a coding"),
    ("contact.relationship", "5.2", "NK1-3 and NK1-7 take one each"),
    ("contact.period.start", "5.2", "NK1-8 is a date"),
    ("contact.period.end", "5.2", "NK1-9 is a date"),
    ("contact", "5.2", "a contact with nothing to send is not sent"),
    (
        "Patient.generalPractitioner",
        "4.6",
        "PD1-4 is withdrawn from 2.7; a reference without identifier and name is not sent"
    ),
    ("generalPractitioner.reference", "4.6", "the identifier is sent instead"),
    ("birthDate.extension", "5.1", "only a birth time on the birth date has a place"),
    ("extension", "5.1", "the extension has no place in this version"),
    // Any other element that is missing, changed, or there in addition.
    ("+", "10.2", "HL7 v2 has no place for it"),
    ("~", "10.1", "reads back changed"),
    ("-", "10.1", "reads back with more than was given"),
];

/// The reason for that row of the table, found at compile time.
pub(crate) const fn reason(element: &str) -> &'static Reason {
    let mut row = 0;
    while row < REASONS.len() {
        if is_equal(REASONS[row].element, element) {
            return &REASONS[row];
        }
        row += 1;
    }
    panic!("the table has no such row")
}

const fn is_equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The issue for an element that is known to be lost.
pub(crate) fn lost(reason: &'static Reason, code: IssueType, path: &Path<'_>) -> Issue {
    Issue {
        severity: Severity::Information,
        code,
        expression: path.expression(),
        rule: reason.rule,
        diagnostics: Cow::Borrowed(reason.diagnostics),
    }
}

/// Rule and words for a record that is not active, where no event says so.
pub(crate) const INACTIVE: Danger =
    ("10.2", "HL7 v2 has no place for it: the receiver will take the record for an active one");

/// Rule and words for a link without an event.
pub(crate) const LINK: Danger = ("2.1", "no event is sent for this link");

/// A loss after which a receiver may act wrongly.
pub(crate) type Danger = (&'static str, &'static str);

/// The issue for such a loss.
pub(crate) fn danger((rule, reason): Danger, path: &Path<'_>) -> Issue {
    Issue::warning(IssueType::NotSupported, rule, path.expression(), reason)
}

/// The issue for an element whose field the site leaves out.
pub(crate) fn left_out(segment: &str, field: usize, path: &str) -> Issue {
    let reason = format!("{segment}-{field} is left out by the configuration");
    Issue::new(Severity::Information, IssueType::NotSupported, "12", path, &reason)
}

/// Elements that are lost as a detail of what is sent in their place.
const DETAILS: [&str; 2] = ["generalPractitioner.reference", "coding.display"];

/// The issue that tells a difference.
pub(crate) fn issue(difference: &Difference<'_>, source_path: &str, site: &Site) -> Issue {
    let plain = without_indexes(&difference.expression);
    if let Some(issue) = warning(&plain, difference, source_path) {
        return issue;
    }
    let code = match difference.action {
        Action::Add if DETAILS.iter().any(|element| plain.ends_with(element)) => IssueType::Incomplete,
        Action::Add => IssueType::NotSupported,
        Action::Replace | Action::Remove => IssueType::Incomplete,
    };
    let replaced = site.config.charset != CharsetName::Utf8
        && matches!(difference.base, Some(Value::String(text)) if text.contains('?'));
    if replaced {
        let reason = "the message's character set lacks a character; it became a question mark";
        return Issue::new(Severity::Information, IssueType::Incomplete, "ESC-6", source_path, reason);
    }
    let found = REASONS.iter().find(|reason| {
        plain.strip_suffix(reason.element).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    });
    let reason = found.unwrap_or(match difference.action {
        Action::Add => const { reason("+") },
        Action::Replace => const { reason("~") },
        Action::Remove => const { reason("-") },
    });
    Issue {
        severity: Severity::Information,
        code,
        expression: source_path.to_owned(),
        rule: reason.rule,
        diagnostics: Cow::Borrowed(reason.diagnostics),
    }
}

/// The losses after which a receiver may act wrongly.
fn warning(plain: &str, difference: &Difference<'_>, source_path: &str) -> Option<Issue> {
    let value = difference.value;
    let member = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_str);
    let (rule, reason) = match plain {
        "Patient.active" if value == Some(&Value::Bool(false)) => INACTIVE,
        "Patient.link" => LINK,
        "Patient.telecom" | "Patient.contact.telecom"
            if difference.action == Action::Add && member("use") == Some("old") =>
        {
            ("TEL-8", "an old number is withheld, because HL7 v2 before 2.7 cannot mark it as old")
        }
        "Patient.meta.security" if matches!(member("code"), Some("R" | "V")) => {
            ("10.2", "the privacy label is not carried")
        }
        _ => return None,
    };
    Some(Issue::warning(IssueType::NotSupported, rule, source_path, reason))
}

fn without_indexes(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}
