//! Writing a message, and remembering where each of its values came from where somebody asks.

use hl7v2::{Location, Mark, Separators};

use crate::path::Path;

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

/// A message being written. Values go in the order of the message ([`hl7v2::Writer`]).
#[derive(Debug)]
pub(crate) struct Writer {
    er7: hl7v2::Writer,
    segment: &'static str,
    occurrence: usize,
    provenance: Option<Vec<Provenance>>,
}

/// An element of what a repetition is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    coding: Option<usize>,
    member: &'static str,
}

impl From<&'static str> for Element {
    fn from(member: &'static str) -> Self {
        Self { coding: None, member }
    }
}

/// A member of `coding[index]`.
impl From<(usize, &'static str)> for Element {
    fn from((index, member): (usize, &'static str)) -> Self {
        Self { coding: Some(index), member }
    }
}

impl Writer {
    /// An empty message, which remembers where its values come from where `traced`.
    pub(crate) fn new(traced: bool) -> Self {
        let er7 = hl7v2::Writer::new(Separators::default());
        Self { er7, segment: "", occurrence: 0, provenance: traced.then(Vec::new) }
    }

    /// Starts the first, or only, segment of that name.
    pub(crate) fn segment(&mut self, name: &'static str) {
        self.nth_segment(name, 1);
    }

    /// Starts segment `occurrence` of that name.
    pub(crate) fn nth_segment(&mut self, name: &'static str, occurrence: usize) {
        self.er7.segment(name);
        (self.segment, self.occurrence) = (name, occurrence);
    }

    /// See [`hl7v2::Writer::nulls`].
    pub(crate) fn nulls(&mut self, fields: u64) {
        self.er7.nulls(fields);
    }

    /// Starts a repetition of a field, whose values come from elements of `base`.
    pub(crate) fn repetition<'w>(&'w mut self, field: usize, base: Path<'w>) -> Repetition<'w> {
        self.er7.repetition(field);
        let start = self.er7.mark();
        Repetition { writer: self, field, base, start }
    }

    /// Sets a field to one value of an element.
    pub(crate) fn set(&mut self, field: usize, value: &str, from: Path<'_>, rule: &'static str) {
        self.er7.field(field, value);
        if !value.is_empty() {
            self.remember(field, 0, 0, 0, rule, || from.to_string());
        }
    }

    /// Sets a field that comes from the configuration or the event.
    pub(crate) fn fixed(&mut self, field: usize, value: &str, rule: &'static str) {
        self.er7.field(field, value);
        if !value.is_empty() {
            self.remember(field, 0, 0, 0, rule, String::new);
        }
    }

    /// Sets a field to the explicit null.
    pub(crate) fn null(&mut self, field: usize) {
        self.er7.null(field);
    }

    /// This point of the segment.
    pub(crate) fn mark(&self) -> Mark {
        self.er7.mark()
    }

    /// True where something was written since a mark.
    pub(crate) fn has_more_than(&self, mark: &Mark) -> bool {
        !self.er7.since(mark).is_empty()
    }

    /// Takes back the segment, to a mark at its start.
    pub(crate) fn rewind(&mut self, mark: &Mark) {
        self.er7.rewind(mark);
        let (segment, occurrence) = (self.segment, self.occurrence);
        if let Some(provenance) = &mut self.provenance {
            provenance
                .retain(|value| (value.location.segment, value.location.occurrence) != (segment, occurrence));
        }
    }

    /// The message and, where it was traced, where its values came from.
    pub(crate) fn finish(self) -> (String, Vec<Provenance>) {
        (self.er7.finish(), self.provenance.unwrap_or_default())
    }

    fn remember(
        &mut self,
        field: usize,
        repetition: usize,
        component: usize,
        subcomponent: usize,
        rule: &'static str,
        expression: impl FnOnce() -> String,
    ) {
        let Some(provenance) = &mut self.provenance else { return };
        let (segment, occurrence) = (self.segment, self.occurrence);
        let subcomponent = if subcomponent > 1 { subcomponent } else { 0 };
        let location = Location { segment, occurrence, field, repetition, component, subcomponent };
        provenance.push(Provenance { location, expression: expression(), rule });
    }
}

/// One repetition being written; it appears with its first value.
#[derive(Debug)]
pub(crate) struct Repetition<'w> {
    writer: &'w mut Writer,
    field: usize,
    base: Path<'w>,
    start: Mark,
}

impl Repetition<'_> {
    /// Sets a component; nothing happens for an empty value. `element` is relative to the base.
    pub(crate) fn set(
        &mut self,
        component: usize,
        value: &str,
        element: impl Into<Element>,
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
        element: impl Into<Element>,
        rule: &'static str,
    ) {
        let (element, base) = (element.into(), self.base);
        self.write(component, subcomponent, value, rule, || element.of(base));
    }

    /// Sets a component that comes from the configuration, not from the Patient.
    pub(crate) fn fixed(&mut self, component: usize, subcomponent: usize, value: &str, rule: &'static str) {
        self.write(component, subcomponent, value, rule, String::new);
    }

    /// True where nothing is valued.
    pub(crate) fn is_empty(&self) -> bool {
        self.written().is_empty()
    }

    /// What stands in the message for it, with the delimiters before it.
    pub(crate) fn written(&self) -> &str {
        self.writer.er7.since(&self.start)
    }

    fn write(
        &mut self,
        component: usize,
        subcomponent: usize,
        value: &str,
        rule: &'static str,
        expression: impl FnOnce() -> String,
    ) {
        if value.is_empty() {
            return;
        }
        self.writer.er7.value(component, subcomponent, value);
        let repetition = self.writer.er7.repetitions();
        self.writer.remember(self.field, repetition, component, subcomponent, rule, expression);
    }
}

impl Element {
    /// The FHIRPath of the element of a base.
    fn of(self, base: Path<'_>) -> String {
        let mut expression = base.to_string();
        if let Some(index) = self.coding {
            expression.push_str(&format!(".coding[{index}]"));
        }
        if !self.member.is_empty() {
            expression.push('.');
            expression.push_str(self.member);
        }
        expression
    }
}
