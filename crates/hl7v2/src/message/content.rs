//! What a message holds. Splitting at the delimiters down to components takes no parser, and `tests/it/views.rs` shows
//! that it finds what the parser finds; the parser sees the components that have subcomponents. Most fields of a message
//! are empty, and most components are one value, so this is quicker and takes far less memory.

use hl7_parser::message::Component as Parts;
use hl7_parser::parser::parse_component_with_separators;

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
pub(super) struct FieldContent<'t> {
    pub(super) raw: &'t str,
    /// `None` where it has no delimiter: one value, or nothing.
    pub(super) repetitions: Option<Vec<RepetitionContent<'t>>>,
}

/// One repetition.
#[derive(Clone)]
pub(super) struct RepetitionContent<'t> {
    pub(super) raw: &'t str,
    /// `None` where it has no delimiter.
    pub(super) components: Option<Vec<ComponentContent<'t>>>,
}

/// One component.
#[derive(Clone)]
pub(super) struct ComponentContent<'t> {
    pub(super) raw: &'t str,
    /// `None` where it has no delimiter.
    pub(super) parts: Option<Box<Parts<'t>>>,
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

/// The delimiters as bytes, for all are ASCII; and as the parser takes them.
struct Separators {
    field: u8,
    repetition: u8,
    component: u8,
    subcomponent: u8,
    parser: hl7_parser::message::Separators,
}

impl Separators {
    fn of(text: &Text) -> Self {
        let crate::Separators { field, component, repetition, escape, subcomponent, .. } = *text.separators();
        let byte = |c: char| u8::try_from(c).unwrap_or(0);
        Self {
            field: byte(field),
            repetition: byte(repetition),
            component: byte(component),
            subcomponent: byte(subcomponent),
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
    /// `None` where the line does not start with a name and a field separator, or the parser stops before the end of a
    /// component.
    fn read(raw: &'t str, is_header: bool, separators: &Separators) -> Option<Self> {
        let (name, rest) = raw.split_at_checked(3)?;
        let rest = rest.strip_prefix(char::from(separators.field))?;
        if !is_header {
            let fields = split(rest, separators.field, |raw| FieldContent::read(raw, separators))?;
            return Some(Self { name, raw, fields });
        }
        // MSH-1 is the field separator itself; MSH-2 has the others.
        let mut fields = vec![FieldContent { raw: raw.get(3..4)?, repetitions: None }];
        let (encoding, rest) = match rest.split_once(char::from(separators.field)) {
            Some((encoding, rest)) => (encoding, Some(rest)),
            None => (rest, None),
        };
        fields.push(FieldContent { raw: encoding, repetitions: None });
        if let Some(rest) = rest {
            fields.extend(split(rest, separators.field, |raw| FieldContent::read(raw, separators))?);
        }
        Some(Self { name, raw, fields })
    }
}

impl<'t> FieldContent<'t> {
    fn read(raw: &'t str, separators: &Separators) -> Option<Self> {
        let Separators { repetition, component, subcomponent, .. } = *separators;
        let has_parts = has(raw, &[repetition, component, subcomponent]);
        let repetitions =
            || split(raw, separators.repetition, |raw| RepetitionContent::read(raw, separators));
        Some(Self { raw, repetitions: if has_parts { Some(repetitions()?) } else { None } })
    }
}

impl<'t> RepetitionContent<'t> {
    fn read(raw: &'t str, separators: &Separators) -> Option<Self> {
        let has_parts = has(raw, &[separators.component, separators.subcomponent]);
        let components = || split(raw, separators.component, |raw| ComponentContent::read(raw, separators));
        Some(Self { raw, components: if has_parts { Some(components()?) } else { None } })
    }
}

impl<'t> ComponentContent<'t> {
    fn read(raw: &'t str, separators: &Separators) -> Option<Self> {
        if !has(raw, &[separators.subcomponent]) {
            return Some(Self { raw, parts: None });
        }
        let parts = parse_component_with_separators(raw, separators.parser).ok()?;
        (parts.raw_value().len() == raw.len()).then(|| Self { raw, parts: Some(Box::new(parts)) })
    }
}

fn has<const N: usize>(raw: &str, separators: &[u8; N]) -> bool {
    raw.bytes().any(|byte| separators.contains(&byte))
}

/// What stands between separators.
fn split<'t, T>(raw: &'t str, separator: u8, read: impl Fn(&'t str) -> Option<T>) -> Option<Vec<T>> {
    let count = raw.bytes().filter(|byte| *byte == separator).count();
    let mut parts = Vec::with_capacity(count + 1);
    for part in raw.split(char::from(separator)) {
        parts.push(read(part)?);
    }
    Some(parts)
}
