//! Writing a message, and remembering where each of its values came from where somebody asks.

use std::sync::Arc;

use hl7v2::{Location, Mark, Separators};

use crate::own_fields::OwnFields;
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
    /// What the site decides of fields; most decide nothing.
    own: Option<Box<Own>>,
}

/// The site's own fields, while a message is written.
#[derive(Debug)]
struct Own {
    fields: Arc<OwnFields>,
    /// The segment among them.
    segment: Option<usize>,
    /// Its fields that the mapping does not write, as bits.
    skipped: u64,
    /// How many of its constants are written.
    constants: usize,
    left_out: Vec<LeftOut>,
}

/// An element that was not written, because the site leaves out its field.
#[derive(Debug)]
pub(crate) struct LeftOut {
    pub(crate) expression: String,
    pub(crate) segment: &'static str,
    pub(crate) field: usize,
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
        Self { er7, segment: "", occurrence: 0, provenance: traced.then(Vec::new), own: None }
    }

    /// The same, with fields that the site leaves out or fills itself.
    pub(crate) fn with_own(traced: bool, fields: Option<&Arc<OwnFields>>) -> Self {
        let own = fields.map(|fields| {
            let (fields, left_out) = (Arc::clone(fields), Vec::new());
            Box::new(Own { fields, segment: None, skipped: 0, constants: 0, left_out })
        });
        Self { own, ..Self::new(traced) }
    }

    /// Starts the first, or only, segment of that name.
    pub(crate) fn segment(&mut self, name: &'static str) {
        self.nth_segment(name, 1);
    }

    /// Starts segment `occurrence` of that name.
    pub(crate) fn nth_segment(&mut self, name: &'static str, occurrence: usize) {
        self.own_until(usize::MAX);
        self.er7.segment(name);
        (self.segment, self.occurrence) = (name, occurrence);
        if let Some(own) = &mut self.own {
            own.segment = own.fields.find(name);
            own.skipped = own.segment.map_or(0, |segment| own.fields.skipped(segment));
            own.constants = 0;
        }
    }

    /// See [`hl7v2::Writer::nulls`].
    pub(crate) fn nulls(&mut self, fields: u64) {
        self.er7.nulls(fields & !self.own.as_ref().map_or(0, |own| own.skipped));
    }

    /// Starts a repetition of a field, whose values come from elements of `base`.
    pub(crate) fn repetition<'w>(&'w mut self, field: usize, base: Path<'w>) -> Repetition<'w> {
        let is_skipped = self.is_skipped(field);
        if !is_skipped {
            self.er7.repetition(field);
        }
        let start = self.er7.mark();
        Repetition { writer: self, field, base, start, is_skipped }
    }

    /// Sets a field to one value of an element.
    pub(crate) fn set(&mut self, field: usize, value: &str, from: Path<'_>, rule: &'static str) {
        if self.is_skipped(field) {
            return self.leave_out(field, value, || from.to_string());
        }
        self.er7.field(field, value);
        if !value.is_empty() {
            self.remember(field, 0, 0, 0, rule, || from.to_string());
        }
    }

    /// Sets a field that comes from the configuration or the event.
    pub(crate) fn fixed(&mut self, field: usize, value: &str, rule: &'static str) {
        if self.is_skipped(field) {
            return;
        }
        self.er7.field(field, value);
        if !value.is_empty() {
            self.remember(field, 0, 0, 0, rule, String::new);
        }
    }

    /// Sets a field to the explicit null.
    pub(crate) fn null(&mut self, field: usize) {
        if !self.is_skipped(field) {
            self.er7.null(field);
        }
    }

    /// Writes the site's constants that stand before a field; true where the mapping must not write the field itself.
    fn is_skipped(&mut self, field: usize) -> bool {
        let Some(own) = &self.own else { return false };
        let is_skipped = field < 64 && own.skipped >> field & 1 == 1;
        self.own_until(field);
        is_skipped
    }

    /// Writes the constants of the segment up to a field.
    fn own_until(&mut self, field: usize) {
        let Some(own) = &mut self.own else { return };
        let Some(segment) = own.segment else { return };
        let fields = Arc::clone(&own.fields);
        let constants = fields.constants(segment).iter().skip(own.constants);
        let constants: Vec<_> = constants.take_while(|constant| constant.field < field).collect();
        own.constants += constants.len();
        for constant in constants {
            for repetition in &constant.value {
                self.er7.repetition(constant.field);
                for (component, parts) in (1..).zip(repetition) {
                    for (subcomponent, part) in (1..).zip(parts) {
                        self.er7.value(component, subcomponent, part);
                    }
                }
            }
            self.remember(constant.field, 0, 0, 0, "12", String::new);
        }
    }

    fn leave_out(&mut self, field: usize, value: &str, expression: impl FnOnce() -> String) {
        let segment = self.segment;
        if let Some(own) = self.own.as_mut().filter(|_| !value.is_empty()) {
            own.left_out.push(LeftOut { expression: expression(), segment, field });
        }
    }

    /// What was not written because the site leaves it out.
    pub(crate) fn take_left_out(&mut self) -> Vec<LeftOut> {
        self.own.as_mut().map(|own| std::mem::take(&mut own.left_out)).unwrap_or_default()
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
    pub(crate) fn finish(mut self) -> (String, Vec<Provenance>) {
        self.own_until(usize::MAX);
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
    /// The site leaves out the field.
    is_skipped: bool,
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
        if self.is_skipped {
            let from = expression();
            if !from.is_empty() {
                self.writer.leave_out(self.field, value, || from);
            }
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
