//! What reading one message needs to know, and what it had to say.

use std::cell::RefCell;
use std::fmt;

use hl7v2::{Component, Field, Message};

use crate::Version;
use crate::date_time::{self, DefaultOffset, TsProblem};
use crate::fhir::{Period, Str};
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
    pub(crate) offset: DefaultOffset<'m>,
    issues: RefCell<Vec<Issue>>,
}

/// A place of a message, for what is told: `PID-3.4.1`. Numbers count from 1; 0 is not printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'m> {
    segment: &'m str,
    field: usize,
    component: usize,
    subcomponent: usize,
}

impl<'m> Place<'m> {
    /// A segment, or a data type.
    pub(crate) fn segment(segment: &'m str) -> Self {
        Self { segment, field: 0, component: 0, subcomponent: 0 }
    }

    pub(crate) fn field(segment: &'m str, field: usize) -> Self {
        Self { field, ..Self::segment(segment) }
    }

    pub(crate) fn component(self, component: usize) -> Self {
        Self { component, ..self }
    }

    pub(crate) fn subcomponent(self, subcomponent: usize) -> Self {
        Self { subcomponent, ..self }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment)?;
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        for number in [self.component, self.subcomponent].into_iter().filter(|number| *number > 0) {
            write!(f, ".{number}")?;
        }
        Ok(())
    }
}

impl<'m> Reading<'m> {
    pub(crate) fn new(site: &'m Site, message: &'m Message<'_>) -> Self {
        let msh = message.segment("MSH");
        let header = |field: usize| msh.and_then(|msh| msh.field(field).text()).unwrap_or_default();
        let version = Version::read(&header(12));
        let offset = DefaultOffset { message: date_time::offset_of(&header(7)), zone: &site.zone };
        let own =
            message.segment("PID").is_some_and(|pid| crate::identifier::logical_id(&pid, site).is_some());
        Self { site, version, rules: version.rules(), own, offset, issues: RefCell::default() }
    }

    /// The text of a component; null and blank-only foreign values are absent.
    pub(crate) fn text(&self, component: Component<'m>) -> Option<Str<'m>> {
        self.subtext(component, 1)
    }

    /// The text of a subcomponent.
    pub(crate) fn subtext(&self, component: Component<'m>, subcomponent: usize) -> Option<Str<'m>> {
        let text = component.subcomponent(subcomponent).text()?;
        (self.own || !text.trim().is_empty()).then_some(text)
    }

    /// A TS field as a FHIR dateTime; TS.2 is its precision.
    pub(crate) fn date_time_field(&self, field: Field<'m>, place: Place<'_>) -> Option<String> {
        let text = self.text(field.component(1))?;
        self.ts(&text, self.text(field.component(2)).as_deref(), place)
    }

    /// A TS component as a FHIR dateTime; TS.2 is its second subcomponent.
    pub(crate) fn date_time(&self, ts: Component<'m>, place: Place<'_>) -> Option<String> {
        let text = self.subtext(ts, 1)?;
        let precision = self.subtext(ts, 2);
        self.ts(&text, precision.as_deref(), place)
    }

    /// A TS as a FHIR dateTime.
    pub(crate) fn ts(&self, text: &str, precision: Option<&str>, place: Place<'_>) -> Option<String> {
        match date_time::from_ts(text, precision, &self.offset) {
            Ok((value, None | Some(TsProblem::Invalid))) => Some(value),
            Ok((value, Some(TsProblem::HourDropped))) => {
                let reason = "the hour without minutes is lost";
                self.tell(Severity::Information, IssueType::Incomplete, "4.1", place, reason);
                Some(value)
            }
            Err(_) => {
                self.tell(Severity::Warning, IssueType::Value, "4.1", place, "is not a date of the calendar");
                None
            }
        }
    }

    /// The date part of a DT or TS component.
    pub(crate) fn date(&self, component: Component<'m>, place: Place<'_>) -> Option<Str<'m>> {
        self.date_time(component, place).map(|value| date_time::date_of(value).into())
    }

    /// A range `start&end` in one component, or two components.
    pub(crate) fn period(
        &self,
        two: [Component<'m>; 2],
        range: Option<Component<'m>>,
        place: Place<'_>,
    ) -> Option<Period<'m>> {
        let [start, end] = two.map(|component| self.date_time(component, place).map(Str::Owned));
        let from_range =
            |number| self.subtext(range?, number).and_then(|ts| self.ts(&ts, None, place)).map(Str::Owned);
        Period::of(start, end).or_else(|| Period::of(from_range(1), from_range(2)))
    }

    /// Tells something about a place of the message.
    pub(crate) fn tell(
        &self,
        severity: Severity,
        code: IssueType,
        rule: &'static str,
        place: Place<'_>,
        reason: &str,
    ) {
        let diagnostics = format!("{rule}: {place}: {reason}").into();
        let issue = Issue { severity, code, expression: String::new(), rule, diagnostics };
        self.issues.borrow_mut().push(issue);
    }

    /// Tells that a valued place has no home in FHIR.
    pub(crate) fn unread(&self, rule: &'static str, place: Place<'_>) {
        self.tell(Severity::Information, IssueType::NotSupported, rule, place, "has no home in FHIR");
    }

    /// What was told.
    pub(crate) fn into_report(self) -> Report {
        Report { issues: self.issues.into_inner() }
    }
}
