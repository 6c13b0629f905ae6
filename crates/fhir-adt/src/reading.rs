//! What reading one message needs to know, and what it had to say.

use hl7v2::{Component, Field, Message};

use crate::Version;
use crate::date_time::{self, DefaultOffset, TsProblem};
use crate::fhir::Period;
use crate::report::{Issue, IssueType, Report, Severity};
use crate::site::Site;
use crate::version::Rules;

/// One message being read.
pub(crate) struct Reading<'m> {
    pub(crate) site: &'m Site,
    /// MSH-12, as far as it is known.
    pub(crate) version: Version,
    pub(crate) rules: &'static Rules,
    /// PID-3 holds the repetition of the logical id: the message was written by this mapping or its predecessor.
    pub(crate) own: bool,
    /// For times without an offset.
    pub(crate) offset: DefaultOffset,
    issues: std::cell::RefCell<Vec<Issue>>,
}

impl<'m> Reading<'m> {
    pub(crate) fn new(site: &'m Site, message: &Message<'_>) -> Self {
        let header = message.header();
        let version = Version::read(&header.version);
        let offset = DefaultOffset { message: date_time::offset_of(&header.time), zone: site.zone.clone() };
        let own =
            message.segment("PID").is_some_and(|pid| crate::identifier::logical_id(&pid, site).is_some());
        Self { site, version, rules: version.rules(), own, offset, issues: std::cell::RefCell::default() }
    }

    /// The text of a component; null and blank-only foreign values are absent.
    pub(crate) fn text(&self, component: Component<'_>) -> Option<String> {
        self.subtext(component, 1)
    }

    /// The text of a subcomponent.
    pub(crate) fn subtext(&self, component: Component<'_>, subcomponent: usize) -> Option<String> {
        let text = component.subcomponent(subcomponent).text()?;
        (self.own || !text.trim().is_empty()).then(|| text.into_owned())
    }

    /// A TS field as a FHIR dateTime; TS.2 is its precision.
    pub(crate) fn date_time_field(&self, field: Field<'_>, place: &str) -> Option<String> {
        let text = self.text(field.component(1))?;
        self.ts(&text, self.text(field.component(2)).as_deref(), place)
    }

    /// A TS component as a FHIR dateTime; TS.2 is its second subcomponent.
    pub(crate) fn date_time(&self, ts: Component<'_>, place: &str) -> Option<String> {
        let text = self.subtext(ts, 1)?;
        let precision = self.subtext(ts, 2);
        self.ts(&text, precision.as_deref(), place)
    }

    /// A TS as a FHIR dateTime.
    pub(crate) fn ts(&self, text: &str, precision: Option<&str>, place: &str) -> Option<String> {
        match date_time::from_ts(text, precision, &self.offset) {
            Ok((value, None | Some(TsProblem::Invalid))) => Some(value),
            Ok((value, Some(TsProblem::HourDropped))) => {
                self.tell(
                    Severity::Information,
                    IssueType::Incomplete,
                    "4.1",
                    place,
                    "the hour without minutes is lost",
                );
                Some(value)
            }
            Err(_) => {
                self.tell(Severity::Warning, IssueType::Value, "4.1", place, "is not a date of the calendar");
                None
            }
        }
    }

    /// The date part of a DT or TS component.
    pub(crate) fn date(&self, component: Component<'_>, place: &str) -> Option<String> {
        self.date_time(component, place).map(|value| value.split('T').next().unwrap_or_default().to_owned())
    }

    /// A range `start&end` in one component, or two components.
    pub(crate) fn period(
        &self,
        two: [Component<'_>; 2],
        range: Option<Component<'_>>,
        place: &str,
    ) -> Option<Period> {
        let [start, end] = two.map(|component| self.date_time(component, place));
        let from_range = |number| self.subtext(range?, number).and_then(|ts| self.ts(&ts, None, place));
        Period::of(start, end).or_else(|| Period::of(from_range(1), from_range(2)))
    }

    /// Tells something about a place of the message.
    pub(crate) fn tell(
        &self,
        severity: Severity,
        code: IssueType,
        rule: &'static str,
        place: &str,
        reason: &str,
    ) {
        let diagnostics = format!("{rule}: {place}: {reason}");
        let issue = Issue { severity, code, expression: String::new(), rule, diagnostics };
        self.issues.borrow_mut().push(issue);
    }

    /// Tells that a valued place has no home in FHIR.
    pub(crate) fn unread(&self, rule: &'static str, place: &str) {
        self.tell(Severity::Information, IssueType::NotSupported, rule, place, "has no home in FHIR");
    }

    /// What was told.
    pub(crate) fn into_report(self) -> Report {
        Report { issues: self.issues.into_inner() }
    }
}
