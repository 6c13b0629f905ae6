//! Segments read where they stand.

use std::borrow::Cow;
use std::fmt;

use crate::message::NULL;
use crate::{Charset, Separators, unescape};

/// A segment in which a field is found when it is asked for. For the few fields by which messages are told apart and
/// answered: to take all of them apart, as [`Message`](crate::Message) does, costs many times as much.
///
/// ```
/// let msh = hl7v2::RawSegment::header_of("MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1\rPID|1\r")?;
/// assert_eq!(msh.text(10).as_deref(), Some("1"));
/// assert_eq!(msh.component(9, 2).as_deref(), Some("A28"));
/// # Ok::<(), hl7v2::ParseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct RawSegment<'t> {
    pub(crate) raw: &'t str,
    pub(crate) separators: Separators,
    pub(crate) charset: Charset,
}

impl<'t> RawSegment<'t> {
    /// Its three-character name.
    #[must_use]
    pub fn name(&self) -> &'t str {
        self.raw.get(..3).unwrap_or_default()
    }

    /// Field `number`, counted from 1 as in the standard, as it stands in the message; empty where there is none.
    #[must_use]
    pub fn field(&self, number: usize) -> &'t str {
        // MSH-1 is the separator itself.
        let place = if self.name() == "MSH" { number.checked_sub(1) } else { Some(number) };
        self.after_separators(place.unwrap_or_default()).unwrap_or_default()
    }

    /// What stands between the separator of that number, counted from 1, and the next one.
    fn after_separators(&self, number: usize) -> Option<&'t str> {
        // ASCII, as all separators are.
        let separator = u8::try_from(self.separators.field).ok()?;
        let mut separators = memchr::memchr_iter(separator, self.raw.as_bytes());
        let start = separators.nth(number.checked_sub(1)?)? + 1;
        self.raw.get(start..separators.next().unwrap_or(self.raw.len()))
    }

    /// First subcomponent of the first component of the first repetition of a field, unescaped; `None` where empty or
    /// null.
    #[must_use]
    pub fn text(&self, field: usize) -> Option<Cow<'t, str>> {
        self.component(field, 1)
    }

    /// First subcomponent of component `number` of the first repetition of a field, unescaped; `None` where empty or
    /// null.
    #[must_use]
    pub fn component(&self, field: usize, number: usize) -> Option<Cow<'t, str>> {
        self.repetitions(field).next()?.component(number)
    }

    /// The repetitions of a field, in order; none for an empty field.
    pub fn repetitions(&self, field: usize) -> impl Iterator<Item = RawRepetition<'t>> + use<'t> {
        let Self { separators, charset, .. } = *self;
        let field = Some(self.field(field)).filter(|field| !field.is_empty());
        field
            .into_iter()
            .flat_map(move |field| field.split(separators.repetition))
            .map(move |raw| RawRepetition { raw, separators, charset })
    }
}

/// A repetition in which a component is found when it is asked for.
#[derive(Clone, Copy)]
pub struct RawRepetition<'t> {
    raw: &'t str,
    separators: Separators,
    charset: Charset,
}

impl<'t> RawRepetition<'t> {
    /// First subcomponent of component `number`, unescaped; `None` where empty or null.
    #[must_use]
    pub fn component(&self, number: usize) -> Option<Cow<'t, str>> {
        self.components().nth(number.checked_sub(1)?)?
    }

    /// The first subcomponent of each component, as [`component`](Self::component) has it.
    pub(crate) fn components(&self) -> impl Iterator<Item = Option<Cow<'t, str>>> + use<'t> {
        let Self { raw, separators, charset } = *self;
        raw.split(separators.component).map(move |component| {
            let raw = component.split(separators.subcomponent).next().unwrap_or_default();
            if raw.is_empty() || raw == NULL {
                return None;
            }
            Some(unescape(raw, &separators, charset)).filter(|text| !text.is_empty())
        })
    }
}

impl fmt::Debug for RawRepetition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRepetition").field("bytes", &self.raw.len()).finish()
    }
}

impl fmt::Debug for RawSegment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawSegment").field("bytes", &self.raw.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ParseError, Text};

    const HEADER: &str = "MSH|^~\\&|A|B|C|D|20240301||ADT^A28^ADT_A05|1|T|2.5.1";

    #[test]
    fn the_header_of_what_is_no_message_is_an_error() {
        let header_of = |text: &str| RawSegment::header_of(text).map(|msh| msh.text(10).map(Cow::into_owned));
        assert_eq!(header_of(&format!("{HEADER}\r\nPID|1\n")), Ok(Some("1".to_owned())));
        assert_eq!(header_of("PID|1"), Err(ParseError::NoHeader));
        assert_eq!(header_of(""), Err(ParseError::NoHeader));
        assert_eq!(header_of("FHS|^~\\&|\r"), Err(ParseError::Batch));
        assert_eq!(
            header_of(&format!("{HEADER}\rPID|1\rdamaged")),
            Err(ParseError::InvalidSegment { segment: 3 })
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", RawSegment::header_of("MSH|^~\\&|secret").unwrap());
        assert_eq!(shown, "RawSegment { bytes: 15 }");
    }

    proptest! {
        #[test]
        fn reads_what_the_whole_message_has(
            header in r"MSH(\|\^~\\&#?|#\$%!\*)[A|^~\\&F#$\x22é]{0,20}",
            rest in r"([A-Z]{3}[A|^~&\\SF#$\x22é]{0,20}[\r\n]{0,2}){0,3}",
        ) {
            let source = format!("{header}\r{rest}");
            let outline = RawSegment::header_of(&source);
            let text = Text::from_text(&source);
            prop_assert_eq!(outline.as_ref().err(), text.as_ref().err());
            let (Ok(msh), Ok(text)) = (outline, text) else { return Ok(()) };
            let message = text.parse().unwrap();
            prop_assert_eq!(text.segments().count(), message.segments().count());
            for (ours, theirs) in text.segments().zip(message.segments()).skip(1).chain([(msh, message.segments().next().unwrap())]) {
                prop_assert_eq!(ours.name(), theirs.name());
                // MSH-1 and MSH-2 are no values.
                for field in if ours.name() == "MSH" { 3..24 } else { 0..24 } {
                    prop_assert_eq!(ours.field(field), theirs.field(field).raw(), "field {}", field);
                    let repetitions: Vec<_> = theirs.field(field).repetitions().collect();
                    prop_assert_eq!(ours.repetitions(field).count(), repetitions.len());
                    for (ours, theirs) in ours.repetitions(field).zip(repetitions) {
                        for component in 0..6 {
                            prop_assert_eq!(ours.component(component), theirs.component(component).text());
                        }
                    }
                    for component in 0..6 {
                        let whole = theirs.field(field).component(component).text();
                        prop_assert_eq!(ours.component(field, component), whole, "{}.{}", field, component);
                    }
                }
            }
        }
    }
}
