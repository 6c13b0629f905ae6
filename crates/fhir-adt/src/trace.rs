//! Segments that remember where each of their values came from.

use std::borrow::Cow;

use hl7v2::Location;
use hl7v2::build::{Repetition, SegmentBuilder};

use crate::origins::Origins;

/// Where one value of a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The place in the message.
    pub location: Location,
    /// FHIRPath of the element in the source; empty for a value that comes from the configuration.
    pub expression: String,
    /// The rule that put it there, such as `TEL-5`, or the section of the mapping, such as `4.3`.
    pub rule: &'static str,
}

/// One repetition with the source of each value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traced {
    repetition: Repetition,
    sources: Vec<Source>,
    base: String,
}

#[derive(Clone, Debug)]
struct Source {
    component: usize,
    subcomponent: usize,
    /// Relative to the base; `None` for a value of the configuration.
    element: Option<Cow<'static, str>>,
    rule: &'static str,
}

impl Traced {
    /// An empty repetition whose values come from elements of `base`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), ..Self::default() }
    }

    /// Sets a component; nothing happens for an empty value. `element` is relative to the base.
    pub(crate) fn set(
        &mut self,
        component: usize,
        value: &str,
        element: impl Into<Cow<'static, str>>,
        rule: &'static str,
    ) {
        self.set_sub(component, 1, value, element, rule);
    }

    /// Sets a subcomponent.
    pub(crate) fn set_sub(
        &mut self,
        component: usize,
        subcomponent: usize,
        value: &str,
        element: impl Into<Cow<'static, str>>,
        rule: &'static str,
    ) {
        if !value.is_empty() {
            self.repetition.set_sub(component, subcomponent, value);
            let element = Some(element.into());
            self.sources.push(Source { component, subcomponent, element, rule });
        }
    }

    /// Sets a component that comes from the configuration, not from the Patient.
    pub(crate) fn fixed(&mut self, component: usize, subcomponent: usize, value: &str, rule: &'static str) {
        if !value.is_empty() {
            self.repetition.set_sub(component, subcomponent, value);
            self.sources.push(Source { component, subcomponent, element: None, rule });
        }
    }

    /// True where nothing is valued.
    pub(crate) fn is_empty(&self) -> bool {
        self.repetition.is_empty()
    }

    /// The repetition alone.
    pub(crate) fn repetition(&self) -> &Repetition {
        &self.repetition
    }
}

/// A segment being written, with the source of each value.
#[derive(Clone, Debug)]
pub(crate) struct TracedSegment {
    segment: SegmentBuilder,
    trace: Trace,
}

/// Where the values of one segment came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    segment: &'static str,
    occurrence: usize,
    repetitions: Vec<RepetitionTrace>,
}

#[derive(Clone, Debug)]
struct RepetitionTrace {
    field: usize,
    repetition: usize,
    base: String,
    sources: Vec<Source>,
}

/// Two traces are equal where the values stand in the same places and come from the same elements.
impl PartialEq for RepetitionTrace {
    fn eq(&self, other: &Self) -> bool {
        let key = |trace: &Self| {
            let sources = trace.sources.iter();
            let sources = sources.map(|s| (s.component, s.subcomponent, s.element.clone(), s.rule));
            sources.collect::<Vec<_>>()
        };
        (self.field, self.repetition, &self.base) == (other.field, other.repetition, &other.base)
            && key(self) == key(other)
    }
}

impl Eq for RepetitionTrace {}

impl TracedSegment {
    /// The first, or only, segment of that name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::nth(name, 1)
    }

    /// Segment `occurrence` of that name.
    pub(crate) fn nth(name: &'static str, occurrence: usize) -> Self {
        let trace = Trace { segment: name, occurrence, repetitions: Vec::new() };
        Self { segment: SegmentBuilder::new(name), trace }
    }

    /// Appends a repetition, unless it is empty.
    pub(crate) fn push(&mut self, field: usize, traced: Traced) {
        if traced.is_empty() {
            return;
        }
        let repetition = self.segment.repetitions(field).len() + 1;
        let Traced { repetition: content, sources, base } = traced;
        self.trace.repetitions.push(RepetitionTrace { field, repetition, base, sources });
        self.segment.push(field, content);
    }

    /// Sets a field to one value of an element.
    pub(crate) fn set(&mut self, field: usize, value: &str, expression: &str, rule: &'static str) {
        self.set_from(field, value, expression, Some(Cow::Borrowed("")), rule);
    }

    /// Sets a field that comes from the configuration or the event.
    pub(crate) fn fixed(&mut self, field: usize, value: &str, rule: &'static str) {
        self.set_from(field, value, "", None, rule);
    }

    fn set_from(
        &mut self,
        field: usize,
        value: &str,
        base: &str,
        element: Option<Cow<'static, str>>,
        rule: &'static str,
    ) {
        if !value.is_empty() {
            self.segment.set(field, value);
            let sources = vec![Source { component: 0, subcomponent: 0, element, rule }];
            let trace = RepetitionTrace { field, repetition: 0, base: base.to_owned(), sources };
            self.trace.repetitions.push(trace);
        }
    }

    /// Sets a field to the explicit null.
    pub(crate) fn set_null(&mut self, field: usize) {
        self.segment.set_null(field);
    }

    /// The segment alone.
    pub(crate) fn builder(&self) -> &SegmentBuilder {
        &self.segment
    }

    /// Where its values came from.
    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }
}

impl Trace {
    /// One entry for each value, with the FHIRPath in the source.
    pub(crate) fn provenance<'a>(&'a self, origins: &'a Origins) -> impl Iterator<Item = Provenance> + 'a {
        self.repetitions.iter().flat_map(move |repetition| {
            repetition.sources.iter().map(move |source| {
                let expression = match (repetition.base.as_str(), source.element.as_deref()) {
                    (_, None) => String::new(),
                    ("", Some(element)) => element.to_owned(),
                    (base, Some("")) => base.to_owned(),
                    (base, Some(element)) => format!("{base}.{element}"),
                };
                let location = Location {
                    segment: self.segment,
                    occurrence: self.occurrence,
                    field: repetition.field,
                    repetition: repetition.repetition,
                    component: source.component,
                    subcomponent: if source.subcomponent > 1 { source.subcomponent } else { 0 },
                };
                Provenance { location, expression: origins.source_path(&expression), rule: source.rule }
            })
        })
    }
}
