//! Reading views: Message › Segment › Field › Repetition › Component › Subcomponent, all counted from 1.

mod content;

use std::borrow::Cow;
use std::fmt;

use content::{NOTHING, Part};

use crate::{Header, ParseError, Text, unescape};

/// One parsed message. Holds patient data: `Debug` prints its shape only.
#[derive(Clone)]
pub struct Message<'t> {
    text: &'t Text,
    /// The segments, then what they hold.
    parts: Vec<Part<'t>>,
    segments: usize,
}

impl<'t> Message<'t> {
    /// See [`Text::parse`].
    pub(crate) fn parse(text: &'t Text) -> Result<Self, ParseError> {
        let (parts, segments) = content::read(text)?;
        Ok(Self { text, parts, segments })
    }

    /// All segments, in order; MSH is the first.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.parts.iter().take(self.segments).map(|part| Segment(Place { part, message: self }))
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
        let names: Vec<&str> = self.segments().map(|segment| segment.name()).collect();
        f.debug_struct("Message").field("segments", &names).finish()
    }
}

/// What a view stands for.
#[derive(Clone, Copy)]
struct Place<'m> {
    part: &'m Part<'m>,
    message: &'m Message<'m>,
}

impl<'m> Place<'m> {
    fn parts(self) -> &'m [Part<'m>] {
        self.part.parts(&self.message.parts)
    }

    /// Its part of that number.
    fn part(self, number: usize) -> Self {
        let part = number.checked_sub(1).and_then(|index| self.parts().get(index));
        Self { part: part.unwrap_or(NOTHING), ..self }
    }
}

/// One segment, such as PID.
#[derive(Clone, Copy)]
pub struct Segment<'m>(Place<'m>);

impl<'m> Segment<'m> {
    /// Its three-character name.
    #[must_use]
    pub fn name(&self) -> &'m str {
        self.raw().get(..3).unwrap_or_default()
    }

    /// Field `number`, counted from 1 as in the standard: `MSH-1` is the field separator.
    #[must_use]
    pub fn field(&self, number: usize) -> Field<'m> {
        Field(self.0.part(number))
    }

    /// How many fields the segment has, the last valued or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.parts().len()
    }

    /// True for a segment without any field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.parts().is_empty()
    }

    /// The segment as it stands in the message, escape sequences unread.
    #[must_use]
    pub fn raw(&self) -> &'m str {
        self.0.part.raw
    }
}

/// One field; empty where the message has none.
#[derive(Clone, Copy)]
pub struct Field<'m>(Place<'m>);

impl<'m> Field<'m> {
    /// Its repetitions, in order; none for an empty field. An empty repetition between others is kept.
    pub fn repetitions(&self) -> impl Iterator<Item = Repetition<'m>> + use<'m> {
        let field = *self;
        (1..=field.0.parts().len()).map(move |number| field.repetition(number))
    }

    /// Repetition `number`, from 1.
    #[must_use]
    pub fn repetition(&self, number: usize) -> Repetition<'m> {
        Repetition(self.0.part(number))
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
pub struct Repetition<'m>(Place<'m>);

impl<'m> Repetition<'m> {
    /// Component `number`, from 1.
    #[must_use]
    pub fn component(&self, number: usize) -> Component<'m> {
        Component(self.0.part(number))
    }

    /// How many components are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.parts().len()
    }

    /// First subcomponent of the first component, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.component(1).text()
    }
}

/// One component.
#[derive(Clone, Copy)]
pub struct Component<'m>(Place<'m>);

impl<'m> Component<'m> {
    /// Subcomponent `number`, from 1.
    #[must_use]
    pub fn subcomponent(&self, number: usize) -> Subcomponent<'m> {
        Subcomponent(self.0.part(number))
    }

    /// How many subcomponents are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.parts().len()
    }

    /// First subcomponent, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        self.subcomponent(1).text()
    }
}

/// One subcomponent, the leaf of the ladder.
#[derive(Clone, Copy)]
pub struct Subcomponent<'m>(Place<'m>);

impl<'m> Subcomponent<'m> {
    /// Its text, unescaped; `None` where empty or null.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'m, str>> {
        let raw = self.raw();
        if raw.is_empty() || raw == NULL {
            return None;
        }
        let text = self.0.message.text;
        Some(unescape(raw, text.separators(), text.charset())).filter(|text| !text.is_empty())
    }

    /// The subcomponent as it stands in the message.
    #[must_use]
    pub fn raw(&self) -> &'m str {
        self.0.part.raw
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
                self.0.part.raw
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
