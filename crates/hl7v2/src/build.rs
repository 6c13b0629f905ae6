//! Writing: segments are filled by number and encoded once.
//!
//! ```
//! use hl7v2::build::{Repetition, SegmentBuilder, encode};
//! let mut pid = SegmentBuilder::new("PID");
//! pid.set(1, "1");
//! pid.push(3, Repetition::new().with(1, "4|2").with_sub(4, 2, "1.2.3").with_sub(4, 3, "ISO"));
//! let er7 = encode(&[SegmentBuilder::new("MSH"), pid], &hl7v2::Separators::default());
//! assert_eq!(er7, "MSH|^~\\&\rPID|1||4\\F\\2^^^&1.2.3&ISO\r");
//! ```

use std::fmt;

use crate::{Separators, escape};

/// One repetition of a field: components of subcomponents, counted from 1. Empty text is the same as none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Repetition {
    components: Vec<Vec<String>>,
}

impl Repetition {
    /// An empty repetition.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A repetition with a value in its first component.
    #[must_use]
    pub fn of(value: impl Into<String>) -> Self {
        Self::new().with(1, value)
    }

    /// Sets subcomponent 1 of `component`.
    pub fn set(&mut self, component: usize, value: impl Into<String>) {
        self.set_sub(component, 1, value);
    }

    /// Sets one subcomponent. Numbers count from 1; 0 is taken as 1.
    pub fn set_sub(&mut self, component: usize, subcomponent: usize, value: impl Into<String>) {
        let subcomponents = at(&mut self.components, component);
        *at(subcomponents, subcomponent) = value.into();
    }

    /// As [`Repetition::set`], for chaining.
    #[must_use]
    pub fn with(mut self, component: usize, value: impl Into<String>) -> Self {
        self.set(component, value);
        self
    }

    /// As [`Repetition::set_sub`], for chaining.
    #[must_use]
    pub fn with_sub(mut self, component: usize, subcomponent: usize, value: impl Into<String>) -> Self {
        self.set_sub(component, subcomponent, value);
        self
    }

    /// The value of one subcomponent as set, empty where none was.
    #[must_use]
    pub fn value(&self, component: usize, subcomponent: usize) -> &str {
        let value = component.checked_sub(1).and_then(|c| self.components.get(c)).and_then(|subcomponents| {
            subcomponent.checked_sub(1).and_then(|s| subcomponents.get(s)).map(String::as_str)
        });
        value.unwrap_or_default()
    }

    /// True where no subcomponent has text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.components.iter().flatten().all(String::is_empty)
    }

    /// Every subcomponent that has text, as (component, subcomponent, value).
    pub fn values(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.components.iter().enumerate().flat_map(|(c, subcomponents)| {
            let valued = subcomponents.iter().enumerate().filter(|(_, value)| !value.is_empty());
            valued.map(move |(s, value)| (c + 1, s + 1, value.as_str()))
        })
    }

    /// The repetition as it will stand in a message with these separators.
    #[must_use]
    pub fn encode(&self, separators: &Separators) -> String {
        let mut out = String::new();
        self.write(separators, &mut out);
        out
    }

    fn write(&self, separators: &Separators, out: &mut String) {
        let used =
            self.components.iter().rposition(|s| s.iter().any(|v| !v.is_empty())).map_or(0, |last| last + 1);
        for (index, subcomponents) in self.components.iter().take(used).enumerate() {
            if index > 0 {
                out.push(separators.component);
            }
            let used = subcomponents.iter().rposition(|value| !value.is_empty()).map_or(0, |last| last + 1);
            for (index, value) in subcomponents.iter().take(used).enumerate() {
                if index > 0 {
                    out.push(separators.subcomponent);
                }
                escape(value, separators, out);
            }
        }
    }
}

impl fmt::Debug for Repetition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repetition").field("components", &self.components.len()).finish()
    }
}

/// What a field holds.
#[derive(Clone, Default, PartialEq, Eq)]
enum FieldContent {
    #[default]
    Empty,
    Null,
    Repetitions(Vec<Repetition>),
}

/// A segment to be written. MSH-1 and MSH-2 are written by [`encode`]; do not set them.
#[derive(Clone, PartialEq, Eq)]
pub struct SegmentBuilder {
    name: &'static str,
    fields: Vec<FieldContent>,
}

impl SegmentBuilder {
    /// An empty segment.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, fields: Vec::new() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Sets a field to one plain value.
    pub fn set(&mut self, field: usize, value: impl Into<String>) {
        *at(&mut self.fields, field) = FieldContent::Repetitions(vec![Repetition::of(value)]);
    }

    /// Appends a repetition to a field.
    pub fn push(&mut self, field: usize, repetition: Repetition) {
        let content = at(&mut self.fields, field);
        match content {
            FieldContent::Repetitions(repetitions) => repetitions.push(repetition),
            FieldContent::Empty | FieldContent::Null => {
                *content = FieldContent::Repetitions(vec![repetition])
            }
        }
    }

    /// Sets a field to the explicit null `""` (delete).
    pub fn set_null(&mut self, field: usize) {
        *at(&mut self.fields, field) = FieldContent::Null;
    }

    /// The repetitions of a field as set.
    #[must_use]
    pub fn repetitions(&self, field: usize) -> &[Repetition] {
        match field.checked_sub(1).and_then(|index| self.fields.get(index)) {
            Some(FieldContent::Repetitions(repetitions)) => repetitions,
            Some(FieldContent::Empty | FieldContent::Null) | None => &[],
        }
    }

    /// True where the field was set to null.
    #[must_use]
    pub fn is_null(&self, field: usize) -> bool {
        matches!(field.checked_sub(1).and_then(|index| self.fields.get(index)), Some(FieldContent::Null))
    }

    /// True where the field has neither a value nor a null.
    #[must_use]
    pub fn is_field_empty(&self, field: usize) -> bool {
        !self.is_null(field) && self.repetitions(field).iter().all(Repetition::is_empty)
    }

    /// True where no field has a value or a null.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (1..=self.fields.len()).all(|field| self.is_field_empty(field))
    }

    fn write(&self, separators: &Separators, out: &mut String) {
        out.push_str(self.name);
        let used = (1..=self.fields.len()).rev().find(|&field| !self.is_field_empty(field)).unwrap_or(0);
        let first = if self.name == "MSH" {
            out.push(separators.field);
            out.push_str(&separators.encoding_characters());
            3
        } else {
            1
        };
        for field in first..=used {
            out.push(separators.field);
            if self.is_null(field) {
                out.push_str("\"\"");
            }
            let repetitions = self.repetitions(field);
            let used = repetitions.iter().rposition(|r| !r.is_empty()).map_or(0, |last| last + 1);
            for (index, repetition) in repetitions.iter().take(used).enumerate() {
                if index > 0 {
                    out.push(separators.repetition);
                }
                repetition.write(separators, out);
            }
        }
        out.push('\r');
    }
}

impl fmt::Debug for SegmentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentBuilder")
            .field("name", &self.name)
            .field("fields", &self.fields.len())
            .finish()
    }
}

/// Writes segments in ER7, each ended by CR. Trailing empty fields, repetitions, components and subcomponents
/// are left out; values are escaped.
#[must_use]
pub fn encode<'a>(segments: impl IntoIterator<Item = &'a SegmentBuilder>, separators: &Separators) -> String {
    let mut out = String::with_capacity(1024);
    for segment in segments {
        segment.write(separators, &mut out);
    }
    out
}

/// The place `number` (from 1) of `list`, made where it is missing.
fn at<T: Default>(list: &mut Vec<T>, number: usize) -> &mut T {
    let index = number.saturating_sub(1);
    if list.len() <= index {
        list.resize_with(index + 1, T::default);
    }
    #[expect(clippy::indexing_slicing, reason = "the list was made long enough just above")]
    &mut list[index]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use proptest::prelude::*;

    #[test]
    fn esc_7_trailing_empties_are_not_written_and_spaces_are_kept() {
        let mut pid = SegmentBuilder::new("PID");
        pid.push(5, Repetition::new().with(1, " a ").with(3, "").with_sub(2, 3, ""));
        pid.push(5, Repetition::new());
        pid.set(9, "");
        assert_eq!(encode(&[pid], &Separators::default()), "PID||||| a \r");
    }

    #[test]
    fn a_null_field_is_two_quotes() {
        let mut pid = SegmentBuilder::new("PID");
        pid.set_null(8);
        assert_eq!(encode(&[pid], &Separators::default()), "PID||||||||\"\"\r");
    }

    proptest! {
        /// No value can create or shift a segment, field, repetition, component or subcomponent.
        #[test]
        fn values_stay_in_their_place(values in proptest::collection::vec(any::<String>(), 4)) {
            let mut msh = SegmentBuilder::new("MSH");
            msh.set(3, "A");
            let mut pid = SegmentBuilder::new("PID");
            let [a, b, c, d] = values.as_slice() else { unreachable!() };
            pid.set(1, a.as_str());
            pid.push(2, Repetition::of(b.as_str()).with_sub(2, 2, c.as_str()));
            pid.push(2, Repetition::of("x"));
            pid.set(4, d.as_str());
            pid.set(5, "end");
            let er7 = encode(&[msh, pid], &Separators::default());
            let text = Text::from_text(&er7).unwrap();
            let message = text.parse().unwrap();
            prop_assert_eq!(message.segments().count(), 2);
            let read = message.segment("PID").unwrap();
            let get = |value: Option<std::borrow::Cow<'_, str>>| value.unwrap_or_default().into_owned();
            prop_assert_eq!(&get(read.field(1).text()), a);
            prop_assert_eq!(&get(read.field(2).text()), b);
            prop_assert_eq!(&get(read.field(2).component(2).subcomponent(2).text()), c);
            prop_assert_eq!(get(read.field(2).repetition(2).text()), "x");
            prop_assert_eq!(&get(read.field(4).text()), d);
            prop_assert_eq!(get(read.field(5).text()), "end");
        }
    }
}
