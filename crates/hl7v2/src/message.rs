//! Reading views: Message › Segment › Field › Repetition › Component › Subcomponent, all counted from 1.

mod content;

use std::borrow::Cow;
use std::fmt;

use content::{FieldContent, SegmentContent};

use crate::{Header, ParseError, Text, unescape};

/// One parsed message. Holds patient data: `Debug` prints its shape only.
#[derive(Clone)]
pub struct Message<'t> {
    text: &'t Text,
    segments: Vec<SegmentContent<'t>>,
}

impl<'t> Message<'t> {
    /// See [`Text::parse`].
    pub(crate) fn parse(text: &'t Text) -> Result<Self, ParseError> {
        Ok(Self { text, segments: content::read(text)? })
    }

    /// All segments, in order; MSH is the first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.segments.iter().map(|content| Segment { content, text: self.text })
    }

    /// The first segment of that name.
    #[must_use]
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments().find(|segment| segment.name() == name)
    }

    /// All segments of that name, in order.
    pub fn segments_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Segment<'a>> {
        self.segments().filter(move |segment| segment.name() == name)
    }

    /// The fields of MSH that say what the message is and how to answer it.
    #[must_use]
    pub fn header(&self) -> Header {
        self.text.header()
    }

    /// The text this message was parsed from.
    #[must_use]
    pub fn text(&self) -> &'t Text {
        self.text
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.segments.iter().map(|segment| segment.name).collect();
        f.debug_struct("Message").field("segments", &names).finish()
    }
}

/// One segment, such as PID.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    content: &'m SegmentContent<'m>,
    text: &'m Text,
}

impl<'m> Segment<'m> {
    /// Its three-character name.
    #[must_use]
    pub fn name(&self) -> &'m str {
        self.content.name
    }

    /// Field `number`, counted from 1 as in the standard: `MSH-1` is the field separator.
    #[must_use]
    pub fn field(&self, number: usize) -> Field<'m> {
        let content = number.checked_sub(1).and_then(|index| self.content.fields.get(index));
        let (raw, parts) = match content {
            Some(FieldContent::Value(value)) => (*value, None),
            Some(FieldContent::Parts(parts)) => (parts.raw_value(), Some(parts)),
            None => ("", None),
        };
        Field { raw, parts, text: self.text }
    }

    /// How many fields the segment has, the last valued or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content.fields.len()
    }

    /// True for a segment without any field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.content.fields.is_empty()
    }

    /// The segment as it stands in the message, escape sequences unread.
    #[must_use]
    pub fn raw(&self) -> &'m str {
        self.content.raw
    }
}

/// One field; empty where the message has none.
#[derive(Clone, Copy)]
pub struct Field<'m> {
    raw: &'m str,
    /// Where it is more than one value.
    parts: Option<&'m hl7_parser::message::Field<'m>>,
    text: &'m Text,
}

impl<'m> Field<'m> {
    /// Its repetitions, in order; none for an empty field. An empty repetition between others is kept.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        let field = *self;
        let count = field.parts.map_or(usize::from(!field.raw.is_empty()), |parts| parts.repeats.len());
        (1..=count).map(move |number| field.repetition(number))
    }

    /// Repetition `number`, from 1.
    #[must_use]
    pub fn repetition(&self, number: usize) -> Repetition<'m> {
        let parts = self.parts.and_then(|parts| parts.repeats.get(number.checked_sub(1)?));
        let raw = parts.map_or_else(|| self.only(number), |parts| parts.raw_value());
        Repetition { raw, parts, text: self.text }
    }

    /// Component `number` of the first repetition.
    #[must_use]
    pub fn component(&self, number: usize) -> Component<'m> {
        self.repetition(1).component(number)
    }

    /// First subcomponent of the first component of the first repetition, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.repetition(1).text()
    }
}

/// One repetition of a field.
#[derive(Clone, Copy)]
pub struct Repetition<'m> {
    raw: &'m str,
    /// Where it is more than one value.
    parts: Option<&'m hl7_parser::message::Repeat<'m>>,
    text: &'m Text,
}

impl<'m> Repetition<'m> {
    /// Component `number`, from 1.
    #[must_use]
    pub fn component(&self, number: usize) -> Component<'m> {
        let parts = self.parts.and_then(|parts| parts.components.get(number.checked_sub(1)?));
        let raw = parts.map_or_else(|| self.only(number), |parts| parts.raw_value());
        Component { raw, parts, text: self.text }
    }

    /// How many components are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.map_or(usize::from(!self.raw.is_empty()), |parts| parts.components.len())
    }

    /// First subcomponent of the first component, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.component(1).text()
    }
}

/// One component.
#[derive(Clone, Copy)]
pub struct Component<'m> {
    raw: &'m str,
    /// Where it may be more than one value.
    parts: Option<&'m hl7_parser::message::Component<'m>>,
    text: &'m Text,
}

impl<'m> Component<'m> {
    /// Subcomponent `number`, from 1.
    #[must_use]
    pub fn subcomponent(&self, number: usize) -> Subcomponent<'m> {
        let part = self.parts.and_then(|parts| parts.subcomponents.get(number.checked_sub(1)?));
        let raw = part.map_or_else(|| self.only(number), |part| part.value);
        Subcomponent { raw, text: self.text }
    }

    /// How many subcomponents are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.map_or(usize::from(!self.raw.is_empty()), |parts| parts.subcomponents.len())
    }

    /// First subcomponent, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.subcomponent(1).text()
    }
}

/// One subcomponent, the leaf of the ladder.
#[derive(Clone, Copy)]
pub struct Subcomponent<'m> {
    raw: &'m str,
    text: &'m Text,
}

impl<'m> Subcomponent<'m> {
    /// Its text, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        if self.raw.is_empty() || self.raw == NULL {
            return None;
        }
        Some(unescape(self.raw, self.text.separators(), self.text.charset())).filter(|text| !text.is_empty())
    }

    /// The subcomponent as it stands in the message.
    #[must_use]
    pub fn raw(&self) -> &'m str {
        self.raw
    }
}

/// What every view that may stand for nothing can say of itself.
macro_rules! written_or_not {
    ($($view:ident),+) => {$(
        impl<'m> $view<'m> {
            /// True where nothing is written.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.raw().is_empty()
            }

            /// True where this is the explicit null `""` (HL7 v2.5.1 §2.5.3: delete).
            #[must_use]
            pub fn is_null(&self) -> bool {
                self.raw() == NULL
            }

            /// The text as it stands in the message, escape sequences unread.
            #[must_use]
            pub fn raw(&self) -> &'m str {
                self.raw
            }

            /// The part of that number of a view without delimiters: the first is all of it.
            fn only(&self, number: usize) -> &'m str {
                if self.parts.is_none() && number == 1 { self.raw } else { "" }
            }
        }
    )+};
}

written_or_not!(Field, Repetition, Component);

macro_rules! debug_without_values {
    ($($view:ident),+) => {$(
        impl fmt::Debug for $view<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($view)).field("bytes", &self.raw().len()).finish()
            }
        }
    )+};
}

debug_without_values!(Segment, Field, Repetition, Component, Subcomponent);

/// The explicit null.
pub(crate) const NULL: &str = "\"\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pid: &str) -> Text {
        Text::from_text(&format!("MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1\r{pid}\r")).unwrap()
    }

    #[test]
    fn counts_from_one_and_an_absent_place_is_empty() {
        let text = text("PID|1||a&b^c~d");
        let message = text.parse().unwrap();
        let field = message.segment("PID").unwrap().field(3);
        assert_eq!(field.component(1).subcomponent(2).text().as_deref(), Some("b"));
        assert_eq!(field.repetition(2).text().as_deref(), Some("d"));
        assert_eq!(field.repetition(3).component(9).subcomponent(7).text(), None);
        assert_eq!(field.component(0).text(), None);
        assert_eq!(message.segment("PID").unwrap().field(0).text(), None);
    }

    #[test]
    fn null_is_not_a_value() {
        let text = text("PID|1||\"\"|\\X2222\\");
        let message = text.parse().unwrap();
        let pid = message.segment("PID").unwrap();
        assert!(pid.field(3).is_null());
        assert_eq!(pid.field(3).text(), None);
        assert!(!pid.field(4).is_null());
        assert_eq!(pid.field(4).text().as_deref(), Some("\"\""));
    }

    #[test]
    fn an_empty_field_has_no_repetition() {
        let text = text("PID|1||");
        let message = text.parse().unwrap();
        assert_eq!(message.segment("PID").unwrap().field(3).repetitions().count(), 0);
    }

    #[test]
    fn debug_shows_no_value() {
        let text = text("PID|1||secret");
        let message = text.parse().unwrap();
        let pid = message.segment("PID").unwrap();
        assert!(!format!("{message:?} {pid:?} {:?}", pid.field(3)).contains("secret"));
    }
}
