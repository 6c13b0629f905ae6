//! What was found, and how it is told.

use std::fmt::Write as _;

use serde_json::json;

use crate::{errors::Entry, exit::Code};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    Ok,
    Warning,
    Failed,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    /// What was looked at, in one word.
    check: &'static str,
    severity: Severity,
    found: String,
    why: Option<String>,
    fix: Option<String>,
    code: Option<&'static str>,
}

impl Finding {
    fn new(check: &'static str, severity: Severity, found: impl Into<String>) -> Self {
        Self { check, severity, found: found.into(), why: None, fix: None, code: None }
    }

    pub(super) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Ok, found)
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, found)
    }

    pub(super) fn failed(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Severity::Failed, found)
    }

    /// What speaks for it.
    #[must_use]
    pub(super) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// What to do.
    #[must_use]
    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Causes and remedies as `adt-bridge errors` tells them, where nothing more particular was said.
    #[must_use]
    pub(super) fn explained(mut self, entry: &Entry) -> Self {
        self.code = Some(entry.code);
        self.why.get_or_insert_with(|| entry.causes.join("; "));
        self.fix.get_or_insert_with(|| entry.remedies.join("; "));
        self
    }
}

/// Everything that was looked at, in that order.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn worst(&self) -> Severity {
        self.0.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
    }

    /// What the command ends with.
    pub(super) fn code(&self, strict: bool) -> Option<Code> {
        match self.worst() {
            Severity::Failed => Some(Code::DoctorFailed),
            Severity::Warning if strict => Some(Code::DoctorWarned),
            Severity::Warning | Severity::Ok => None,
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn as_text(&self) -> String {
        let mut text = String::new();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            // Writing to a String does not fail.
            writeln!(text, "{arguments}").ok();
        };
        for Finding { check, severity, found, why, fix, code } in &self.0 {
            line(format_args!("{:<8} {check:<13} {found}", severity.as_str()));
            for (name, what) in [("why", why), ("fix", fix)] {
                if let Some(what) = what {
                    line(format_args!("{:23}{name}: {what}", ""));
                }
            }
            if let Some(code) = code {
                line(format_args!("{:23}more: adt-bridge errors {code}", ""));
            }
        }
        let [ok, warned, failed] =
            [Severity::Ok, Severity::Warning, Severity::Failed].map(|of| self.count(of));
        line(format_args!("\n{ok} ok, {warned} warned, {failed} failed"));
        text
    }

    pub(super) fn as_json(&self, role: &str) -> serde_json::Value {
        let findings = self.0.iter().map(|finding| {
            json!({
                "check": finding.check,
                "severity": finding.severity.as_str(),
                "found": finding.found,
                "why": finding.why,
                "fix": finding.fix,
                "code": finding.code,
            })
        });
        json!({
            "role": role,
            "ok": self.count(Severity::Ok),
            "warned": self.count(Severity::Warning),
            "failed": self.count(Severity::Failed),
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}
