//! Segments that remember where each of their values came from.

use hl7v2::Location;
use hl7v2::build::{Repetition, SegmentBuilder};

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
    expression: String,
    rule: &'static str,
}

impl Traced {
    /// An empty repetition whose values come from elements of `base`.
    pub(crate) fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), ..Self::default() }
    }

    /// Sets a component; nothing happens for an empty value. `element` is relative to the base.
    pub(crate) fn set(&mut self, component: usize, value: &str, element: &str, rule: &'static str) {
        self.set_sub(component, 1, value, element, rule);
    }

    /// Sets a subcomponent.
    pub(crate) fn set_sub(
        &mut self,
        component: usize,
        subcomponent: usize,
        value: &str,
        element: &str,
        rule: &'static str,
    ) {
        if value.is_empty() {
            return;
        }
        let expression = match (self.base.as_str(), element) {
            ("", element) => element.to_owned(),
            (base, "") => base.to_owned(),
            (base, element) => format!("{base}.{element}"),
        };
        self.repetition.set_sub(component, subcomponent, value);
        self.sources.push(Source { component, subcomponent, expression, rule });
    }

    /// Sets a component that comes from the configuration, not from the Patient.
    pub(crate) fn fixed(&mut self, component: usize, subcomponent: usize, value: &str, rule: &'static str) {
        if !value.is_empty() {
            self.repetition.set_sub(component, subcomponent, value);
            self.sources.push(Source { component, subcomponent, expression: String::new(), rule });
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
    occurrence: usize,
    provenance: Vec<Provenance>,
}

impl TracedSegment {
    /// The first, or only, segment of that name.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::nth(name, 1)
    }

    /// Segment `occurrence` of that name.
    pub(crate) fn nth(name: &'static str, occurrence: usize) -> Self {
        Self { segment: SegmentBuilder::new(name), occurrence, provenance: Vec::new() }
    }

    /// Appends a repetition, unless it is empty.
    pub(crate) fn push(&mut self, field: usize, traced: Traced) {
        if traced.is_empty() {
            return;
        }
        let repetition = self.segment.repetitions(field).len() + 1;
        for source in traced.sources {
            self.provenance.push(Provenance {
                location: Location {
                    segment: self.segment.name(),
                    occurrence: self.occurrence,
                    field,
                    repetition,
                    component: source.component,
                    subcomponent: if source.subcomponent > 1 { source.subcomponent } else { 0 },
                },
                expression: source.expression,
                rule: source.rule,
            });
        }
        self.segment.push(field, traced.repetition);
    }

    /// Sets a field to one value of an element.
    pub(crate) fn set(&mut self, field: usize, value: &str, expression: &str, rule: &'static str) {
        if !value.is_empty() {
            self.segment.set(field, value);
            let location =
                Location { occurrence: self.occurrence, ..Location::field(self.segment.name(), field) };
            self.provenance.push(Provenance { location, expression: expression.to_owned(), rule });
        }
    }

    /// Sets a field that comes from the configuration or the event.
    pub(crate) fn fixed(&mut self, field: usize, value: &str, rule: &'static str) {
        self.set(field, value, "", rule);
    }

    /// Sets a field to the explicit null.
    pub(crate) fn set_null(&mut self, field: usize) {
        self.segment.set_null(field);
    }

    /// The segment alone.
    pub(crate) fn builder(&self) -> &SegmentBuilder {
        &self.segment
    }

    /// Its parts.
    pub(crate) fn into_parts(self) -> (SegmentBuilder, Vec<Provenance>) {
        (self.segment, self.provenance)
    }
}
