//! What a message holds. The parser sees those fields that have a delimiter; a value needs none, and most fields of a
//! message are empty.

use hl7_parser::message::Field as Parts;
use hl7_parser::parser::parse_field_with_separators;

use crate::{ParseError, Text};

/// One segment.
#[derive(Clone)]
pub(super) struct SegmentContent<'t> {
    pub(super) name: &'t str,
    pub(super) raw: &'t str,
    pub(super) fields: Vec<FieldContent<'t>>,
}

/// One field.
#[derive(Clone)]
pub(super) enum FieldContent<'t> {
    /// Without any delimiter: its only subcomponent, or nothing.
    Value(&'t str),
    Parts(Parts<'t>),
}

/// The segments of a message.
pub(super) fn read(text: &Text) -> Result<Vec<SegmentContent<'_>>, ParseError> {
    let lines = text.as_str().split('\r').enumerate();
    let separators = Separators::of(text);
    lines
        .map(|(index, line)| {
            let segment = SegmentContent::read(line, index == 0, &separators);
            segment.ok_or(ParseError::InvalidSegment { segment: index + 1 })
        })
        .collect()
}

/// The delimiters, as they are searched for and as the parser takes them.
struct Separators {
    field: char,
    within: [u8; 3],
    parser: hl7_parser::message::Separators,
}

impl Separators {
    fn of(text: &Text) -> Self {
        let crate::Separators { field, component, repetition, escape, subcomponent, .. } = *text.separators();
        Self {
            field,
            // All ASCII.
            within: [component, repetition, subcomponent].map(|c| u8::try_from(c).unwrap_or(0)),
            parser: hl7_parser::message::Separators {
                field,
                component,
                repetition,
                escape,
                subcomponent,
                lenient_newlines: false,
            },
        }
    }
}

impl<'t> SegmentContent<'t> {
    /// `None` where the line does not start with a name and a field separator, or the parser stops before its end.
    fn read(raw: &'t str, is_header: bool, separators: &Separators) -> Option<Self> {
        let (name, rest) = raw.split_at_checked(3)?;
        let rest = rest.strip_prefix(separators.field)?;
        let count = rest.bytes().filter(|byte| char::from(*byte) == separators.field).count();
        let mut fields = Vec::with_capacity(count + 2);
        let mut texts = rest.split(separators.field);
        if is_header {
            // MSH-1 is the field separator itself; MSH-2 has the others.
            fields.push(FieldContent::Value(raw.get(3..4)?));
            fields.push(FieldContent::Value(texts.next()?));
        }
        for text in texts {
            fields.push(FieldContent::read(text, separators)?);
        }
        Some(Self { name, raw, fields })
    }
}

impl<'t> FieldContent<'t> {
    fn read(raw: &'t str, separators: &Separators) -> Option<Self> {
        if !raw.bytes().any(|byte| separators.within.contains(&byte)) {
            return Some(Self::Value(raw));
        }
        let parts = parse_field_with_separators(raw, separators.parser).ok()?;
        (parts.raw_value().len() == raw.len()).then_some(Self::Parts(parts))
    }
}
