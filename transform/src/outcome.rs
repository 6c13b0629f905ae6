//! What there is to say beside or instead of a resource: FHIR issues and the OperationOutcome that holds them.

use serde_json::{Value, json};

/// One thing to say. Names places, never values of elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    /// FHIR R4 issue-severity.
    pub(crate) severity: &'static str,
    /// FHIR R4 issue-type.
    pub(crate) code: &'static str,
    /// FHIRPath of the element, empty where none is to blame.
    pub(crate) expression: String,
    /// The text.
    pub(crate) diagnostics: String,
}

impl Issue {
    /// Something to know.
    pub(crate) fn information(text: impl Into<String>) -> Self {
        Self {
            severity: "information",
            code: "informational",
            expression: String::new(),
            diagnostics: text.into(),
        }
    }

    fn to_json(&self) -> Value {
        let mut issue =
            json!({ "severity": self.severity, "code": self.code, "diagnostics": self.diagnostics });
        if !self.expression.is_empty() {
            issue["expression"] = json!([self.expression]);
        }
        issue
    }
}

/// FHIR R4 OperationOutcome. Without issues it says that there is nothing to say, because it must not be empty.
pub(crate) fn operation_outcome(issues: &[Issue]) -> Value {
    let none = [Issue::information("Every element is carried by the message.")];
    let issues = if issues.is_empty() { &none } else { issues };
    let issues: Vec<_> = issues.iter().map(Issue::to_json).collect();
    json!({ "resourceType": "OperationOutcome", "issue": issues })
}
