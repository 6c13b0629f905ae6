//! Writing a message in one pass, value by value, in the order in which the values stand on the wire.

use std::fmt;

use crate::Separators;
use crate::escape::Escape;

/// Writes a message straight into its text. Fields, components and subcomponents go upwards; what has no value is not
/// set, and nothing is written for it until a later place has one (trailing empties never appear).
///
/// ```
/// let mut writer = hl7v2::Writer::default();
/// writer.segment("MSH");
/// writer.field(3, "A");
/// writer.segment("PID");
/// writer.repetition(3);
/// writer.value(1, 1, "4|2");
/// writer.value(4, 2, "1.2.3");
/// writer.value(4, 3, "ISO");
/// writer.repetition(3);
/// writer.value(1, 1, "43");
/// assert_eq!(writer.finish(), "MSH|^~\\&|A\rPID|||4\\F\\2^^^&1.2.3&ISO~43\r");
/// ```
///
/// Holds patient data: `Debug` prints the size only.
#[derive(Clone)]
pub struct Writer {
    er7: String,
    separators: Separators,
    escape: Escape,
    /// Where the last value stands.
    at: Position,
    /// Where the next one will.
    next: Next,
}

/// A point to go back to, from [`Writer::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    length: usize,
    at: Position,
    next: Next,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    field: usize,
    /// Repetitions of the field that have a value or a null.
    repetition: usize,
    component: usize,
    subcomponent: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Next {
    segment: &'static str,
    /// The segment's name is written.
    started: bool,
    field: usize,
    /// The next value starts a repetition.
    repetition: bool,
    /// Bit n: field n becomes the explicit null where it has no value.
    nulls: u64,
}

impl Writer {
    /// An empty message with these separators.
    #[must_use]
    pub fn new(separators: Separators) -> Self {
        Self::with_capacity(separators, 2048)
    }

    /// An empty message with these separators, and room for so many bytes.
    pub(crate) fn with_capacity(separators: Separators, bytes: usize) -> Self {
        Self {
            er7: String::with_capacity(bytes),
            separators,
            escape: Escape::new(separators),
            at: Position::default(),
            next: Next::default(),
        }
    }

    /// Starts a segment. It appears with its first value.
    pub fn segment(&mut self, name: &'static str) {
        self.end_segment();
        self.next = Next { segment: name, ..Next::default() };
        self.at = Position::default();
    }

    /// The fields of this segment, as bits 1 to 63, that are written as the explicit null `""` (delete) where they get
    /// no value. The segment appears where there is one.
    pub fn nulls(&mut self, fields: u64) {
        self.next.nulls = fields;
    }

    /// Starts a repetition of a field of this segment: the first, or the next one of the same field.
    pub fn repetition(&mut self, field: usize) {
        debug_assert!(field >= self.at.field, "fields are written in order");
        self.next.field = field;
        self.next.repetition = true;
    }

    /// Sets one subcomponent of the repetition, counted from 1; nothing happens for an empty value.
    pub fn value(&mut self, component: usize, subcomponent: usize, value: &str) {
        if value.is_empty() {
            return;
        }
        self.go_to_repetition();
        debug_assert!(
            (component, subcomponent) >= (self.at.component, self.at.subcomponent),
            "components are written in order"
        );
        if self.at.component < component {
            self.at.subcomponent = 1;
        }
        while self.at.component < component {
            self.er7.push(self.separators.component);
            self.at.component += 1;
        }
        while self.at.subcomponent < subcomponent {
            self.er7.push(self.separators.subcomponent);
            self.at.subcomponent += 1;
        }
        self.escape.push(value, &mut self.er7);
    }

    /// A repetition of one value.
    pub fn field(&mut self, field: usize, value: &str) {
        self.repetition(field);
        self.value(1, 1, value);
    }

    /// A field that is the explicit null.
    pub fn null(&mut self, field: usize) {
        self.repetition(field);
        self.go_to_repetition();
        self.er7.push_str(NULL);
    }

    /// True where the segment has a value or a null.
    #[must_use]
    pub fn has_segment(&self) -> bool {
        self.next.started
    }

    /// How many repetitions of the field that is being written have a value.
    #[must_use]
    pub fn repetitions(&self) -> usize {
        if self.at.field == self.next.field { self.at.repetition } else { 0 }
    }

    /// This point.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { length: self.er7.len(), at: self.at, next: self.next }
    }

    /// What was written since a mark, as it stands in the message; with the delimiters before it.
    #[must_use]
    pub fn since(&self, mark: &Mark) -> &str {
        self.er7.get(mark.length..).unwrap_or_default()
    }

    /// Takes back what was written since a mark of the same segment.
    pub fn rewind(&mut self, mark: &Mark) {
        self.er7.truncate(mark.length);
        self.at = mark.at;
        self.next = mark.next;
    }

    /// The message, segments ended by CR, as far as it is written.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.end_segment();
        self.er7
    }

    fn go_to_repetition(&mut self) {
        self.start();
        while self.at.field < self.next.field {
            self.leave_field();
        }
        if self.next.repetition {
            if self.at.repetition > 0 {
                self.er7.push(self.separators.repetition);
            }
            self.at = Position {
                field: self.at.field,
                repetition: self.at.repetition + 1,
                component: 1,
                subcomponent: 1,
            };
            self.next.repetition = false;
        }
    }

    fn start(&mut self) {
        if self.next.started {
            return;
        }
        self.next.started = true;
        self.er7.push_str(self.next.segment);
        if self.next.segment == "MSH" {
            self.er7.push(self.separators.field);
            let Separators { component, repetition, escape, subcomponent, truncation, .. } = self.separators;
            self.er7.extend([component, repetition, escape, subcomponent]);
            self.er7.extend(truncation);
            self.at.field = 2;
        }
    }

    fn leave_field(&mut self) {
        if self.at.repetition == 0 && self.at.field > 0 && self.is_null(self.at.field) {
            self.er7.push_str(NULL);
        }
        self.er7.push(self.separators.field);
        self.at = Position { field: self.at.field + 1, ..Position::default() };
    }

    fn is_null(&self, field: usize) -> bool {
        field < 64 && self.next.nulls >> field & 1 == 1
    }

    fn end_segment(&mut self) {
        let last_null = 63_usize.saturating_sub(self.next.nulls.leading_zeros() as usize);
        if last_null > self.at.field || last_null == self.at.field && self.at.repetition == 0 && last_null > 0
        {
            self.start();
            while self.at.field < last_null {
                self.leave_field();
            }
            self.er7.push_str(NULL);
        }
        if self.next.started {
            self.er7.push('\r');
        }
        self.next = Next::default();
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new(Separators::default())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("bytes", &self.er7.len()).finish()
    }
}

const NULL: &str = "\"\"";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Repetition, SegmentBuilder, encode};
    use proptest::prelude::*;

    #[test]
    fn esc_7_only_what_has_a_value_appears() {
        let mut writer = Writer::default();
        writer.segment("PID");
        writer.repetition(5);
        writer.value(1, 1, " a ");
        writer.value(3, 1, "");
        writer.repetition(5);
        writer.field(9, "");
        writer.segment("PD1");
        writer.field(1, "");
        assert_eq!(writer.finish(), "PID||||| a \r");
    }

    #[test]
    fn a_field_without_value_becomes_null_where_that_is_asked_for() {
        let mut writer = Writer::default();
        writer.segment("PID");
        writer.nulls(1 << 3 | 1 << 5 | 1 << 7);
        writer.field(1, "1");
        writer.field(5, "a");
        writer.segment("PD1");
        writer.nulls(1 << 4);
        writer.segment("NK1");
        writer.field(1, "1");
        writer.null(2);
        assert_eq!(writer.finish(), "PID|1||\"\"||a||\"\"\rPD1||||\"\"\rNK1|1|\"\"\r");
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace() {
        let mut writer = Writer::default();
        writer.segment("PID");
        writer.field(3, "a");
        let mark = writer.mark();
        writer.repetition(3);
        writer.value(4, 2, "b");
        assert_eq!(writer.since(&mark), "~^^^&b");
        writer.rewind(&mark);
        writer.field(5, "c");
        assert_eq!(writer.finish(), "PID|||a||c\r");
    }

    proptest! {
        /// Written at once or built first, a message is the same.
        #[test]
        fn a_message_is_that_of_the_builder(
            values in proptest::collection::vec((1..9_usize, 1..4_usize, 1..3_usize, any::<String>()), 0..12),
        ) {
            let mut values = values;
            values.sort();
            values.dedup_by_key(|(field, component, subcomponent, _)| (*field, *component, *subcomponent));
            let mut pid = SegmentBuilder::new("PID");
            let mut writer = Writer::default();
            writer.segment("PID");
            for field in values.chunk_by(|a, b| a.0 == b.0) {
                let mut repetition = Repetition::new();
                let number = field.first().map_or(0, |value| value.0);
                writer.repetition(number);
                for (_, component, subcomponent, value) in field {
                    repetition.set_sub(*component, *subcomponent, value.as_str());
                    writer.value(*component, *subcomponent, value);
                }
                pid.push(number, repetition);
            }
            let expected = if pid.is_empty() { String::new() } else { encode([&pid], &Separators::default()) };
            prop_assert_eq!(writer.finish(), expected);
        }
    }
}
