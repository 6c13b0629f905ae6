//! What the mapping has to say about one Patient or message: a FHIR OperationOutcome.

use std::borrow::Cow;

use serde_json::{Value, json};

/// How bad it is (FHIR R4 issue-severity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// An element without a home in HL7 v2, or a lost detail.
    Information,
    /// The receiver may act wrongly without it, or input was repaired.
    Warning,
    /// Nothing is sent.
    Error,
}

impl Severity {
    /// As FHIR writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What kind of issue (the part of FHIR R4 issue-type that the mapping uses).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueType {
    /// Content that is not valid FHIR.
    Invalid,
    /// JSON of the wrong shape, repaired.
    Structure,
    /// A required element is missing.
    Required,
    /// A value that cannot be used.
    Value,
    /// No home in HL7 v2.
    NotSupported,
    /// A detail is lost.
    Incomplete,
    /// Longer than the version allows.
    TooLong,
    /// A rule of the domain forbids it.
    BusinessRule,
}

impl IssueType {
    /// As FHIR writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::NotSupported => "not-supported",
            Self::Incomplete => "incomplete",
            Self::TooLong => "too-long",
            Self::BusinessRule => "business-rule",
        }
    }
}

/// One finding. Names the place and the rule, never a value: values are patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of issue.
    pub code: IssueType,
    /// FHIRPath of the element in the source, such as `Patient.telecom[1]`; empty where there is none.
    pub expression: String,
    /// The rule that raised it, such as `TEL-8`, or a section of the mapping, such as `10.2`.
    pub rule: &'static str,
    /// Rule, place in HL7 v2 if any, and reason.
    pub diagnostics: Cow<'static, str>,
}

impl Issue {
    /// An issue whose diagnostics are the rule and a reason.
    pub(crate) fn new(
        severity: Severity,
        code: IssueType,
        rule: &'static str,
        expression: impl Into<String>,
        reason: &str,
    ) -> Self {
        Self {
            severity,
            code,
            expression: expression.into(),
            rule,
            diagnostics: format!("{rule}: {reason}").into(),
        }
    }

    pub(crate) fn error(
        code: IssueType,
        rule: &'static str,
        expression: impl Into<String>,
        reason: &str,
    ) -> Self {
        Self::new(Severity::Error, code, rule, expression, reason)
    }

    pub(crate) fn warning(
        code: IssueType,
        rule: &'static str,
        expression: impl Into<String>,
        reason: &str,
    ) -> Self {
        Self::new(Severity::Warning, code, rule, expression, reason)
    }

    fn to_json(&self) -> Value {
        let mut issue = json!({
            "severity": self.severity.as_str(),
            "code": self.code.as_str(),
            "diagnostics": self.diagnostics,
        });
        if !self.expression.is_empty()
            && let Some(members) = issue.as_object_mut()
        {
            members.insert("expression".to_owned(), json!([self.expression]));
        }
        issue
    }
}

/// All findings of one conversion, in the order: input, rules, losses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub issues: Vec<Issue>,
}

impl Report {
    /// True where nothing was lost, repaired or refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issues.is_empty()
    }

    /// True where an issue forbids sending.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.issues.iter().any(|issue| issue.severity == Severity::Error)
    }

    /// As a FHIR R4 OperationOutcome. Without findings it holds one `information`, because
    /// `OperationOutcome.issue` must not be empty.
    #[must_use]
    pub fn to_operation_outcome(&self) -> Value {
        let mut issues: Vec<Value> = self.issues.iter().map(Issue::to_json).collect();
        if issues.is_empty() {
            issues.push(json!({
                "severity": "information",
                "code": "informational",
                "diagnostics": "every element was carried",
            }));
        }
        json!({ "resourceType": "OperationOutcome", "issue": issues })
    }

    pub(crate) fn push(&mut self, issue: Issue) {
        self.issues.push(issue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn becomes_an_operation_outcome() {
        let mut report = Report::default();
        assert_eq!(report.to_operation_outcome()["issue"][0]["code"], "informational");
        report.push(Issue::warning(IssueType::NotSupported, "TEL-8", "Patient.telecom[1]", "withheld"));
        let outcome = report.to_operation_outcome();
        assert_eq!(outcome["issue"][0]["severity"], "warning");
        assert_eq!(outcome["issue"][0]["expression"], json!(["Patient.telecom[1]"]));
        assert_eq!(outcome["issue"][0]["diagnostics"], "TEL-8: withheld");
    }
}
